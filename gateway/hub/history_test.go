package hub

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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

// Who asks for what it missed on a channel that keeps nothing is told that it is gone; who does not ask is told nothing.
func TestNothingIsKept(t *testing.T) {
	r := newRig(t, func(o *Options) {
		remembers(1, time.Minute)(o)
		o.Settings.Namespace = func(string) Namespace { return Namespace{} }
	})
	old, fresh := r.resume("k", Position{"e", 3}), r.resume("k", Position{})
	r.publish("x", "k")
	r.want(old, "hello", "gone k 0", "x")
	r.want(fresh, "hello", "x")
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

// What was encoded for those who come back at the same time is not kept when they have: it
// may be as large as the history, and stayed when that was over.
func TestReplaysAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, remembers(10, time.Minute))
		defer r.Stop()
		r.publish("one", "a")
		r.publish("two", "a")
		r.want(r.resume("a", r.at("a", 0)), "hello", "one", "two")
		r.want(r.resume("a", r.at("a", 1)), "hello", "two")
		time.Sleep(2 * time.Minute)
		st := r.stripeOf("a")
		st.mu.Lock()
		defer st.mu.Unlock()
		y := st.channels["a"].history
		for _, held := range y.replays {
			if held.frame != nil {
				t.Errorf("%d bytes are kept that were encoded for who came back, and %d of the history", len(held.frame.bytes), y.bytes)
			}
		}
	})
}

// Clients that come back to a large history hold the same bytes, wherever each of them was: a
// piece at most is one's own.
func TestReplaysAreShared(t *testing.T) {
	const messages, size = 200, 10 << 10
	r := newRig(t, remembers(messages, time.Hour))
	for i := range messages {
		r.publish(fmt.Sprintf("%04d%s", i, strings.Repeat("x", size)), "a")
	}
	epoch := r.at("a", 0).Epoch
	st := r.stripeOf("a")
	st.mu.Lock()
	defer st.mu.Unlock()
	seen := map[*Frame]bool{}
	for from := range uint64(messages) {
		f, ok := st.channels["a"].history.replay(Position{epoch, from}, 0, &r.codecs[0], "a")
		if !ok {
			t.Fatalf("nothing after %d", from)
		}
		var all []byte
		fresh := 0
		for ; f != nil; f = f.next {
			all = append(all, f.bytes...)
			if !seen[f] {
				seen[f], fresh = true, fresh+1
			}
		}
		c := &fakeConn{got: all}
		if got := c.messages(); len(got) != messages-int(from) || !strings.HasPrefix(got[0], fmt.Sprintf("%04d", from)) || !strings.HasPrefix(got[len(got)-1], "0199") {
			t.Fatalf("%d messages after %d", len(got), from)
		}
		if from > 0 && fresh > 1 {
			t.Fatalf("%d pieces were made for one that was at %d", fresh, from)
		}
	}
}
