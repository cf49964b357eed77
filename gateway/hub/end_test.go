package hub

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/metrics"
)

// A connection ends when it was told to, to a tick; a later word replaces an
// earlier one, and who comes into the slot afterwards has no end.
func TestEndIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.Stop()
		ended := func(c *fakeConn) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.finished
		}
		a, later, never, gone := r.client("x"), r.client("x"), r.client("x"), r.client("x")
		for _, c := range []*fakeConn{a, later, never, gone} {
			c.sub.EndIn(5*time.Second, metrics.CloseExpired)
		}
		later.sub.EndIn(10*time.Second, metrics.CloseUnauthorized)
		never.sub.EndIn(-1, 0)
		gone.close()
		synctest.Wait()
		heir := r.client("x")
		synctest.Wait()
		if heir.sub.slot != gone.sub.slot {
			t.Fatal("the slot was not used again")
		}
		gone.sub.EndIn(time.Second, metrics.CloseExpired) // too late: the slot is another's
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if ended(a) {
			t.Error("it ended early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !ended(a) || !slices.Equal(a.messages(), []string{"close expired"}) {
			t.Errorf("%v", a.messages())
		}
		if !a.sub.Muted() || later.sub.Muted() {
			t.Error("who is muted, and who is not")
		}
		if ended(later) {
			t.Error("the later word does not count")
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if !slices.Equal(later.messages(), []string{"close unauthorized"}) {
			t.Errorf("%v", later.messages())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if ended(never) || ended(heir) {
			t.Error("one ended that has no end")
		}
		if n := r.Subscribers("x"); n != 2 {
			t.Errorf("%d subscribers", n)
		}
	})
}

// CloseIf closes those that match, in every shard and chunk, and nobody else.
func TestCloseIf(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 3 })
	var all []*fakeConn
	for range 3*chunkSize + 7 {
		all = append(all, r.client("x"))
	}
	chosen := map[Conn]bool{}
	for i, c := range all {
		if i%10 == 0 {
			chosen[c] = true
		}
	}
	r.settled()
	if n := r.CloseIf(func(c Conn) bool { return chosen[c] }, frameOf("bye"), metrics.CloseAPI); n != len(chosen) {
		t.Errorf("closed %d, want %d", n, len(chosen))
	}
	for _, c := range all {
		var want []string
		if chosen[c] {
			want = []string{"bye"}
		}
		if got := c.messages(); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	left := 0
	r.Each(func(c Conn) {
		if chosen[c] {
			t.Error("one that is closing is still listed")
		}
		left++
	})
	if left != len(all)-len(chosen) {
		t.Errorf("%d are left", left)
	}
}
