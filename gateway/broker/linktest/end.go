package linktest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sluice/gateway/broker"
)

// Close sends what is on its way, and answers all who wait.
func (f *fleet) testClose(t *testing.T) {
	const number = 1000
	n := f.start(t, "closing", queueBytes)
	n.waitUp(t)
	class, channel := f.class(number, time.Minute), f.channel("close")
	f.b.subscribe(t, channel)
	f.b.until(t, "first message", func() bool {
		_ = n.Publish(channel, []byte(probe+"close"), nil, nil)
		return f.b.got(channel, probe+"close") > 0
	})
	n.stored(t, class, f.channel("warm"), "x")
	var answers, outcomes atomic.Int64
	told := func() { outcomes.Add(1) }
	for i := range number {
		if err := n.Publish(channel, []byte(fmt.Sprint(i)), told, func(error) { told() }); err != nil {
			t.Fatal(err)
		}
	}
	for range number {
		if err := n.Append(class, f.channel("close"), []byte("x"), func(broker.Position, error) { answers.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	n.close(t)
	if got := answers.Load(); got != number {
		t.Errorf("%d of %d appends were answered when Close had returned", got, number)
	}
	if got := outcomes.Load(); got != number {
		t.Errorf("%d of %d publishers were told when Close had returned", got, number)
	}
	f.b.when(t, "all messages", func() bool { return count(f.b.by[channel], "") >= number })
	if err := n.Publish(channel, []byte("x"), nil, nil); !errors.Is(err, broker.ErrDown) {
		t.Errorf("Publish after Close: %v", err)
	}
}

// While the engine is gone, all is refused with ErrDown; when it is back, the
// links are, with no subscriptions.
func (f *fleet) testDown(t *testing.T) {
	class, channel := f.class(5, time.Minute), f.channel("down")
	f.b.subscribe(t, channel)
	f.reachOne(t, channel)
	f.a.stored(t, class, channel, "before")
	var asked, answered atomic.Int64
	stop := make(chan struct{})
	over := make(chan struct{})
	answer := func() { answered.Add(1) }
	go func() { // messages are on their way when the engine ends
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if f.a.Append(class, channel, []byte("x"), func(broker.Position, error) { answer() }) == nil {
				asked.Add(1)
			}
			if f.a.Publish(channel, []byte("x"), answer, func(error) { answer() }) == nil {
				asked.Add(1)
			}
		}
	}()
	ups := f.ups()
	f.Stop(t)
	for _, n := range f.nodes {
		n.when(t, "Down", func() bool { return !n.state })
	}
	close(stop)
	<-over
	f.a.until(t, "answer to every message", func() bool { return answered.Load() == asked.Load() })
	f.refused(t, f.a)
	f.Start(t)
	for i, n := range f.nodes {
		n.when(t, "Up", func() bool { return n.state && n.ups > ups[i] })
	}
	f.b.mu.Lock()
	before := len(f.b.by[channel])
	f.b.mu.Unlock()
	other := f.channel("other")
	f.b.subscribe(t, other)
	f.a.publish(t, channel, "nobody hears this")
	f.reachOne(t, other)
	if now := len(f.b.messages(channel)); now != before {
		t.Error("a subscription has outlived its connection")
	}
	f.b.subscribe(t, channel)
	f.reachOne(t, channel)
	if got := answered.Load(); got != asked.Load() {
		t.Errorf("%d answers to %d messages", got, asked.Load())
	}
	f.a.until(t, "histories", func() bool { _, err := f.a.append(t, class, channel, "after"); return err == nil })
}

func (f *fleet) ups() (list []int) {
	for _, n := range f.nodes {
		n.mu.Lock()
		list = append(list, n.ups)
		n.mu.Unlock()
	}
	return list
}

// refused holds every method of a link that is down to ErrDown.
func (f *fleet) refused(t *testing.T, n *node) {
	t.Helper()
	class := f.class(5, time.Minute)
	_, read := n.Read(within(t), class, "x", broker.Position{}, 1, 0)
	for method, err := range map[string]error{
		"Subscribe":   n.Subscribe(within(t), []string{"x"}),
		"Unsubscribe": n.Unsubscribe(within(t), []string{"x"}),
		"Publish":     n.Publish("x", []byte("x"), nil, nil),
		"Flush":       n.Flush(within(t)),
		"Append":      n.Append(class, "x", []byte("x"), func(broker.Position, error) { t.Error("done was called") }),
		"Read":        read,
		"Send":        n.Send("", []byte("x")),
	} {
		if !errors.Is(err, broker.ErrDown) {
			t.Errorf("%s while the link is down: %v", method, err)
		}
	}
}

// A link that begins without an engine waits for it.
func (f *fleet) testStartWithoutEngine(t *testing.T) {
	f.Stop(t)
	n := f.start(t, "early", queueBytes)
	n.when(t, "Down", func() bool { return len(n.downs) > 0 })
	f.refused(t, n)
	m := f.start(t, "given-up", queueBytes)
	m.close(t)
	f.Start(t)
	n.waitUp(t)
	for _, n := range f.nodes {
		n.waitUp(t)
	}
}

// A stopped engine that comes back has its histories, or another epoch.
func (f *fleet) testRestarted(t *testing.T) {
	class, channel := f.class(5, time.Minute), f.channel("restarted")
	at := f.a.stored(t, class, channel, "0", "1")
	ups := f.ups()
	f.Stop(t)
	f.a.when(t, "Down", func() bool { return !f.a.state })
	f.Start(t)
	for i, n := range f.nodes {
		n.when(t, "Up", func() bool { return n.state && n.ups > ups[i] })
	}
	var p broker.Past
	f.a.until(t, "history", func() (ok bool) {
		var err error
		p, err = f.a.Read(within(t), class, channel, at[0], 5, 0)
		return err == nil
	})
	if f.Keeps {
		holds(t, "kept", p, true, false, "1")
	} else if p.Top.Epoch == at[0].Epoch || p.Complete {
		t.Errorf("top %v, complete %v; before it was %v", p.Top, p.Complete, at[1])
	}
}
