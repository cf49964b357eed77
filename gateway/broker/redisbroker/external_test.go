//go:build fleet

package redisbroker

import (
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// A redis-server in a process of its own, that keeps nothing.
func TestLinkExternal(t *testing.T) {
	s := enginetest.Redis(t)
	s.Start(t)
	linktest.Run(t, linktest.Engine{
		Stop: func(testing.TB) { s.Kill() }, Start: s.Start,
		New: func(node string, queueBytes int) (broker.Link, error) {
			return New(Options{Node: node, Prefix: "sluice", Addresses: []string{s.Address}, QueueBytes: queueBytes, Log: zerolog.Nop()})
		},
	})
}

// A publisher learns how many nodes were reached, this one included if it is subscribed.
func TestFleetNodesRedis(t *testing.T) {
	s := enginetest.Redis(t)
	s.Start(t)
	link := func(node string) *recorder {
		l, err := New(Options{Node: node, Prefix: "sluice", Addresses: []string{s.Address}, QueueBytes: 1 << 20, Log: zerolog.Nop()})
		return record(t, l, err)
	}
	a, b := link("a"), link("b")
	nodesReached(t, a, b)
}

// nodesReached holds a to telling how many nodes its messages reach.
func nodesReached(t *testing.T, a, b *recorder) {
	t.Helper()
	if n, known := a.Nodes("news"); known {
		t.Errorf("%d nodes, before anything was published", n)
	}
	for want, subscribe := range []func(){func() {}, func() { b.subscribe(t, "news") }, func() { a.subscribe(t, "news") }} {
		subscribe()
		if err := a.published(t, "news", "x"); err != nil {
			t.Fatal(err)
		}
		if n, known := a.Nodes("news"); n != want || !known {
			t.Errorf("published to %d nodes, %v, want %d", n, known, want)
		}
	}
	b.subscribe(t, "kept")
	if _, err := a.stored(t, "kept", "x"); err != nil {
		t.Fatal(err)
	}
	if n, known := a.Nodes("kept"); n != 1 || !known {
		t.Errorf("appended to %d nodes, %v, want 1", n, known)
	}
}
