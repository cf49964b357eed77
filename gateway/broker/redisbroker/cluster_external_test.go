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
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// options are those of a link to a Redis Cluster.
func clusterOptions(c enginetest.Cluster, node string, sharded bool) Options {
	return Options{
		Node: node, Prefix: "sluice", Addresses: c.Addresses(), Cluster: true, Sharded: sharded,
		QueueBytes: 64 << 20, Log: zerolog.Nop(),
	}
}

// links are of two nodes, a and b.
func links(t *testing.T, o Options) (a, b *recorder) {
	o.Node = "a"
	l, err := New(o)
	a = record(t, l, err)
	o.Node = "b"
	l, err = New(o)
	return a, record(t, l, err)
}

// bothWays runs a test with sharded pub/sub, and with plain.
func bothWays(t *testing.T, test func(t *testing.T, sharded bool)) {
	t.Run("sharded", func(t *testing.T) { test(t, true) })
	t.Run("plain", func(t *testing.T) { test(t, false) })
}

// A Redis Cluster of three masters keeps the contract of a link.
func TestFleetClusterLink(t *testing.T) {
	bothWays(t, func(t *testing.T, sharded bool) {
		// Redis's own timeout: at half of a short one, busy servers reset what is between them, and with it messages.
		c := enginetest.StartCluster(t, "--cluster-node-timeout", "15000")
		linktest.Run(t, linktest.Engine{
			New: func(node string, queueBytes int) (broker.Link, error) {
				o := clusterOptions(c, node, sharded)
				o.QueueBytes = queueBytes
				return New(o)
			},
			Stop: func(testing.TB) {
				for _, s := range c {
					s.Kill()
				}
			},
			Start: func(t testing.TB) {
				for _, s := range c {
					s.Start(t)
				}
				c.Whole(t)
			},
		})
	})
}

// Publications and appends on many channels go out in one pipeline, to several
// servers; each channel keeps its order.
func TestFleetClusterOrder(t *testing.T) { bothWays(t, clusterOrder) }

func clusterOrder(t *testing.T, sharded bool) {
	const channels, number = 20, 200
	c := enginetest.StartCluster(t)
	a, b := links(t, clusterOptions(c, "", sharded))
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
				if err := a.Publish(name, text, nil, nil); err != nil {
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
		enginetest.Eventually(t, "messages on "+name, func() bool { return len(b.got(name, "number ")) >= number })
		numbered(t, name, "number ", b.got(name, "number "), number)
	}
}

// meet returns when what a publishes reaches b.
func (r *recorder) meet(t testing.TB, b *recorder) {
	t.Helper()
	b.subscribe(t, "meet")
	before := len(b.got("meet", "x"))
	enginetest.Eventually(t, "meeting", func() bool {
		_ = r.Publish("meet", []byte("x"), nil, nil)
		return len(b.got("meet", "x")) > before
	})
}

// One master of a cluster that serves what it can is killed: its channels are
// refused (with plain pub/sub, those with a history), all else goes on; when it is
// back, so are they, with histories in another epoch.
func TestFleetClusterMasterIsGone(t *testing.T) { bothWays(t, clusterMasterIsGone) }

func clusterMasterIsGone(t *testing.T, sharded bool) {
	c := enginetest.StartCluster(t, "--cluster-require-full-coverage", "no")
	victim := c[2]
	o := clusterOptions(c, "", sharded)
	o.Addresses = c[:2].Addresses() // those that stay: so the links are to them
	a, b := links(t, o)
	dead, alive := channelOf(t, c, victim), channelOf(t, c, c[0])
	b.subscribe(t, dead, alive)
	a.meet(t, b)
	old, err := a.stored(t, dead, "before")
	if err != nil {
		t.Fatal(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got(dead, "before")) == 1 })

	victim.Kill()
	enginetest.Eventually(t, "refusal", func() bool { _, err := a.stored(t, dead, "lost"); return errors.Is(err, broker.ErrDown) })
	if _, err := a.Read(t.Context(), testClass, dead, broker.Position{}, 1, 0); !errors.Is(err, broker.ErrDown) {
		t.Errorf("Read of a history whose master is dead: %v", err)
	}
	if sharded {
		told := func(times int) func() bool { return func() bool { return len(b.got(dead, missing)) == times } }
		enginetest.Eventually(t, "word of what is missing", told(1))
		b.subscribe(t, dead) // who asks again is told again
		enginetest.Eventually(t, "word of what is missing", told(2))
	}
	if _, err := a.stored(t, alive, "alive"); err != nil {
		t.Errorf("a channel of another master: %v", err)
	}
	err = a.published(t, dead, "plain")
	if sharded && !errors.Is(err, broker.ErrDown) || !sharded && err != nil {
		t.Errorf("a publication without a history: %v", err)
	}
	enginetest.Eventually(t, "messages", func() bool { return len(b.got(alive, "alive")) == 1 && (sharded || len(b.got(dead, "plain")) == 1) })
	for _, r := range []*recorder{a, b} {
		if up, downs := r.state(); !up || downs > 0 {
			t.Errorf("the link was lost %d times with a master that it needs for some channels only", downs)
		}
	}

	victim.Start(t)
	c.Whole(t)
	var now broker.Position
	enginetest.Eventually(t, "history", func() bool { now, err = a.stored(t, dead, "after"); return err == nil })
	if now.Epoch == old.Epoch {
		t.Errorf("the history was lost, and its epoch is still %s", now.Epoch)
	}
	if !sharded {
		enginetest.Eventually(t, "message", func() bool { return len(b.got(dead, "after")) == 1 })
		return
	}
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(dead, missed)) == 1 })
	if err := a.published(t, dead, "again"); err != nil {
		t.Error(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got(dead, "again")) == 1 })
	if n := len(b.got(alive, "(")); n > 0 {
		t.Errorf("a channel of another master was said to have missed something, %d times", n)
	}
}

// By default, a cluster that misses a master serves nobody: the links are down,
// also those to the servers that live, and are up again with it.
func TestFleetClusterIsDown(t *testing.T) {
	c := enginetest.StartCluster(t)
	a, b := links(t, clusterOptions(c, "", true))
	b.subscribe(t, "news")
	a.meet(t, b)
	c[1].Kill()
	for _, r := range []*recorder{a, b} {
		enginetest.Eventually(t, "Down", func() bool {
			up, downs := r.state()
			return !up && downs > 0 && errors.Is(r.Publish("news", []byte("x"), nil, nil), broker.ErrDown)
		})
	}
	c[1].Start(t)
	c.Whole(t)
	for _, r := range []*recorder{a, b} {
		enginetest.Eventually(t, "Up", func() bool { up, _ := r.state(); return up })
	}
	b.subscribe(t, "news")
	a.meet(t, b)
	if _, err := a.stored(t, "news", "after"); err != nil {
		t.Error(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got("news", "after")) == 1 })
}

// channelOf is a channel that a server has.
func channelOf(t testing.TB, c enginetest.Cluster, s *enginetest.Server) string {
	t.Helper()
	for i := range 100 {
		if name := fmt.Sprint("news.", i); c.Owner(t, "sluice:c:"+name) == s {
			return name
		}
	}
	t.Fatal("a server without slots")
	return ""
}
