//go:build fleet

package redisbroker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/linktest"
)

// clusterLink is a link to a Redis Cluster.
func clusterLink(c cluster, node string, queueBytes int) (*Link, error) {
	return New(Options{Node: node, Prefix: "sluice", Addresses: c.addresses(), Cluster: true, QueueBytes: queueBytes, Log: zerolog.Nop()})
}

// A Redis Cluster of three masters keeps the contract of a link.
func TestFleetClusterLink(t *testing.T) {
	c := startCluster(t)
	linktest.Run(t, linktest.Engine{
		New: func(node string, queueBytes int) (broker.Link, error) { return clusterLink(c, node, queueBytes) },
		Stop: func(testing.TB) {
			for _, s := range c {
				s.kill()
			}
		},
		Start: func(t testing.TB) {
			for _, s := range c {
				s.start(t)
			}
			c.whole(t)
		},
	})
}

// Publications and appends on many channels go out in one pipeline, to several
// servers; each channel keeps its order.
func TestFleetClusterOrder(t *testing.T) {
	const channels, number = 20, 200
	c := startCluster(t)
	l, err := clusterLink(c, "a", 64<<20)
	a := record(t, l, err)
	l, err = clusterLink(c, "b", 64<<20)
	b := record(t, l, err)
	var names []string
	for i := range channels {
		names = append(names, fmt.Sprint("plain.", i), fmt.Sprint("kept.", i))
	}
	b.subscribe(t, names...)
	a.meet(t, b)
	var answers sync.WaitGroup
	for i := range number {
		text := fmt.Append(nil, "number ", i)
		for _, name := range names {
			if strings.HasPrefix(name, "plain") {
				if err := a.Publish(name, text); err != nil {
					t.Fatal(err)
				}
				continue
			}
			answers.Add(1)
			if err := a.Append(testClass, name, text, func(_ broker.Position, err error) {
				defer answers.Done()
				if err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers.Wait()
	for _, name := range names {
		eventually(t, "messages on "+name, func() bool { return len(b.got(name, "number ")) >= number })
		numbered(t, name, "number ", b.got(name, "number "), number)
	}
}

// meet returns when what a publishes reaches b.
func (r *recorder) meet(t testing.TB, b *recorder) {
	t.Helper()
	b.subscribe(t, "meet")
	before := len(b.got("meet", ""))
	eventually(t, "meeting", func() bool {
		_ = r.Publish("meet", []byte("x"))
		return len(b.got("meet", "")) > before
	})
}

// One master of a cluster that serves what it can is killed: histories of its
// channels are refused, all else goes on; when it is back, so are they, in another epoch.
func TestFleetClusterMasterIsGone(t *testing.T) {
	c := startCluster(t, "--cluster-require-full-coverage", "no")
	victim := c[2]
	o := Options{Node: "a", Prefix: "sluice", Addresses: c[:2].addresses(), Cluster: true, QueueBytes: 1 << 20, Log: zerolog.Nop()}
	l, err := New(o) // of the two that stay: so the links are to them
	a := record(t, l, err)
	o.Node = "b"
	l, err = New(o)
	b := record(t, l, err)
	dead, alive := c.channel(t, victim), c.channel(t, c[0])
	b.subscribe(t, dead, alive)
	a.meet(t, b)
	old, err := a.stored(t, dead, "before")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "message", func() bool { return len(b.got(dead, "before")) == 1 })

	victim.kill()
	eventually(t, "refusal", func() bool { _, err := a.stored(t, dead, "lost"); return errors.Is(err, broker.ErrDown) })
	if _, err := a.Read(t.Context(), testClass, dead, broker.Position{}, 1); !errors.Is(err, broker.ErrDown) {
		t.Errorf("Read of a history whose master is dead: %v", err)
	}
	if _, err := a.stored(t, alive, "alive"); err != nil {
		t.Errorf("a channel of another master: %v", err)
	}
	if err := a.Publish(dead, []byte("plain")); err != nil {
		t.Errorf("a publication without a history: %v", err)
	}
	eventually(t, "messages", func() bool { return len(b.got(alive, "alive")) == 1 && len(b.got(dead, "plain")) == 1 })
	for _, r := range []*recorder{a, b} {
		if up, downs := r.state(); !up || downs > 0 {
			t.Errorf("the link was lost %d times with a master that it needs for some channels only", downs)
		}
	}

	victim.start(t)
	c.whole(t)
	var now broker.Position
	eventually(t, "history", func() bool { now, err = a.stored(t, dead, "after"); return err == nil })
	if now.Epoch == old.Epoch {
		t.Errorf("the history was lost, and its epoch is still %s", now.Epoch)
	}
	eventually(t, "message", func() bool { return len(b.got(dead, "after")) == 1 })
}

// By default, a cluster that misses a master serves nobody: the links are down,
// also those to the servers that live, and are up again with it.
func TestFleetClusterIsDown(t *testing.T) {
	c := startCluster(t)
	l, err := clusterLink(c, "a", 1<<20)
	a := record(t, l, err)
	l, err = clusterLink(c, "b", 1<<20)
	b := record(t, l, err)
	b.subscribe(t, "news")
	a.meet(t, b)
	c[1].kill()
	for _, r := range []*recorder{a, b} {
		eventually(t, "Down", func() bool {
			up, downs := r.state()
			return !up && downs > 0 && errors.Is(r.Publish("news", []byte("x")), broker.ErrDown)
		})
	}
	c[1].start(t)
	c.whole(t)
	for _, r := range []*recorder{a, b} {
		eventually(t, "Up", func() bool { up, _ := r.state(); return up })
	}
	b.subscribe(t, "news")
	a.meet(t, b)
	if _, err := a.stored(t, "news", "after"); err != nil {
		t.Error(err)
	}
	eventually(t, "message", func() bool { return len(b.got("news", "after")) == 1 })
}

// channel is one whose history a server has.
func (c cluster) channel(t testing.TB, s *server) string {
	t.Helper()
	for i := range 100 {
		if name := fmt.Sprint("news.", i); c.owner(t, "sluice:h:{"+name+"}") == s {
			return name
		}
	}
	t.Fatal("a server without slots")
	return ""
}
