//go:build fleet

package redisbroker

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// The master is killed, and the sentinels make its replica the master: links are
// told that they were down, connect to it, and all goes on there.
func TestFleetSentinelFailover(t *testing.T) {
	master := enginetest.Redis(t)
	replica := enginetest.Replica(t, master)
	master.Start(t)
	replica.Start(t)
	sentinels := enginetest.Sentinels(t, master)
	link := func(node string) *recorder {
		l, err := New(Options{
			Node: node, Prefix: "sluice", Addresses: sentinels, SentinelMaster: "main", QueueBytes: 1 << 20, Log: zerolog.Nop(),
		})
		return record(t, l, err)
	}
	a, b := link("a"), link("b")
	b.subscribe(t, "plain", "kept")
	a.meet(t, b)
	if _, err := a.stored(t, "kept", "before"); err != nil {
		t.Fatal(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got("kept", "before")) == 1 })

	master.Kill()
	enginetest.Eventually(t, "refusal", func() bool { return errors.Is(a.Publish("plain", []byte("lost"), nil, nil), broker.ErrDown) })
	for _, r := range []*recorder{a, b} {
		enginetest.Eventually(t, "Down", func() bool { _, downs := r.state(); return downs > 0 })
	}
	for _, r := range []*recorder{a, b} {
		enginetest.Eventually(t, "Up", func() bool { up, _ := r.state(); return up })
	}
	if out, _ := replica.CLI(t, "role"); !strings.HasPrefix(out, "master") {
		t.Fatalf("the links are up, and the replica is still: %s", out)
	}
	b.subscribe(t, "plain", "kept")
	a.meet(t, b)
	if err := a.Publish("plain", []byte("after"), nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := a.stored(t, "kept", "after"); err != nil {
		t.Error(err)
	}
	enginetest.Eventually(t, "messages", func() bool { return len(b.got("plain", "after")) == 1 && len(b.got("kept", "after")) == 1 })
}
