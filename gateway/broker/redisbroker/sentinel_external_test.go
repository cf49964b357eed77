//go:build fleet

package redisbroker

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
)

// The master is killed, and the sentinels make its replica the master: links are
// told that they were down, connect to it, and all goes on there.
func TestFleetSentinelFailover(t *testing.T) {
	addresses := freeAddresses(t, 5)
	master := newServer(t, addresses[0])
	replica := newServer(t, addresses[1], "--replicaof", "127.0.0.1 "+portOf(addresses[0]), "--repl-diskless-sync-delay", "0")
	master.start(t)
	replica.start(t)
	for _, address := range addresses[2:] {
		newSentinel(t, address, addresses[0], 2).start(t)
	}
	for _, address := range addresses[2:] {
		eventually(t, "sentinel that knows all", func() bool {
			out, _ := cli(t, address, "sentinel", "ckquorum", "main")
			replicas, _ := cli(t, address, "sentinel", "replicas", "main")
			return strings.HasPrefix(out, "OK 3") && strings.Contains(replicas, "master-link-status\nok")
		})
	}
	link := func(node string) *recorder {
		l, err := New(Options{
			Node: node, Prefix: "sluice", Addresses: addresses[2:], SentinelMaster: "main", QueueBytes: 1 << 20, Log: zerolog.Nop(),
		})
		return record(t, l, err)
	}
	a, b := link("a"), link("b")
	b.subscribe(t, "plain", "kept")
	a.meet(t, b)
	if _, err := a.stored(t, "kept", "before"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "message", func() bool { return len(b.got("kept", "before")) == 1 })

	master.kill()
	eventually(t, "refusal", func() bool { return errors.Is(a.Publish("plain", []byte("lost")), broker.ErrDown) })
	for _, r := range []*recorder{a, b} {
		eventually(t, "Down", func() bool { _, downs := r.state(); return downs > 0 })
	}
	for _, r := range []*recorder{a, b} {
		eventually(t, "Up", func() bool { up, _ := r.state(); return up })
	}
	if out, _ := cli(t, replica.address, "role"); !strings.HasPrefix(out, "master") {
		t.Fatalf("the links are up, and the replica is still: %s", out)
	}
	b.subscribe(t, "plain", "kept")
	a.meet(t, b)
	if err := a.Publish("plain", []byte("after")); err != nil {
		t.Error(err)
	}
	if _, err := a.stored(t, "kept", "after"); err != nil {
		t.Error(err)
	}
	eventually(t, "messages", func() bool { return len(b.got("plain", "after")) == 1 && len(b.got("kept", "after")) == 1 })
}
