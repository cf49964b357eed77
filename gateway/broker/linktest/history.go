package linktest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sluice/gateway/broker"
)

// What nodes append reaches all of them, also the one that did, in the order of
// the offsets; each message names the one before.
func (f *fleet) testAppend(t *testing.T) {
	const number = 100
	class, channel := f.class(10*number, time.Minute), f.channel("append")
	for _, n := range f.nodes {
		n.subscribe(t, channel)
	}
	f.reach(t, channel)
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string]broker.Position{}
	for _, n := range f.nodes {
		for i := range number {
			text := fmt.Sprintf("%s %d", n.name, i)
			wg.Add(1)
			err := n.Append(class, channel, []byte(text), func(at broker.Position, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				if _, twice := told[text]; err != nil || twice {
					t.Errorf("Append %s: %v, twice: %v", text, err, twice)
				}
				told[text] = at
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
	var first []message
	for _, n := range f.nodes {
		n.when(t, "all messages", func() bool { return count(n.by[channel], "") >= 3*number })
		var list []message
		next := map[string]int{}
		got := n.messages(channel)
		if f.Swaps {
			slices.SortStableFunc(got, func(a, b message) int { return cmp.Compare(a.at.Offset, b.at.Offset) })
		}
		for _, m := range got {
			if m.at.Offset == 0 {
				continue // a probe
			}
			list = append(list, m)
			if m.at != told[m.text] {
				t.Fatalf("%s is at %v, its node was told %v", m.text, m.at, told[m.text])
			}
			var from string
			var i int
			if _, err := fmt.Sscan(m.text, &from, &i); err != nil || i != next[from] {
				t.Fatalf("got %s, want number %d", m.text, next[from])
			}
			next[from]++
		}
		chained(t, list)
		if first == nil {
			first = list
		} else if d := gocmp.Diff(first, list, gocmp.AllowUnexported(message{})); d != "" {
			t.Fatalf("nodes a and %s got different orders:\n%s", n.name, d)
		}
	}
}

// chained fails where a message does not lie after the one before, or does not name it.
func chained(t *testing.T, list []message) {
	t.Helper()
	for i, m := range list {
		prev := broker.Position{Epoch: m.at.Epoch}
		if i > 0 {
			prev = list[i-1].at
		}
		if m.at.Epoch == "" || m.at.Epoch != prev.Epoch || m.at.Offset <= prev.Offset || m.prev != prev.Offset {
			t.Fatalf("message %d at %v names %d as the one before, which is at %v", i, m.at, m.prev, prev)
		}
	}
}

// texts are those of a piece of history.
func texts(p broker.Past) (list []string) {
	for _, m := range p.Messages {
		list = append(list, string(m.Message))
	}
	return list
}

// holds compares a piece of history.
func holds(t *testing.T, what string, p broker.Past, complete, more bool, want ...string) {
	t.Helper()
	if d := gocmp.Diff(want, texts(p)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
	if p.Complete != complete || p.More != more {
		t.Errorf("%s: complete %v, more %v; want %v, %v", what, p.Complete, p.More, complete, more)
	}
	for i, m := range p.Messages {
		if m.Epoch != "" && m.Epoch != p.Top.Epoch || m.Offset > p.Top.Offset || m.At.IsZero() || i > 0 && m.Offset <= p.Messages[i-1].Offset {
			t.Errorf("%s: message %d is at %v, %v; the top is %v", what, i, m.Position, m.At, p.Top)
		}
	}
}

// A channel that never had a message has a position, and what comes later lies after it.
func (f *fleet) testReadEmpty(t *testing.T) {
	class, channel := f.class(5, time.Minute), f.channel("empty")
	empty := f.a.read(t, class, channel, broker.Position{}, 5)
	holds(t, "empty", empty, true, false)
	if empty.Top.Epoch == "" || empty.Floor != empty.Top.Offset {
		t.Errorf("top %v, floor %d", empty.Top, empty.Floor)
	}
	holds(t, "still empty", f.b.read(t, class, channel, empty.Top, 5), true, false)
	at := f.b.stored(t, class, channel, "first", "second")
	if at[0].Epoch != empty.Top.Epoch || at[0].Offset <= empty.Top.Offset {
		t.Errorf("the first message is at %v, the empty channel was at %v", at[0], empty.Top)
	}
	holds(t, "the first of it", f.c.read(t, class, channel, empty.Top, 1), true, true, "first")
	holds(t, "what came then", f.c.read(t, class, channel, empty.Top, 5), true, false, "first", "second")
}

// Reading with and without a position, and limits.
func (f *fleet) testRead(t *testing.T) {
	class, channel := f.class(10, time.Minute), f.channel("read")
	at := f.a.stored(t, class, channel, "0", "1", "2", "3", "4")
	f.a.stored(t, class, channel+".other", "other")
	none := broker.Position{}
	for _, n := range f.nodes {
		all := n.read(t, class, channel, none, 10)
		holds(t, "all", all, true, false, "0", "1", "2", "3", "4")
		if all.Top != at[4] || all.Floor > at[0].Offset {
			t.Errorf("top %v, floor %d; positions %v", all.Top, all.Floor, at)
		}
		newest := n.read(t, class, channel, none, 2)
		holds(t, "newest", newest, true, false, "3", "4")
		if newest.Floor < at[2].Offset || newest.Floor > at[3].Offset {
			t.Errorf("floor %d; positions %v", newest.Floor, at)
		}
		holds(t, "after", n.read(t, class, channel, at[1], 10), true, false, "2", "3", "4")
		holds(t, "piece", n.read(t, class, channel, at[1], 2), true, true, "2", "3")
		holds(t, "last piece", n.read(t, class, channel, at[3], 2), true, false, "4")
		holds(t, "nothing new", n.read(t, class, channel, at[4], 2), true, false)
		other := n.read(t, class, channel, broker.Position{Epoch: "another", Offset: at[1].Offset}, 10)
		holds(t, "another epoch", other, false, false, "0", "1", "2", "3", "4")
	}
	var wg sync.WaitGroup // an engine may take its time to be sure
	for _, n := range f.nodes {
		wg.Go(func() {
			future, err := n.Read(within(t), class, channel, broker.Position{Epoch: at[0].Epoch, Offset: at[4].Offset + 1000}, 10, 0)
			if err != nil || future.Complete {
				t.Errorf("node %s: %v; complete %v after a position that was never reached", n.name, err, future.Complete)
			}
		})
	}
	wg.Wait()
}

// What was dropped because there is too much of it.
func (f *fleet) testReadDropped(t *testing.T) {
	class, channel := f.class(3, time.Minute), f.channel("dropped")
	at := f.a.stored(t, class, channel, "0", "1", "2", "3", "4", "5")
	for _, n := range f.nodes {
		holds(t, "newest", n.read(t, class, channel, broker.Position{}, 10), true, false, "3", "4", "5")
		holds(t, "all that is kept", n.read(t, class, channel, at[2], 10), true, false, "3", "4", "5")
		if p := n.read(t, class, channel, at[0], 10); p.Complete {
			t.Errorf("complete, with %v, after the first of six", texts(p))
		}
	}
}

// What was dropped because of its age.
func (f *fleet) testReadExpired(t *testing.T) {
	class, channel := f.class(10, time.Second), f.channel("expired")
	at := f.a.stored(t, class, channel, "0", "1")
	f.a.until(t, "end of the messages' life", func() bool {
		return len(f.a.read(t, class, channel, broker.Position{}, 10).Messages) == 0
	})
	p := f.a.read(t, class, channel, at[0], 10)
	if p.Complete || len(p.Messages) > 0 {
		t.Errorf("after the first of two: complete %v, %v", p.Complete, texts(p))
	}
	if p.Top.Epoch != at[1].Epoch || p.Top.Offset < at[1].Offset {
		t.Errorf("top %v, the last was at %v", p.Top, at[1])
	}
	if next := f.b.stored(t, class, channel, "2"); next[0].Epoch != at[1].Epoch || next[0].Offset <= at[1].Offset {
		t.Errorf("after %v came %v", at[1], next[0])
	}
}

// More than fits into one answer.
func (f *fleet) testReadLarge(t *testing.T) {
	const number, underWay = 300, 20 // all at once would hold each other up for longer than an engine may take
	class, channel := f.class(number, time.Minute), f.channel("large")
	var wg sync.WaitGroup
	large := make([]byte, 64<<10)
	for i := range number {
		wg.Add(1)
		if err := f.a.Append(class, channel, large, func(_ broker.Position, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		}); err != nil {
			t.Fatal(err)
		}
		if (i+1)%underWay == 0 {
			wg.Wait()
		}
	}
	wg.Wait()
	all := f.b.read(t, class, channel, broker.Position{}, number)
	if len(all.Messages) != number || all.More || !all.Complete {
		t.Fatalf("%d messages, more %v, complete %v", len(all.Messages), all.More, all.Complete)
	}
	for _, n := range f.nodes {
		for what, after := range map[string]broker.Position{"newest": {}, "after the first": all.Messages[0].Position} {
			p, err := n.Read(within(t), class, channel, after, number, 1<<20)
			first, asked := len(p.Messages), after.Epoch != ""
			if err != nil || first < 17 || first > 32 || !p.Complete || p.More != asked {
				t.Errorf("%s 1 MiB: %v, %d messages, more %v, complete %v", what, err, first, p.More, p.Complete)
				continue
			}
			if want := all.Messages[1].Position; asked && p.Messages[0].Position != want {
				t.Errorf("%s: from %v, want %v", what, p.Messages[0].Position, want)
			}
			if from := number - first; !asked && (p.Messages[0].Position != all.Messages[from].Position || p.Floor < all.Messages[from-1].Offset) {
				t.Errorf("%s: %d from %v, floor %d", what, first, p.Messages[0].Position, p.Floor)
			}
		}
	}
}

// The bound holds for what is not confirmed yet, too.
func (f *fleet) testAppendBusy(t *testing.T) {
	n := f.start(t, "few", 1)
	n.waitUp(t)
	class, channel := f.class(1000, time.Minute), f.channel("few")
	n.stored(t, class, channel, "first")
	var wg sync.WaitGroup
	stored, refused := 1, 0
	for refused == 0 && stored < 1000 {
		wg.Add(1)
		err := n.Append(class, channel, []byte("x"), func(_ broker.Position, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
		if err == nil {
			stored++
			continue
		}
		wg.Done()
		if refused++; !errors.Is(err, broker.ErrBusy) {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if refused == 0 {
		t.Error("a thousand appends at a time, with a queue of one byte")
	}
	if p := f.a.read(t, class, channel, broker.Position{}, 1000); len(p.Messages) != stored {
		t.Errorf("%d messages are stored, want %d", len(p.Messages), stored)
	}
}
