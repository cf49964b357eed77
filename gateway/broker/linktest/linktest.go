// Package linktest holds a broker.Link to its contract, whatever engine is behind it.
//
// The suite knows the engine as an Engine: how to make a link, and, where the
// engine is a process of its own, how to stop and start it. Each test has
// channels and classes of its own, so one engine serves all of them.
package linktest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/gateway/broker"
)

// Engine is what the links under test connect to.
type Engine struct {
	// New returns a link of a node that does nothing before Start; queueBytes
	// bounds what is on its way out. The suite keeps links of the nodes a, b and c
	// open from its beginning to its end, and makes others for a while.
	New func(node string, queueBytes int) (broker.Link, error)
	// Stop ends the engine without ceremony, and Start starts it again, where it
	// was. Both nil: it cannot be stopped, and what that would show is not tested.
	Stop, Start func(t testing.TB)
	// Keeps: histories are there again after Stop and Start. Else they have another epoch.
	Keeps bool
	// Swaps: of messages that different nodes append at the same time, some may come
	// after the next ones.
	Swaps bool
}

// Bounds of the suite.
const (
	// patience is how long anything may take that has to happen.
	patience = 60 * time.Second
	// queueBytes is enough for all that a test publishes.
	queueBytes = 64 << 20
)

// suite is one run.
type suite struct {
	Engine
	last atomic.Int64 // of the names that were given out
}

// Run runs the suite.
func Run(t *testing.T, e Engine) {
	s := &suite{Engine: e}
	f := &fleet{suite: s}
	for _, node := range []string{"a", "b", "c"} {
		f.nodes = append(f.nodes, s.start(t, node, queueBytes))
	}
	for _, n := range f.nodes {
		n.waitUp(t)
	}
	f.a, f.b, f.c = f.nodes[0], f.nodes[1], f.nodes[2]
	f.meet(t)
	for _, test := range []struct {
		name string
		run  func(*fleet, *testing.T)
	}{
		{"Publish", (*fleet).testPublish},
		{"Names", (*fleet).testNames},
		{"Subscribe", (*fleet).testSubscribe},
		{"Unsubscribe", (*fleet).testUnsubscribe},
		{"Send", (*fleet).testSend},
		{"Busy", (*fleet).testBusy},
		{"Slow", (*fleet).testSlow},
		{"Append", (*fleet).testAppend},
		{"AppendBusy", (*fleet).testAppendBusy},
		{"ReadEmpty", (*fleet).testReadEmpty},
		{"Read", (*fleet).testRead},
		{"ReadDropped", (*fleet).testReadDropped},
		{"ReadExpired", (*fleet).testReadExpired},
		{"ReadLarge", (*fleet).testReadLarge},
		{"Close", (*fleet).testClose},
	} {
		if !t.Run(test.name, func(t *testing.T) { test.run(f, t) }) && f.broken(t) {
			return
		}
	}
	if e.Stop == nil {
		return
	}
	t.Run("Down", f.testDown)
	t.Run("Restarted", f.testRestarted)
	t.Run("StartWithoutEngine", f.testStartWithoutEngine)
}

// fleet are the links that stay.
type fleet struct {
	*suite
	nodes   []*node
	a, b, c *node
}

// broken says that a link is down for good, so that what follows would only wait.
func (f *fleet) broken(t *testing.T) bool {
	t.Helper()
	for _, n := range f.nodes {
		if !n.up() {
			t.Errorf("node %s is down: %v", n.name, n.lastDown())
			return true
		}
	}
	return false
}

// meet returns when each node hears each other: an engine of several servers
// takes a moment to become one.
func (f *fleet) meet(t *testing.T) {
	t.Helper()
	channel := f.channel("meet")
	for _, n := range f.nodes {
		n.subscribe(t, channel)
	}
	f.reach(t, channel)
	for _, n := range f.nodes {
		n.until(t, "histories", func() bool {
			_, err := n.append(t, broker.Class{Name: "meet", Size: 1, TTL: time.Minute}, channel, "x")
			return err == nil
		})
	}
}

// channel is a channel's name that no other test has.
func (s *suite) channel(words ...string) string {
	return fmt.Sprintf("%s.%d", strings.Join(words, "."), s.last.Add(1))
}

// class is a class that no other test has.
func (s *suite) class(size int, ttl time.Duration) broker.Class {
	return broker.Class{Name: fmt.Sprintf("class-%d", s.last.Add(1)), Size: size, TTL: ttl}
}

// within bounds a call.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
