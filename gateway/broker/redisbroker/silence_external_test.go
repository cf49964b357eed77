//go:build fleet

package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// silentLinks are a and b, of a cluster whose first server carries neither's pair of connections.
func silentLinks(t *testing.T, arguments ...string) (c enginetest.Cluster, a, b *recorder) {
	c = enginetest.StartCluster(t, arguments...)
	o := clusterOptions(c, "", true)
	o.Addresses = c[1:].Addresses()
	a, b = links(t, o)
	return c, a, b
}

// A master confirms a subscription while it is given up: that counts for nothing,
// and the channel is subscribed to on a new connection.
func TestFleetClusterLateConfirmation(t *testing.T) {
	t.Parallel()
	c, a, b := silentLinks(t, "--cluster-node-timeout", "15000")
	channel := channelOf(t, c, c[0])
	a.meet(t, b)
	c[0].Signal(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), silence/2+300*time.Millisecond)
	defer cancel()
	context.AfterFunc(ctx, func() { // not before nobody waits any more
		time.Sleep(300 * time.Millisecond)
		c[0].Signal(t, syscall.SIGCONT)
	})
	_ = b.Subscribe(ctx, []string{channel}) // it is wanted, whatever comes of it
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(channel, missed)) > 0 })
	enginetest.Eventually(t, "message", func() bool {
		_ = a.published(t, channel, "x")
		return len(b.got(channel, "x")) > 0
	})
}

// Whoever does not wait for a subscription to the end takes nothing from the other
// channels of the master; his own is subscribed to once the master answers.
func TestFleetClusterSubscribeImpatient(t *testing.T) {
	t.Parallel()
	c, a, b := silentLinks(t)
	channel := channelOf(t, c, c[0])
	b.subscribe(t, channel)
	a.meet(t, b)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Subscribe(ctx, []string{channel + ".canceled"}); err == nil {
		t.Error("nobody waits, and the subscription went well")
	}
	other := "other"
	for i := 0; c.Owner(t, "sluice:c:"+other) != c[0]; i++ {
		other = fmt.Sprint("other.", i)
	}
	c[0].Signal(t, syscall.SIGSTOP)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = b.Subscribe(ctx, []string{other})
	c[0].Signal(t, syscall.SIGCONT) // nobody waits any more
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(other, missed)) > 0 })
	if err := a.published(t, other, "x"); err != nil {
		t.Error(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got(other, "x")) == 1 })
	if n := len(b.got(channel, missed)); n > 0 {
		t.Errorf("a channel was said to have missed something, %d times", n)
	}
}

// A master falls silent, and its replica takes over: its channels are subscribed
// to and published on there, without waiting for the one that is silent.
func TestFleetClusterSilentMaster(t *testing.T) {
	t.Parallel()
	c, a, b := silentLinks(t)
	replica := c.Replica(t, c[0])
	moving, other := channelOf(t, c, c[0]), channelOf(t, c, c[2])
	b.subscribe(t, moving, other)
	a.meet(t, b)
	if err := a.published(t, moving, "before"); err != nil {
		t.Error(err)
	}
	c[0].Signal(t, syscall.SIGSTOP)
	enginetest.Eventually(t, "new master", func() bool {
		out, _ := replica.CLI(t, "role")
		return strings.HasPrefix(out, "master")
	})
	begun := time.Now()
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(moving, missed)) > 0 })
	subscribed := time.Since(begun)
	enginetest.Eventually(t, "message", func() bool {
		_ = a.published(t, moving, "after")
		return len(b.got(moving, "after")) > 0
	})
	took := time.Since(begun)
	t.Logf("subscribed after %v, published after %v", subscribed, took)
	if subscribed > 4*time.Second || took > silence+4*time.Second {
		t.Errorf("subscribed %v after another was the master, and published %v after", subscribed, took)
	}
	if n := len(b.got(other, missed)); n > 0 {
		t.Errorf("a channel of another master was said to have missed something, %d times", n)
	}
}

// A master falls silent, and nobody takes over: what is published on and appended to
// the channels of the others does not wait for it, and its own publishers are told.
func TestFleetClusterSilentLane(t *testing.T) {
	t.Parallel()
	c, a, b := silentLinks(t, "--cluster-node-timeout", "60000")
	silent, other := channelOf(t, c, c[0]), channelOf(t, c, c[2])
	b.subscribe(t, silent, other)
	a.meet(t, b)
	c[0].Signal(t, syscall.SIGSTOP)
	outcomes := make(chan error, 2000)
	told := func(err error) { outcomes <- err }
	begun := time.Now()
	for i := 0; time.Since(begun) < 2*silence; i++ {
		if i < cap(outcomes) && i%2 == 0 {
			if err := a.Publish(silent, []byte("x"), func() { told(nil) }, told); err != nil {
				t.Fatal(err)
			}
		} else if i < cap(outcomes) {
			if err := a.Append(testClass, silent, []byte("x"), func(_ broker.Position, err error) { told(err) }); err != nil {
				t.Fatal(err)
			}
		}
		asked := time.Now()
		if err := a.published(t, other, "published"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.stored(t, other, "stored"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(asked); took > silence/2 {
			t.Fatalf("a message to another master waited for %v", took)
		}
	}
	for range cap(outcomes) {
		select {
		case err := <-outcomes:
			if !errors.Is(err, broker.ErrDown) && !errors.Is(err, broker.ErrUnconfirmed) {
				t.Fatalf("a message to the silent master: %v", err)
			}
		case <-time.After(2 * silence):
			t.Fatal("a message to the silent master has no outcome")
		}
	}
	c[0].Signal(t, syscall.SIGCONT)
	enginetest.Eventually(t, "message", func() bool {
		_ = a.published(t, silent, "after")
		return len(b.got(silent, "after")) > 0
	})
}

// While a master is silent, links come up without it, and channels of other
// masters that move are subscribed to without waiting for it.
func TestFleetClusterSilentBystander(t *testing.T) {
	t.Parallel()
	c := enginetest.StartCluster(t, "--cluster-require-full-coverage", "no")
	old := c[1]
	replica := c.Replica(t, old)
	o := clusterOptions(c, "", true)
	o.Addresses = c[2:].Addresses()
	moving, silent := channelOf(t, c, old), channelOf(t, c, c[0])
	c[0].Signal(t, syscall.SIGSTOP)
	enginetest.Eventually(t, "word of the silent one", func() bool {
		out, _ := c[2].CLI(t, "cluster", "info")
		return strings.Contains(out, "cluster_slots_fail:54")
	})
	begun := time.Now()
	a, b := links(t, o)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("two links were up after %v", took)
	}
	b.subscribe(t, moving, silent)
	a.meet(t, b)

	replica.Follows(t)
	if out, ok := replica.CLI(t, "cluster", "failover", "takeover"); !ok || !strings.HasPrefix(out, "OK") {
		t.Fatal(out)
	}
	begun = time.Now()
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(moving, missed)) > 0 })
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("subscribed again after %v", took)
	} else {
		t.Log(took)
	}
	c[0].Signal(t, syscall.SIGCONT)
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(silent, missed)) > 0 })
}

// A link is closed while it connects to a master that is silent: no connection
// is left when the master answers after all.
func TestFleetClusterSilentClose(t *testing.T) {
	t.Parallel()
	c := enginetest.StartCluster(t, "--cluster-require-full-coverage", "no")
	for i := range 3 {
		o := clusterOptions(c, "closed", true)
		o.Addresses = c[1:].Addresses()
		l, err := New(o)
		record(t, l, err)
		c[0].Signal(t, syscall.SIGSTOP)
		time.Sleep(2*silence + time.Duration(i)*time.Second) // it is given up, and tried again
		begun := time.Now()
		_ = l.Close(t.Context())
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("closed after %v", took)
		}
		c[0].Signal(t, syscall.SIGCONT)
		c.Whole(t)
	}
	time.Sleep(silence)
	for _, s := range c {
		if out, _ := s.CLI(t, "client", "list"); strings.Contains(out, "sluice-closed") {
			t.Errorf("connections are left at %s:\n%s", s.Address, out)
		}
	}
}
