package hub

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/metrics"
)

// remembers makes a hub that keeps a history of every channel, and tells subscribers of gaps.
func remembers(size int, ttl time.Duration) func(*Options) {
	return func(o *Options) {
		o.Settings.Namespace = func(string) Namespace {
			return Namespace{History: &History{Class: "all", Size: size, TTL: ttl}}
		}
		o.Codecs[0].Gone = func(dst []byte, channel string, at Position) []byte {
			return append(dst, frameOf(fmt.Sprintf("gone %s %d", channel, at.Offset))...)
		}
		o.Codecs[0].Gap = func(dst []byte, channel string, at Position) []byte {
			return append(dst, frameOf(fmt.Sprintf("gap %s %d", channel, at.Offset))...)
		}
	}
}

// resume attaches a connection that wants what a channel had since a position.
func (r *rig) resume(channel string, since Position) *fakeConn {
	r.t.Helper()
	c := &fakeConn{sub: new(Subscriber)}
	c.sub.Hold()
	r.Attach(c.sub, c, 0)
	if err := r.Subscribe(c.sub, []Join{{channel, since}}, frameOf("hello")); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) want(c *fakeConn, messages ...string) {
	r.t.Helper()
	r.settled()
	if d := cmp.Diff(messages, c.messages()); d != "" {
		r.t.Errorf("got (-want +got):\n%s", d)
	}
}

// at is the position of the n-th publication in the only life of a channel.
func (r *rig) at(channel string, n uint64) Position {
	r.t.Helper()
	past, ok := r.History(channel, Position{}, 1)
	if !ok {
		r.t.Fatal("no history")
	}
	return Position{past.Top.Epoch, n}
}

// Who comes back gets what it missed, in order, and then what is live.
func TestResume(t *testing.T) {
	r := newRig(t, remembers(3, time.Hour))
	for i := 1; i <= 5; i++ {
		r.publish(fmt.Sprint(i), "a") // before anybody is there
	}
	all := []struct {
		since Position
		want  []string
	}{
		{Position{}, []string{"hello"}},
		{r.at("a", 5), []string{"hello"}},
		{r.at("a", 4), []string{"hello", "5"}},
		{r.at("a", 2), []string{"hello", "3", "4", "5"}},
		{r.at("a", 1), []string{"hello", "gone a 5"}},
		{r.at("a", 6), []string{"hello", "gone a 5"}}, // that will be, perhaps
		{Position{"other", 5}, []string{"hello", "gone a 5"}},
	}
	var clients []*fakeConn
	for _, c := range all {
		clients = append(clients, r.resume("a", c.since))
	}
	r.publish("6", "a")
	for i, c := range all {
		r.want(clients[i], append(c.want, "6")...)
	}
}

func TestHistory(t *testing.T) {
	r := newRig(t, remembers(3, time.Hour))
	for i := 1; i <= 5; i++ {
		r.publish(fmt.Sprint(i), "a")
	}
	for _, c := range []struct {
		after    Position
		limit    int
		want     string
		complete bool
	}{
		{Position{}, 10, "345", true},
		{Position{}, 2, "45", true},
		{r.at("a", 3), 10, "45", true},
		{r.at("a", 3), 1, "4", true},
		{r.at("a", 5), 10, "", true},
		{r.at("a", 0), 10, "345", false},
		{Position{"other", 4}, 10, "345", false},
	} {
		past, _ := r.History("a", c.after, c.limit)
		got := ""
		for _, k := range past.Kept {
			got += string(k.Payload)
		}
		if got != c.want || past.Complete != c.complete || past.Top.Offset != 5 {
			t.Errorf("after %v, at most %d: %q, complete %v, top %d", c.after, c.limit, got, past.Complete, past.Top.Offset)
		}
	}
	if n := r.keptBytes.Load(); n != 3 {
		t.Errorf("%d bytes are said to be kept", n)
	}
}

// A message is kept for its TTL. The channel's position outlives it, and in the end all is forgotten.
func TestHistoryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, remembers(10, time.Minute))
		defer r.Stop()
		r.publish("old", "a")
		time.Sleep(40 * time.Second)
		r.publish("new", "a")
		time.Sleep(30 * time.Second)
		for i, want := range []string{"gone a 2", "new"} {
			c := r.resume("a", r.at("a", uint64(i)))
			r.want(c, "hello", want)
			c.close()
		}
		time.Sleep(time.Minute)
		still := r.at("a", 2)
		c := r.resume("a", still)
		r.want(c, "hello")
		c.close()
		time.Sleep(15 * time.Minute)
		if n := r.Stats().Channels; n != 0 {
			t.Errorf("%d channels are remembered", n)
		}
		if n := r.keptBytes.Load(); n != 0 {
			t.Errorf("%d bytes are said to be kept", n)
		}
		r.want(r.resume("a", still), "hello", "gone a 0") // a new life
	})
}

// A fakeBroker notes what the hub asks for; the test answers.
type fakeBroker struct {
	mu    sync.Mutex
	asked []string
	done  []func(Receipt, error)
	err   error
}

func (b *fakeBroker) note(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, s)
}

func (b *fakeBroker) Publish(channels []string, p *Publication, done func(Receipt, error)) error {
	b.note(fmt.Sprintf("publish %v %s", channels, p.Payload))
	b.done = append(b.done, done)
	return b.err
}

func (b *fakeBroker) Append(channel string, _ *History, p *Publication, done func(Receipt, error)) error {
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
		list = append(list, Kept{Position{"e", i}, []byte(fmt.Sprint(i)), false, time.Now()})
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
	r.Caught("k", Past{Kept: []Kept{{Position{"f", 1}, []byte("anew"), false, time.Now()}}, Top: Position{"f", 1}}, nil)
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

// When the link is down, clients are let in all the same.
func TestLetsInWithoutTheBroker(t *testing.T) {
	r, _ := fleet(t)
	c := r.resume("k", Position{"e", 3})
	r.Caught("k", Past{}, ErrBusy)
	r.want(c, "hello", "gone k 0")
	r.Caught("k", pastOf(1, 5), nil)
	r.Deliver("k", delivery(6))
	r.want(c, "hello", "gone k 0", "gap k 5", "6")
}
