package linktest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/gateway/broker"
)

// What a node publishes, the others get once, in order, and it does not get itself; who wants to know is told that it was taken.
func (f *fleet) testPublish(t *testing.T) {
	const number = 1000
	channel := f.channel("publish")
	for _, n := range f.nodes {
		n.subscribe(t, channel)
	}
	f.reach(t, channel)
	var taken atomic.Int64
	for i := range number {
		for _, n := range f.nodes {
			err := n.Publish(channel, fmt.Appendf(nil, "%s %d", n.name, i), func() { taken.Add(1) }, func(err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	f.a.until(t, "outcome of each message", func() bool { return taken.Load() == int64(number*len(f.nodes)) })
	for _, n := range f.nodes {
		n.when(t, "messages of both others", func() bool { return count(n.by[channel], "") >= 2*number })
		next := map[string]int{}
		for _, m := range n.messages(channel) {
			if strings.HasPrefix(m.text, probe) {
				continue
			}
			from, index, _ := strings.Cut(m.text, " ")
			if from == n.name {
				t.Fatalf("node %s heard what it published: %s", n.name, m.text)
			}
			if index != fmt.Sprint(next[from]) {
				t.Fatalf("node %s got %q, want number %d", n.name, m.text, next[from])
			}
			next[from]++
			if m.at != (broker.Position{}) || m.prev != 0 {
				t.Fatalf("node %s: %q has a place in a history: %v, %d", n.name, m.text, m.at, m.prev)
			}
		}
	}
}

// probe begins messages that only show that a channel flows.
const probe = "probe "

// count is how many messages begin so, probes left out.
func count(list []message, prefix string) (number int) {
	for _, m := range list {
		if strings.HasPrefix(m.text, prefix) && !strings.HasPrefix(m.text, probe) {
			number++
		}
	}
	return number
}

// reach returns when what any node publishes on the channel reaches all others:
// servers of one engine take a moment to tell each other who listens where.
func (f *fleet) reach(t *testing.T, channel string) {
	t.Helper()
	for _, from := range f.nodes {
		for _, to := range f.nodes {
			if from == to {
				continue
			}
			text := probe + from.name + " to " + to.name
			to.until(t, text, func() bool {
				_ = from.Publish(channel, []byte(text), nil, nil)
				return to.got(channel, text) > 0
			})
		}
		from.flush(t)
	}
}

// Names that are alike are different channels.
func (f *fleet) testNames(t *testing.T) {
	base := f.channel("Names")
	names := []string{
		base, base + ".x", base + ".x.y", strings.ToLower(base), base + ":x", base + "/x", base + "-x", base + "_x",
		base + "." + strings.Repeat("long", 40),
	}
	class := f.class(5, time.Minute)
	f.b.subscribe(t, names...)
	for _, name := range names {
		f.b.until(t, name, func() bool {
			f.a.publish(t, name, name)
			return f.b.got(name, name) > 0
		})
		f.a.stored(t, class, name, "stored "+name)
	}
	for _, name := range names {
		f.b.when(t, "stored "+name, func() bool { return count(f.b.by[name], "stored ") > 0 })
		for _, m := range f.b.messages(name) {
			if strings.TrimPrefix(m.text, "stored ") != name {
				t.Errorf("on %s came %q", name, m.text)
			}
		}
		if past := f.c.read(t, class, name, broker.Position{}, 5); len(past.Messages) != 1 || string(past.Messages[0].Message) != "stored "+name {
			t.Errorf("%s has %d messages in its history", name, len(past.Messages))
		}
	}
}

// When Subscribe has returned, what is published or appended afterwards arrives,
// whichever node it comes from.
func (f *fleet) testSubscribe(t *testing.T) {
	class := f.class(5, time.Minute)
	f.a.stored(t, class, f.channel("warm"), "x")
	for i := range 50 {
		channel := f.channel("subscribe")
		f.b.subscribe(t, channel)
		f.b.subscribe(t, channel) // once is enough
		f.a.publish(t, channel, "published")
		f.b.await(t, channel, 1)
		f.c.stored(t, class, channel, fmt.Sprint(i), "end")
		list := f.b.await(t, channel, 3)
		if len(list) != 3 || list[0].text != "published" || list[1].text != fmt.Sprint(i) || list[2].text != "end" {
			t.Fatalf("got %v", list)
		}
	}
}

// After Unsubscribe, messages stop coming, and begin again after Subscribe.
func (f *fleet) testUnsubscribe(t *testing.T) {
	left, kept := f.channel("left"), f.channel("kept")
	f.b.subscribe(t, left, kept)
	f.reachOne(t, left)
	f.reachOne(t, kept)
	if err := f.b.Unsubscribe(within(t), []string{left, f.channel("never")}); err != nil {
		t.Fatal(err)
	}
	round := 0
	f.b.until(t, "end of messages", func() bool {
		round++
		text := fmt.Sprint("round ", round)
		f.a.publish(t, left, text)
		f.a.publish(t, kept, text)
		f.b.when(t, text, func() bool { return count(f.b.by[kept], text) > 0 })
		return f.b.got(left, text) == 0
	})
	f.b.subscribe(t, left)
	f.reachOne(t, left)
}

// reachOne returns when what a publishes on the channel reaches b.
func (f *fleet) reachOne(t *testing.T, channel string) {
	t.Helper()
	text := probe + f.channel("reach")
	f.b.until(t, text, func() bool {
		_ = f.a.Publish(channel, []byte(text), nil, nil)
		return f.b.got(channel, text) > 0
	})
}

// A control message comes to the one, or to all others; never to who sent it.
func (f *fleet) testSend(t *testing.T) {
	one, all, end := f.channel("one"), f.channel("all"), f.channel("end")
	send := func(from *node, to, text string) {
		if err := from.Send(to, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send(f.a, "b", one)
	send(f.a, "", all)
	f.a.flush(t)
	send(f.b, "", end)
	has := func(n *node, text string) bool {
		for _, m := range n.control {
			if m == text {
				return true
			}
		}
		return false
	}
	f.b.when(t, "control messages", func() bool { return has(f.b, one) && has(f.b, all) })
	f.c.when(t, "control messages", func() bool { return has(f.c, all) && has(f.c, end) })
	f.a.when(t, "control message", func() bool { return has(f.a, end) })
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	if has(f.a, one) || has(f.a, all) {
		t.Error("node a got what it sent")
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if has(f.c, one) {
		t.Error("node c got what was for b")
	}
}

// A full queue is told, at once; what was refused was not sent, and all else was, in order.
func (f *fleet) testBusy(t *testing.T) {
	n := f.start(t, "small", 1)
	n.waitUp(t)
	channel, large := f.channel("busy"), strings.Repeat("x", 4096)
	f.b.subscribe(t, channel)
	f.b.until(t, "first message", func() bool {
		_ = n.Publish(channel, []byte(probe+"busy"), nil, nil)
		return f.b.got(channel, probe+"busy") > 0
	})
	sent, refused := 0, 0
	for refused < 10 {
		err := n.Publish(channel, fmt.Append(nil, sent, " ", large), nil, nil)
		switch {
		case err == nil:
			sent++
		case errors.Is(err, broker.ErrBusy):
			refused++
		default:
			t.Fatal(err)
		}
		if sent > 1_000_000 {
			t.Fatal("the queue has no bound")
		}
	}
	n.flush(t)
	f.b.when(t, "messages", func() bool { return count(f.b.by[channel], "") >= sent })
	i := 0
	for _, m := range f.b.messages(channel) {
		if strings.HasPrefix(m.text, probe) {
			continue
		}
		if number, _, _ := strings.Cut(m.text, " "); number != fmt.Sprint(i) {
			t.Fatalf("message %s, want %d", number, i)
		}
		i++
	}
}

// A node that takes nothing for a while gets all, or is told that something is missing.
func (f *fleet) testSlow(t *testing.T) {
	const number = 100_000
	n := f.start(t, "slow", queueBytes)
	n.waitUp(t)
	channel := f.channel("slow")
	n.subscribe(t, channel)
	n.until(t, "first message", func() bool {
		_ = f.a.Publish(channel, []byte(probe+"slow"), nil, nil)
		return n.got(channel, probe+"slow") > 0
	})
	f.a.flush(t)
	release := n.block()
	defer release()
	for i := range number {
		for f.a.Publish(channel, fmt.Append(nil, i), nil, nil) != nil {
			f.a.flush(t)
		}
	}
	f.a.flush(t)
	release()
	n.when(t, "all messages, or word of a loss", func() bool {
		return count(n.by[channel], "") == number || n.losts > 0 || len(n.downs) > 0
	})
	last := -1
	for _, m := range n.messages(channel) {
		var i int
		if _, err := fmt.Sscan(m.text, &i); err != nil {
			continue // a probe
		}
		if i <= last {
			t.Fatalf("message %d after %d", i, last)
		}
		last = i
	}
}
