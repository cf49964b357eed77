//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A goPeer is one connection of a client in Go. Its reader runs from the start.
type goPeer interface {
	extensions() string
	send(ctx context.Context, m goMessage) error
	fragments(ctx context.Context, parts []string) error
	ping(ctx context.Context, payload string) error // and waits for its pong
	close(code int, reason string) error
	events() *goEvents
}

// A goMessage is what was sent, or what came.
type goMessage struct {
	binary  bool
	payload []byte
}

func text(s string) goMessage { return goMessage{payload: []byte(s)} }

// goEvents is what a connection's reader has read.
type goEvents struct {
	messages chan goMessage // closed when the connection has ended
	pings    atomic.Int64

	// Set before messages is closed.
	code   int
	reason string
	err    error // what is not a close frame
}

func newGoEvents() *goEvents { return &goEvents{messages: make(chan goMessage, 4096)} }

func (e *goEvents) expect(want goMessage) error {
	got, ok := <-e.messages
	switch {
	case !ok:
		return fmt.Errorf("closed: %d %s %w", e.code, e.reason, e.err)
	case got.binary != want.binary || !bytes.Equal(got.payload, want.payload):
		return fmt.Errorf("got %v %.40q, want %v %.40q", got.binary, got.payload, want.binary, want.payload)
	}
	return nil
}

func (e *goEvents) ended(code int, reason string) (string, error) {
	if got, ok := <-e.messages; ok {
		return "", fmt.Errorf("got %.40q where the close was due", got.payload)
	}
	if e.code != code || (reason != "" && e.reason != reason) {
		return "", fmt.Errorf("closed with %d %q (%w), want %d %q", e.code, e.reason, e.err, code, reason)
	}
	return strings.TrimSpace(fmt.Sprint(e.code, " ", e.reason)), nil
}

type goDialer func(ctx context.Context, r *run, url string) (goPeer, error)

// goProgram is the steps of clients/README.md in Go.
func goProgram(dial goDialer) program {
	return func(ctx context.Context, r *run, url string, say func(line)) error {
		s := goSteps{run: r, say: say, dial: func(channel string) (goPeer, error) { return dial(ctx, r, url+"?channel="+channel) }}
		for _, step := range r.client.due() {
			if step == stepNode {
				break
			}
			detail, err := s.do(ctx, step)
			if err != nil {
				say(line{Step: step, Detail: err.Error()})
				return errors.New("a step failed")
			}
			say(line{Step: step, OK: true, Detail: detail})
		}
		return nil
	}
}

type goSteps struct {
	run          *run
	say          func(line)
	dial         func(channel string) (goPeer, error)
	main, silent goPeer
	since        time.Time
}

func (s *goSteps) echo(ctx context.Context, p goPeer, m goMessage) error {
	if err := p.send(ctx, m); err != nil {
		return err
	}
	return p.events().expect(m)
}

func (s *goSteps) do(ctx context.Context, step string) (detail string, err error) {
	switch step {
	case "open":
		if s.main, err = s.dial("main"); err != nil {
			return "", err
		}
		return s.main.extensions(), nil
	case "text":
		if s.silent, err = s.dial("silent"); err != nil {
			return "", err
		}
		s.since = time.Now()
		return "", s.echo(ctx, s.main, text("Grüße, 世界 🌊"))
	case "binary":
		all := goMessage{binary: true, payload: make([]byte, 256)}
		for i := range all.payload {
			all.payload[i] = byte(i)
		}
		return "", s.echo(ctx, s.main, all)
	case "empty":
		return "", errors.Join(s.echo(ctx, s.main, text("")), s.echo(ctx, s.main, goMessage{binary: true}))
	case "large":
		return "", s.large(ctx)
	case "fragments":
		if err := s.main.fragments(ctx, []string{"frag", "", "ments", " 🌊"}); err != nil {
			return "", err
		}
		return "", s.main.events().expect(text("fragments 🌊"))
	case "ping":
		return "", s.main.ping(ctx, "sluice")
	case "order":
		return "", s.order(ctx)
	case "publish":
		s.say(line{Ask: "publish"})
		for i := range 1000 {
			if err := s.main.events().expect(goMessage{i%2 == 1, numbered(i, "y")}); err != nil {
				return "", err
			}
		}
		return "", nil
	case "close":
		return closed(s.main, 1000, "bye")
	case "close_own":
		p, err := s.dial("own")
		if err != nil {
			return "", err
		}
		return closed(p, 4123, "done")
	case "disconnect":
		return s.sentAway("kick", step, 4001, "signed out")
	case "silent":
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(13*time.Second - time.Since(s.since)):
		}
		if err := s.echo(ctx, s.silent, text("awake")); err != nil {
			return "", err
		}
		return closed(s.silent, 1000, "")
	case "pinged":
		n := s.silent.events().pings.Load()
		if n == 0 {
			return "", errors.New("no ping came")
		}
		return strconv.FormatInt(n, 10), nil
	case "drain":
		return s.sentAway("drain", step, 1001, "")
	}
	return "", errors.New("no such step")
}

func (s *goSteps) large(ctx context.Context) error {
	letters, all := make([]byte, 1<<20), make([]byte, 1<<20)
	for i := range letters {
		n := i*7 + (i>>8)*13
		letters[i], all[i] = byte('a'+n%26), byte(n)
	}
	return errors.Join(s.echo(ctx, s.main, goMessage{false, letters}), s.echo(ctx, s.main, goMessage{true, all}))
}

func (s *goSteps) order(ctx context.Context) error {
	for i := range 1000 {
		if err := s.main.send(ctx, goMessage{payload: numbered(i, "x")}); err != nil {
			return err
		}
	}
	for i := range 1000 {
		if err := s.main.events().expect(goMessage{payload: numbered(i, "x")}); err != nil {
			return err
		}
	}
	return nil
}

func numbered(i int, letter string) []byte {
	return fmt.Appendf(nil, "%d %s", i, strings.Repeat(letter, i%300))
}

func closed(p goPeer, code int, reason string) (string, error) {
	if err := p.close(code, reason); err != nil {
		return "", err
	}
	return p.events().ended(code, "")
}

func (s *goSteps) sentAway(channel, ask string, code int, reason string) (string, error) {
	p, err := s.dial(channel)
	if err != nil {
		return "", err
	}
	s.say(line{Ask: ask})
	return p.events().ended(code, reason)
}
