package bench

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"sluice/gateway/ws"
)

// dialogue is a dialect, compiled for a swarm.
type dialogue struct {
	// Static after construction.
	plain    bool // messages are payloads and nothing else, from the first one on
	greeting int
	awaited  int // messages of the server until a connection is open, the greeting included
	join     []template
	answers  []answer
	refusals [][]byte
	lines    bool

	// Owned by the loop.
	envelope envelope
	acted    bool // since this was reset, a message had an effect that is none of the handler's
}

type answer struct {
	to    []byte
	frame []byte
}

func newDialogue(d *Dialect, size int) *dialogue {
	l := &dialogue{
		plain:    d.Greeting == 0 && d.Ready == 0 && len(d.Join) == 0 && d.Publish == "" && len(d.Answers) == 0 && len(d.Refusals) == 0,
		greeting: d.Greeting,
		awaited:  d.Greeting + d.Ready,
		lines:    d.Lines,
		envelope: envelope{size: size},
	}
	for _, j := range d.Join {
		l.join = append(l.join, parseTemplate(j))
	}
	for _, a := range d.Answers {
		l.answers = append(l.answers, answer{[]byte(a.To), appendMasked(nil, ws.Text, []byte(a.Say))})
	}
	for _, r := range d.Refusals {
		l.refusals = append(l.refusals, []byte(r))
	}
	return l
}

// joins says whether a blank occurs in what clients begin with.
func (l *dialogue) joins(b blank) bool {
	return slices.ContainsFunc(l.join, func(t template) bool { return t.has(b) })
}

// begin is called when the upgrade was accepted.
func (s *swarm) begin(i int, now int64) {
	c := &s.conns[i]
	c.heard = 0
	if s.talk.plain {
		s.joined(i, now)
		return
	}
	s.become(c, joining)
	s.progress(i, now)
}

// progress does what is due after c.heard messages of the server: join, be open, or wait on.
func (s *swarm) progress(i int, now int64) {
	c := &s.conns[i]
	generation := c.generation
	if int(c.heard) == s.talk.greeting && len(s.talk.join) > 0 {
		s.scratch = s.scratch[:0]
		var text []byte
		for _, t := range s.talk.join {
			text = t.append(text[:0], s.share.number(i), s.channelOf(i), nil)
			s.scratch = appendMasked(s.scratch, ws.Text, text)
		}
		s.send(i, s.scratch)
		if c.generation != generation {
			return
		}
	}
	if int(c.heard) == s.talk.awaited {
		s.joined(i, now)
	}
}

func (s *swarm) joined(i int, now int64) {
	c := &s.conns[i]
	s.become(c, open)
	s.handler.opened(i, now, now-c.since)
}

// channelOf is the number of the channel of the connection with index i.
func (s *swarm) channelOf(i int) int {
	if s.channel == nil {
		return 0
	}
	return s.channel(s.share.number(i))
}

// message takes a whole message of connection i.
//
// hot: once per received message.
func (s *swarm) message(i int, b []byte, now int64) {
	if s.talk.plain {
		s.handler.message(i, b, now)
	} else {
		s.unwrap(i, b, now)
	}
}

// unwrap is message where a payload is only a part of it.
//
// hot: once per received message.
func (s *swarm) unwrap(i int, b []byte, now int64) {
	if s.conns[i].state >= open {
		if p := s.talk.envelope.known(b); p != nil {
			s.handler.message(i, p, now)
			return
		}
	}
	s.hear(i, b, now)
}

// hear takes a message apart: its lines, and the payloads within each.
func (s *swarm) hear(i int, b []byte, now int64) {
	c := &s.conns[i]
	generation := c.generation
	for len(b) > 0 && c.generation == generation {
		line, rest := b, []byte(nil)
		if s.talk.lines {
			line, rest, _ = bytes.Cut(b, []byte{'\n'})
		}
		s.line(i, line, now, len(line) == len(b))
		b = rest
	}
}

// line takes one message of the server; whole says that it was alone.
func (s *swarm) line(i int, b []byte, now int64, whole bool) {
	c := &s.conns[i]
	generation := c.generation
	start, end, found := s.talk.envelope.find(b, 0)
	if !found {
		s.aside(i, b, now)
		return
	}
	if c.state < open {
		return // it joined as others published; what counts begins when it is open
	}
	if whole && end-start == s.talk.envelope.size {
		s.talk.envelope.remember(b, start, end)
	}
	for found && c.generation == generation {
		s.handler.message(i, b[start:end], now)
		start, end, found = s.talk.envelope.find(b, end)
	}
}

// aside takes a message without a payload: an acknowledgement, a ping, a refusal.
func (s *swarm) aside(i int, b []byte, now int64) {
	c := &s.conns[i]
	for _, r := range s.talk.refusals {
		if bytes.Contains(b, r) {
			s.drop(i, fmt.Errorf("%w: %s", errRefused, b[:min(len(b), 200)]))
			return
		}
	}
	for _, a := range s.talk.answers {
		if bytes.HasPrefix(b, a.to) {
			s.talk.acted = true
			s.send(i, a.frame)
			return
		}
	}
	if c.state == joining {
		s.talk.acted = true
		c.heard++
		s.progress(i, now)
	}
}

// errRefused: the server said no, in its own words.
var errRefused = errors.New("bench: the server refused")
