package linktest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/gateway/broker"
)

// node is a link, and all that came in on it.
type node struct {
	broker.Link
	name string

	// Guarded by mu.
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, with each call of the Receiver
	inside  bool          // the Receiver is being called
	faults  []string      // calls that the contract forbids
	state   bool          // up
	ups     int
	downs   []error
	losts   int
	missed  []string
	closed  bool
	by      map[string][]message
	control []string
	hold    chan struct{} // messages wait for it; nil: they do not
}

// message is one that came in.
type message struct {
	text string
	at   broker.Position
	prev uint64
}

// start starts a link, which is closed at the end of the test.
func (s *suite) start(t testing.TB, name string, queueBytes int) *node {
	t.Helper()
	link, err := s.New(name, queueBytes)
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	n := &node{Link: link, name: name, changed: make(chan struct{}), by: map[string][]message{}}
	if err := link.Start(n); err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	t.Cleanup(func() {
		n.close(t)
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, fault := range n.faults {
			t.Errorf("node %s: %s", name, fault)
		}
	})
	return n
}

// close closes the link, once.
func (n *node) close(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("node %s: Close: %v", n.name, err)
	}
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
}

// call is what each call of the Receiver goes through: one at a time, and none after Close.
func (n *node) call(what string, f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inside {
		n.faults = append(n.faults, what+" while the Receiver was being called")
	}
	if n.closed {
		n.faults = append(n.faults, what+" after Close")
	}
	n.inside = true
	for n.hold != nil {
		hold := n.hold
		n.mu.Unlock()
		<-hold
		n.mu.Lock()
		if n.hold == hold {
			n.hold = nil
		}
	}
	f()
	n.inside = false
	close(n.changed)
	n.changed = make(chan struct{})
}

// Up implements broker.Receiver.
func (n *node) Up() {
	n.call("Up", func() {
		if n.state {
			n.faults = append(n.faults, "Up twice in a row")
		}
		n.state = true
		n.ups++
	})
}

// Down implements broker.Receiver.
func (n *node) Down(err error) {
	n.call("Down", func() {
		if !n.state && len(n.downs) > 0 {
			n.faults = append(n.faults, "Down twice in a row")
		}
		if err == nil {
			n.faults = append(n.faults, "Down without a reason")
		}
		n.state = false
		n.downs = append(n.downs, err)
	})
}

// Message implements broker.Receiver.
func (n *node) Message(channel string, m []byte, pos broker.Position, prev uint64) {
	n.call("Message", func() {
		n.by[channel] = append(n.by[channel], message{string(m), pos, prev})
	})
}

// Missing implements broker.Receiver.
func (n *node) Missing(string) { n.call("Missing", func() {}) }

// Missed implements broker.Receiver.
func (n *node) Missed(channel string) {
	n.call("Missed", func() { n.missed = append(n.missed, channel) })
}

// Lost implements broker.Receiver.
func (n *node) Lost(string) { n.call("Lost", func() { n.losts++ }) }

// Control implements broker.Receiver.
func (n *node) Control(m []byte) {
	n.call("Control", func() { n.control = append(n.control, string(m)) })
}

// block has what comes in wait until the returned function is called.
func (n *node) block() (release func()) {
	hold := make(chan struct{})
	n.mu.Lock()
	n.hold = hold
	n.mu.Unlock()
	return sync.OnceFunc(func() { close(hold) })
}

// when waits until ok, which is called with mu held, after each call of the Receiver.
func (n *node) when(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-end.C:
			t.Fatalf("node %s: no %s within %v", n.name, what, patience)
		}
	}
}

// until repeats f until it is true: for what has no event.
func (n *node) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("node %s: no %s within %v", n.name, what, patience)
		}
	}
}

func (n *node) waitUp(t testing.TB) {
	t.Helper()
	n.when(t, "Up", func() bool { return n.state })
}

func (n *node) up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

func (n *node) lastDown() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.downs) == 0 {
		return nil
	}
	return n.downs[len(n.downs)-1]
}

// got is how often a message came in on a channel.
func (n *node) got(channel, text string) (times int) {
	for _, m := range n.messages(channel) {
		if m.text == text {
			times++
		}
	}
	return times
}

// messages are all that came in on a channel.
func (n *node) messages(channel string) []message {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.by[channel][:len(n.by[channel]):len(n.by[channel])]
}

// await waits for a number of messages on a channel, and returns all that have come.
func (n *node) await(t testing.TB, channel string, number int) []message {
	t.Helper()
	n.when(t, fmt.Sprintf("%d messages on %s", number, channel), func() bool { return len(n.by[channel]) >= number })
	return n.messages(channel)
}

func (n *node) subscribe(t testing.TB, channels ...string) {
	t.Helper()
	if err := n.Subscribe(within(t), channels); err != nil {
		t.Fatalf("node %s: Subscribe: %v", n.name, err)
	}
}

func (n *node) publish(t testing.TB, channel, text string) {
	t.Helper()
	if err := n.Publish(channel, []byte(text), nil, nil); err != nil {
		t.Fatalf("node %s: Publish: %v", n.name, err)
	}
}

func (n *node) flush(t testing.TB) {
	t.Helper()
	if err := n.Flush(within(t)); err != nil {
		t.Fatalf("node %s: Flush: %v", n.name, err)
	}
}

// outcome is what done was called with.
type outcome struct {
	at  broker.Position
	err error
}

// append appends, and waits for the outcome.
func (n *node) append(t testing.TB, class broker.Class, channel, text string) (broker.Position, error) {
	t.Helper()
	done := make(chan outcome, 2)
	if err := n.Append(class, channel, []byte(text), func(at broker.Position, err error) { done <- outcome{at, err} }); err != nil {
		return broker.Position{}, err
	}
	select {
	case o := <-done:
		return o.at, o.err
	case <-within(t).Done():
		t.Fatalf("node %s: Append: done was not called within %v", n.name, patience)
		return broker.Position{}, nil
	}
}

// stored appends texts one after the other, and returns their positions.
func (n *node) stored(t testing.TB, class broker.Class, channel string, texts ...string) (list []broker.Position) {
	t.Helper()
	for _, text := range texts {
		at, err := n.append(t, class, channel, text)
		if err != nil {
			t.Fatalf("node %s: Append %s: %v", n.name, text, err)
		}
		list = append(list, at)
	}
	return list
}

func (n *node) read(t testing.TB, class broker.Class, channel string, after broker.Position, limit int) broker.Past {
	t.Helper()
	past, err := n.Read(within(t), class, channel, after, limit, 0)
	if err != nil {
		t.Fatalf("node %s: Read: %v", n.name, err)
	}
	return past
}
