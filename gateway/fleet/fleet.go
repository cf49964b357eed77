// Package fleet is what nodes know of each other, and ask each other: who is
// there, how much room each has, and whatever the handlers answer. Nothing is
// replicated, so nothing can be out of date for longer than a node's silence.
package fleet

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Bus carries control messages to one node, or to all others (""). Send does not block.
type Bus interface {
	Send(node string, m []byte) error
}

// Status is what a node says of itself.
type Status struct {
	Node    string    `json:"node"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"`
	// Why it is not ready; "": it is.
	Why string `json:"why,omitempty"`
	// Draining: it lets go of its connections.
	Draining bool `json:"draining"`
	// Connections that are open, and how many there may be.
	Connections    int `json:"connections"`
	MaxConnections int `json:"max_connections"`
	// AcceptRate is how many new connections a second it takes well, and Connects how many came in the last one.
	AcceptRate int     `json:"accept_rate"`
	Connects   float64 `json:"connects"`
	// Releasing is how many connections it told to leave in the last second, so that others take them.
	Releasing int `json:"releasing"`
}

// Options configure a Fleet.
type Options struct {
	// Node is this node's name.
	Node string
	Bus  Bus
	// Status is called once a second.
	Status func() Status
	// Joined is told of each node that was not there before, or that Missed names, when it is heard; by a goroutine
	// of the Fleet. Nil: nobody is.
	Joined func(node string)
	Log    zerolog.Logger
}

// How often a node speaks, and how long it may be silent.
const (
	period  = time.Second
	silence = 4 * period
	// doubt is how long nodes that nobody is heard beside may be there, and the bus be silent: by then it notices.
	doubt = 12 * period
)

// Fleet is one node's view. Its methods may be called concurrently.
type Fleet struct {
	// Static after Run.
	o        Options
	handlers map[string]Handler
	in       chan []byte
	soon     chan struct{}

	// Dropped are messages that were malformed, or came while too many waited.
	Dropped atomic.Uint64

	// Guarded by mu.
	mu        sync.Mutex
	nodes     map[string]*peer
	questions map[uint64]*question
	last      uint64
	namesake  namesake
	listened  time.Time            // when any other node was heard last
	doubted   map[string]time.Time // nodes that fell silent when nobody was heard, until when that may be the bus's fault

	// Guarded by voice, which is held while the bus takes a message.
	voice sync.Mutex
	left  bool // the goodbye was said: nothing comes after it

	work chan struct{} // a place for each question that is being answered
	wg   sync.WaitGroup
}

// peer is another node.
type peer struct {
	status Status
	heard  time.Time
	missed bool      // something did not reach it: Joined is told of it once more
	twins  time.Time // when two nodes were heard last that have its name
}

// Handler answers a question. It may take its time.
type Handler func(body json.RawMessage) (any, error)

// Bounds of what waits, and of what is answered at the same time.
const (
	maxIn      = 4096
	maxAnswers = 16
)

// New returns a Fleet of one, until Run.
func New(o Options) *Fleet {
	return &Fleet{
		o: o, handlers: map[string]Handler{}, in: make(chan []byte, maxIn), soon: make(chan struct{}, 1),
		nodes: map[string]*peer{}, questions: map[uint64]*question{}, doubted: map[string]time.Time{}, work: make(chan struct{}, maxAnswers),
		last: rand.Uint64() >> 1, // an answer to a question of an earlier run with this name fits none
	}
}

// Handle has f answer the questions of a kind. It is called before Run.
func (f *Fleet) Handle(what string, h Handler) { f.handlers[what] = h }

// Control takes a message from another node. It does not block.
func (f *Fleet) Control(m []byte) {
	select {
	case f.in <- m:
	default:
		f.Dropped.Add(1)
	}
}

// Announce has the node speak at once: the bus is there again, or something has changed.
func (f *Fleet) Announce() {
	select {
	case f.soon <- struct{}{}:
	default:
	}
}

// Leave says goodbye: the others need not wait for this node's silence. It is the
// last word: whatever this node would say afterwards is not sent.
func (f *Fleet) Leave() { f.send("", &message{Kind: kindBye}) }

// Run speaks and listens until ctx is done.
func (f *Fleet) Run(ctx context.Context) {
	t := time.NewTicker(period)
	defer t.Stop()
	f.announce("")
	for {
		select {
		case <-ctx.Done():
			f.wg.Wait()
			return
		case <-t.C:
			f.announce("")
			f.forget(time.Now())
		case <-f.soon:
			f.announce("")
		case m := <-f.in:
			f.receive(m)
		}
	}
}

func (f *Fleet) announce(to string) {
	s := f.o.Status()
	f.send(to, &message{Kind: kindStatus, Status: &s})
}

// forget lets go of who has been silent.
func (f *Fleet) forget(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.nodes {
		if now.Sub(p.heard) <= silence {
			continue
		}
		f.gone(name, "silent")
		if now.Sub(f.listened) > 2*period {
			f.doubted[name] = p.heard.Add(doubt)
		}
	}
	for name, until := range f.doubted {
		if until.Before(now) {
			delete(f.doubted, name)
		}
	}
}

// gone notes that a node is not there any more. mu is held.
func (f *Fleet) gone(name, why string) {
	if f.nodes[name] == nil {
		return
	}
	delete(f.nodes, name)
	f.o.Log.Info().Str("node", name).Str("why", why).Msg("a node has left the fleet")
	for _, q := range f.questions {
		q.leave(name)
	}
}

// Nodes are all that are there, this one included, by name.
func (f *Fleet) Nodes() []Status {
	list := append(f.Others(), f.o.Status())
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Node, b.Node) })
	return list
}

// Others are all but this one, in no particular order.
func (f *Fleet) Others() (list []Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.nodes {
		list = append(list, p.status)
	}
	return list
}

// receive handles one message.
func (f *Fleet) receive(b []byte) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil || m.From == "" {
		f.Dropped.Add(1)
		return
	}
	if m.Version != version {
		return
	}
	if m.From == f.o.Node {
		f.heardNamesake(&m)
		return
	}
	switch m.Kind {
	case kindStatus:
		f.heard(&m)
	case kindBye:
		f.mu.Lock()
		f.gone(m.From, "stopped")
		f.mu.Unlock()
	case kindAsk:
		f.asked(&m)
	case kindAnswer:
		f.answered(&m)
	case kindTwins:
		f.heardNamesake(&m)
	}
}

// heard notes what a node says of itself.
func (f *Fleet) heard(m *message) {
	if m.Status == nil {
		f.Dropped.Add(1)
		return
	}
	f.mu.Lock()
	p := f.nodes[m.From]
	another := p == nil || !p.status.Started.Equal(m.Status.Started)
	if p == nil {
		p = &peer{}
		f.nodes[m.From] = p
	}
	// Who has heard from a node that started later does not hear from the one before it again, but from its twin.
	twins := another && m.Status.Started.Before(p.status.Started)
	if twins {
		p.twins = time.Now()
	}
	fresh := another && time.Since(p.twins) > silence
	missed := p.missed
	f.listened = time.Now()
	delete(f.doubted, m.From)
	p.status, p.heard, p.missed = *m.Status, time.Now(), false
	p.status.Node = m.From
	f.mu.Unlock()
	if twins {
		f.send(m.From, &message{Kind: kindTwins, Status: m.Status})
	}
	if fresh {
		f.o.Log.Info().Str("node", m.From).Str("version", m.Status.Version).Msg("a node has joined the fleet")
		f.announce(m.From) // it need not wait for the next second
	}
	if (another || missed) && f.o.Joined != nil {
		f.wg.Go(func() { f.o.Joined(m.From) })
	}
}

// Missed notes that a node did not get something that Joined would tell it. One
// that is gone is new anyway when it is back.
func (f *Fleet) Missed(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.nodes[node]; p != nil {
		p.missed = true
	}
}
