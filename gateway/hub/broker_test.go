package hub

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/metrics"
)

type fakeBroker struct {
	mu    sync.Mutex
	asked []string
	done  []func(Receipt, error)
	err   error
	down  bool // what is published is for this node alone
}

func (b *fakeBroker) note(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, s)
}

func (b *fakeBroker) Publish(channels []string, p *Publication, done func(Receipt, error)) (bool, error) {
	b.note(fmt.Sprintf("publish %v %s", channels, p.Payload))
	b.done = append(b.done, done)
	return !b.down, b.err
}

func (b *fakeBroker) Append(channel string, limits *History, p *Publication, done func(Receipt, error)) error {
	if limits == nil {
		b.note("no limits")
	}
	b.note(fmt.Sprintf("append %s %s", channel, p.Payload))
	b.done = append(b.done, done)
	return b.err
}

func (b *fakeBroker) Want(channel string, _ *History, wanted bool) {
	b.note(fmt.Sprintf("want %s %v", channel, wanted))
}

func (b *fakeBroker) Fetch(channel string, _ *History, after Position, later bool) {
	b.note(fmt.Sprintf("fetch %s %s:%d later %v", channel, after.Epoch, after.Offset, later))
}

func (b *fakeBroker) wants(t *testing.T, asked ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := cmp.Diff(asked, b.asked); d != "" {
		t.Errorf("the broker was asked (-want +got):\n%s", d)
	}
	b.asked = nil
}

// fleet is a hub with a fake broker. Channels that begin with k have a history.
func fleet(t *testing.T) (*rig, *fakeBroker) {
	b := &fakeBroker{}
	r := newRig(t, func(o *Options) {
		remembers(10, time.Hour)(o)
		always := o.Settings.Namespace
		o.Settings.Namespace = func(name string) Namespace {
			if name[0] == 'k' {
				return always(name)
			}
			return Namespace{}
		}
		o.Broker = b
	})
	return r, b
}

func kept(first, last uint64) (list []Kept) {
	for i := first; i <= last; i++ {
		list = append(list, Kept{Position: Position{"e", i}, Payload: []byte(fmt.Sprint(i)), At: time.Now()})
	}
	return list
}

func delivery(n uint64) Delivery {
	return Delivery{
		Publication: Publication{Payload: []byte(fmt.Sprint(n)), Position: Position{"e", n}},
		Prev:        n - 1, At: time.Now(),
	}
}

func pastOf(first, last uint64) Past {
	return Past{Kept: kept(first, last), Top: Position{"e", last}, Floor: first - 1, Complete: true}
}

// A subscriber is served when the broker says that publications flow, and not before.
func TestWaitsForTheBroker(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("a", Position{})
	r.want(c)
	r.Caught("a", Past{}, nil)
	r.want(c, "hello")
	late := r.resume("a", Position{})
	r.want(late, "hello")
	b.wants(t, "want a true")

	gone := r.resume("b", Position{}) // it does not wait for ever for the one who waits
	gone.close()
	r.settled()
	r.Caught("b", Past{}, nil)
	r.settled()
	c.close()
	late.close()
	r.settled()
	b.wants(t, "want b true", "want b false", "want a false")
	if n := r.Stats().Channels; n != 0 {
		t.Errorf("%d channels are left", n)
	}
}

// The node's own publications reach its subscribers at once, others' when they come;
// on a channel with a history all take the broker's order.
func TestFleetPublish(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("a", Position{})
	k := r.resume("k", Position{})
	r.Caught("a", Past{}, nil)
	r.Caught("k", pastOf(1, 0), nil)
	r.publish("mine", "a")
	r.publish("ours", "k")
	r.Deliver("a", Delivery{Publication: Publication{Payload: []byte("theirs")}})
	r.Deliver("a", Delivery{Publication: Publication{Payload: []byte("c's")}, Sender: c.sub.ID()})
	r.Deliver("k", delivery(1))
	r.Deliver("nobody's", delivery(1))
	r.want(c, "hello", "mine", "theirs")
	r.want(k, "hello", "1")
	b.wants(t, "want a true", "want k true", "publish [a] mine", "append k ours")

	b.err = ErrBusy
	if _, err := r.Publish([]string{"a"}, Publication{Payload: []byte("x")}); err != ErrBusy {
		t.Errorf("%v", err)
	}
	r.want(c, "hello", "mine", "theirs") // nobody got it
}

func TestFleetReceipts(t *testing.T) {
	r, b := fleet(t)
	r.resume("a", Position{})
	r.Caught("a", Past{}, nil)
	type outcome struct {
		Receipt
		err string
	}
	var got []outcome
	done := func(rc Receipt, err error) { got = append(got, outcome{rc, fmt.Sprint(err)}) }
	if _, err := r.Publish([]string{"a"}, Publication{Done: done}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish([]string{"k"}, Publication{Done: done}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish([]string{"a", "k", "b"}, Publication{Done: done}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 0 || len(b.done) != 4 {
		t.Fatalf("%v before the broker has answered %d", got, len(b.done))
	}
	b.done[0](Receipt{Nodes: 2}, nil)
	b.done[1](Receipt{Nodes: 1, Position: Position{"e", 7}}, nil)
	b.done[2](Receipt{Nodes: 2}, nil)
	b.done[3](Receipt{}, ErrBusy)
	want := []outcome{
		{Receipt{1, 2, Position{}}, "<nil>"},
		{Receipt{0, 1, Position{"e", 7}}, "<nil>"},
		{Receipt{}, ErrBusy.Error()},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What the broker did not bring is fetched, and what comes meanwhile waits: the order is whole.
func TestFetchesWhatIsMissing(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{"e", 2})
	r.Deliver("k", delivery(4)) // before the history has come
	r.Deliver("k", delivery(5))
	r.Caught("k", pastOf(1, 4), nil)
	r.want(c, "hello", "3", "4", "5")
	r.Deliver("k", delivery(5)) // twice
	r.Deliver("k", delivery(8))
	r.Deliver("k", delivery(9))
	r.want(c, "hello", "3", "4", "5")
	b.wants(t, "want k true", "fetch k e:5 later false")
	r.Caught("k", pastOf(6, 8), nil)
	r.Deliver("k", delivery(10))
	r.want(c, "hello", "3", "4", "5", "6", "7", "8", "9", "10")
	b.wants(t)
	if n := r.metrics.Cell(0).Gaps.Load(); n != 0 {
		t.Errorf("%d gaps", n)
	}
}

// L5: what cannot be fetched any more is a gap, and everybody is told at its place.
func TestTellsOfGaps(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 2), nil)
	r.Deliver("k", delivery(9))
	lost := pastOf(8, 9)
	lost.Complete = false
	r.Caught("k", lost, nil)
	r.Deliver("k", delivery(10))
	r.want(c, "hello", "gap k 7", "8", "9", "10")
	b.wants(t, "want k true", "fetch k e:2 later false")

	// The broker came back with nothing.
	other := delivery(1)
	other.Position.Epoch = "f"
	r.Deliver("k", other)
	b.wants(t, "fetch k e:10 later false")
	r.Caught("k", Past{Kept: []Kept{{Position: Position{"f", 1}, Payload: []byte("anew"), At: time.Now()}}, Top: Position{"f", 1}}, nil)
	r.want(c, "hello", "gap k 7", "8", "9", "10", "gap k 0", "anew")
	r.want(r.resume("k", Position{"f", 0}), "hello", "anew")
	r.want(r.resume("k", Position{"e", 10}), "hello", "gone k 1")

	a := r.resume("a", Position{})
	r.Caught("a", Past{}, nil)
	r.publish("1", "a")
	r.Doubt("a")
	r.publish("2", "a")
	r.want(a, "hello", "1", "gap a 0", "2")
	r.Suspect("a") // what comes before the doubt comes behind the gap, which is told once
	r.Deliver("a", Delivery{Publication: Publication{Payload: []byte("3")}})
	r.Doubt("a")
	r.want(a, "hello", "1", "gap a 0", "2", "gap a 0", "3")
	r.Suspect("a")
	r.Doubt("a")
	r.want(a, "hello", "1", "gap a 0", "2", "gap a 0", "3", "gap a 0")
	if n := r.metrics.Cell(0).Gaps.Load(); n != 6 {
		t.Errorf("%d gaps", n)
	}
}

// B2: what a node publishes itself, too, comes behind a gap, where the channel is not subscribed
// to again since the link broke: others may have published before it.
func TestGapBeforeOwn(t *testing.T) {
	r, b := fleet(t)
	here := r.resume("a", Position{})
	r.Caught("a", Past{}, nil)
	r.publish("1", "a")
	b.down = true
	r.Broken()
	r.publish("2", "a") // for this node alone: nothing of others comes anyway
	late := r.resume("b", Position{})
	r.Caught("b", Past{}, fmt.Errorf("asking: %w", ErrDown))
	b.down = false
	r.publish("3", "a", "b")
	r.publish("4", "a")
	r.Suspect("a")
	r.publish("5", "a")
	r.Broken() // once more, before Doubt
	r.Doubt("a")
	r.publish("6", "a")
	r.Suspect("a")
	r.Deliver("a", Delivery{Publication: Publication{Payload: []byte("7")}})
	r.Doubt("a")
	r.publish("8", "a")
	r.want(here, "hello", "1", "2", "gap a 0", "3", "gap a 0", "4", "gap a 0", "5", "gap a 0", "gap a 0", "6", "gap a 0", "7", "8")
	r.Suspect("b")
	r.Doubt("b")
	r.publish("9", "b")
	r.want(late, "hello", "gap b 0", "3", "gap b 0", "9")
	c := r.resume("c", Position{})
	r.Caught("c", Past{}, nil)
	r.publish("10", "c")
	r.want(c, "hello", "10")
}

// B2: so it is on a channel of which nothing comes while the link is up, and on no other.
func TestGapBeforeOwnOfChannel(t *testing.T) {
	r, b := fleet(t)
	a := r.resume("a", Position{})
	other := r.resume("b", Position{})
	r.Caught("a", Past{}, nil)
	r.Missing("a") // before it was subscribed to at all
	r.Caught("b", Past{}, nil)
	r.Missing("nobody's")
	r.publish("1", "a", "b")
	r.publish("2", "a")
	r.want(a, "hello", "gap a 0", "1", "gap a 0", "2")
	b.down = true
	r.publish("3", "a") // for this node alone
	b.down = false
	r.Suspect("a")
	r.Missing("a") // once more, before Doubt
	r.Doubt("a")
	r.publish("4", "a")
	r.want(a, "hello", "gap a 0", "1", "gap a 0", "2", "3", "gap a 0", "gap a 0", "4")
	r.Suspect("a")
	r.Doubt("a")
	r.publish("5", "a", "b")
	r.want(a, "hello", "gap a 0", "1", "gap a 0", "2", "3", "gap a 0", "gap a 0", "4", "gap a 0", "5")
	r.want(other, "hello", "1", "5")
}

// A history may go on in another epoch: who is at a place that both have misses nothing, and is
// told of nothing; who is at one that was lost is.
func TestGoesOnInAnotherEpoch(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 3), nil)
	r.Deliver("k", delivery(4))
	first := delivery(5)
	first.Position.Epoch = "f"
	r.Deliver("k", first)
	b.wants(t, "want k true", "fetch k e:4 later false")
	in := func(epoch string, common, first, last uint64) Past {
		p := pastOf(first, last)
		for i := range p.Kept {
			p.Kept[i].Position.Epoch = epoch
		}
		p.Top.Epoch, p.Before = epoch, Position{"e", common}
		return p
	}
	r.Caught("k", in("f", 4, 5, 5), nil)
	r.want(c, "hello", "4", "5")
	r.want(r.resume("k", Position{"e", 3}), "hello", "4", "5")
	r.want(r.resume("k", Position{"e", 4}), "hello", "5")
	r.want(r.resume("k", Position{"f", 4}), "hello", "5")
	r.want(r.resume("k", Position{"e", 5}), "hello", "gone k 5") // it was another 5
	r.Doubt("k")                                                 // again, with nothing new
	past := in("g", 0, 6, 5)
	past.Before = Position{"f", 5}
	past.Floor = 5
	r.Caught("k", past, nil)
	r.want(c, "hello", "4", "5")
	r.want(r.resume("k", Position{"f", 4}), "hello", "5")
	r.want(r.resume("k", Position{"g", 4}), "hello", "5")

	// The broker has lost what came after 4.
	past = in("h", 0, 5, 6)
	past.Before, past.Complete = Position{"g", 4}, false
	r.Doubt("k")
	r.Caught("k", past, nil)
	r.want(c, "hello", "4", "5", "gap k 4", "5", "6")
}

// What this node does not take of a history is told of in its place, and to all who come back from before it.
func TestMissingInHistory(t *testing.T) {
	r, _ := fleet(t)
	lacks := func(past Past, offsets ...uint64) Past {
		for i := range past.Kept {
			if slices.Contains(offsets, past.Kept[i].Offset) {
				past.Kept[i] = Kept{Position: past.Kept[i].Position, Missing: true}
			}
		}
		return past
	}
	c := r.resume("k", Position{"e", 1})
	since2 := r.resume("k", Position{"e", 2})
	r.Caught("k", lacks(pastOf(1, 4), 2), nil)
	r.want(c, "hello", "gone k 4")
	r.want(since2, "hello", "3", "4")
	r.Doubt("k")
	r.Caught("k", lacks(pastOf(5, 9), 6, 9), nil)
	r.want(since2, "hello", "3", "4", "5", "gap k 6", "7", "8", "gap k 9")
	r.Deliver("k", delivery(10))
	r.want(since2, "hello", "3", "4", "5", "gap k 6", "7", "8", "gap k 9", "10")
	for from, want := range map[uint64]string{4: "gone k 10", 8: "gone k 10", 9: "10"} {
		r.want(r.resume("k", Position{"e", from}), "hello", want)
	}
}

// What came from an epoch that is over, or cannot be read with what lies before it, is not
// fetched again and again: once more in a while, and that is all.
func TestFetchesOnce(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 3), nil)
	b.wants(t, "want k true")
	late := delivery(5) // the master that had it is gone, and 4 with it
	r.Deliver("k", late)
	b.wants(t, "fetch k e:3 later false")
	in := func(first, last uint64) Past {
		p := pastOf(first, last)
		for i := range p.Kept {
			p.Kept[i].Position.Epoch = "f"
		}
		p.Top.Epoch, p.Before = "f", Position{"e", 3}
		return p
	}
	r.Caught("k", in(4, 3), nil)
	b.wants(t, "fetch k f:3 later false") // something was learned: it may be there now
	next := delivery(4)
	next.Position.Epoch = "f"
	r.Deliver("k", next)
	r.Caught("k", in(4, 3), nil)
	r.want(c, "hello", "4")
	b.wants(t, "fetch k f:4 later true")
	r.Doubt("k")
	b.wants(t, "fetch k f:4 later false")
	r.Caught("k", in(5, 4), nil)
	b.wants(t)

	next.Position.Offset, next.Prev = 9, 8 // and so if it is of this epoch
	r.Deliver("k", next)
	b.wants(t, "fetch k f:4 later false")
	r.Caught("k", Past{}, ErrDown) // the broker asks again by itself
	b.wants(t)
	r.Deliver("k", next)
	b.wants(t, "fetch k f:4 later false")
	r.Caught("k", in(5, 4), nil)
	b.wants(t, "fetch k f:4 later true")
	r.want(c, "hello", "4")
	if n := r.metrics.Cell(0).Gaps.Load(); n != 0 {
		t.Errorf("%d gaps", n)
	}
}

func TestGapCloses(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Broker = &fakeBroker{}
		o.Codecs[0].GapCloses = true
	})
	c := r.resume("a", Position{})
	other := r.resume("b", Position{})
	r.Caught("a", Past{}, nil)
	r.Caught("b", Past{}, nil)
	r.Doubt("a")
	r.want(c, "hello", "close "+metrics.CloseGap.String())
	r.want(other, "hello")
}

// A publication on several channels reaches a subscriber of two of them once, wherever it came from.
func TestDeliveredOnce(t *testing.T) {
	r, _ := fleet(t)
	c := &fakeConn{sub: new(Subscriber)}
	r.Attach(c.sub, c, 0)
	if err := r.Subscribe(c.sub, []Join{{Channel: "a"}, {Channel: "b"}}, nil); err != nil {
		t.Fatal(err)
	}
	r.Caught("a", Past{}, nil)
	r.Caught("b", Past{}, nil)
	for _, name := range []string{"a", "b"} {
		r.Deliver(name, Delivery{Publication: Publication{Payload: []byte("x")}, Also: []string{"a", "b"}})
	}
	r.want(c, "x")
}

// What came while a history was fetched, and was too much to be held, is fetched as well,
// and does not wait for another publication that shows that it is missing.
func TestHoldsTooMuch(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 1), nil)
	r.Deliver("k", delivery(3))
	b.wants(t, "want k true", "fetch k e:1 later false")
	last := uint64(3)
	for range maxHeld + 5 {
		last++
		r.Deliver("k", delivery(last))
	}
	r.Caught("k", pastOf(2, 3), nil)
	held := uint64(2 + maxHeld)
	b.wants(t, fmt.Sprintf("fetch k e:%d later false", held))
	r.Caught("k", pastOf(held+1, last), nil)
	want := []string{"hello"}
	for i := uint64(2); i <= last; i++ {
		want = append(want, fmt.Sprint(i))
	}
	r.want(c, want...)
	b.wants(t)
}

// What may have been lost while a history was read may have come behind what was read: it is read again.
func TestDoubtWhileFetching(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 1), nil)
	r.Doubt("k")
	b.wants(t, "want k true", "fetch k e:1 later false")
	r.Suspect("k") // 3 is lost
	r.Doubt("k")
	b.wants(t)
	r.Caught("k", pastOf(2, 2), nil)
	b.wants(t, "fetch k e:2 later false")
	r.Caught("k", pastOf(3, 3), nil)
	r.want(c, "hello", "2", "3")
	b.wants(t)
}

// What was stored, but the engine cannot say in which life of the history, is read from it, once.
func TestStoredSomewhere(t *testing.T) {
	r, b := fleet(t)
	c := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 1), nil)
	unknown := delivery(2)
	unknown.Position.Epoch = ""
	r.Deliver("k", unknown)
	r.Deliver("k", delivery(3))
	r.Caught("k", pastOf(2, 3), nil)
	r.want(c, "hello", "2", "3")
	b.wants(t, "want k true", "fetch k e:1 later false")
}

// A reload may take a history away while somebody publishes: the publication has one or the other.
func TestPublishWhileReloading(t *testing.T) {
	b := &fakeBroker{}
	var r *rig
	r = newRig(t, func(o *Options) {
		o.Broker = b
		after := o.Settings
		o.Settings.Namespace = func(string) Namespace {
			r.Configure(after)
			return Namespace{History: &History{Class: "all", Size: 1, TTL: time.Minute}}
		}
	})
	r.publish("x", "k")
	b.wants(t, "append k x")
}
