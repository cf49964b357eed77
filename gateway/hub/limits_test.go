package hub

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/metrics"
)

// L5: what waits for a slow subscriber is bounded in bytes; a message that is
// larger waits alone.
func TestL5OutboxBytes(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Settings.WriteQueue = 20
		o.Settings.OutboxFrames = 1000
		o.Settings.OutboxBytes = 3 * 14
		o.Settings.Namespace = func(string) Namespace { return Namespace{SlowConsumer: SlowDropOldest} }
	})
	c := r.client("a")
	overrun(r, c, 10)
	if st := r.Stats(); st.QueuedBytes != 14+3*14 {
		t.Errorf("%d bytes wait, want one message in the queue and 3 in the outbox", st.QueuedBytes)
	}
	large := string(make([]byte, 100))
	r.publish(large, "a")
	r.settled()
	if st := r.Stats(); st.QueuedBytes != 14+104 {
		t.Errorf("%d bytes wait, want the large message alone", st.QueuedBytes)
	}
	c.unblock()
	r.settled()
	wantMessages(t, "slow", c, "message-00", large)
	if n := r.drops(metrics.DropOldest); n != 9 {
		t.Errorf("%d drops counted, want 9", n)
	}
}

// L5: nothing waits for longer than outbox_age: under drop_oldest it is dropped
// and counted, and the connection stays; under disconnect the client is closed,
// also when its socket alone is what does not move. One that takes something
// now and then stays.
func TestL5OutboxAge(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy SlowConsumer
		fills  int  // messages while the socket takes nothing
		moves  bool // the socket takes some every few seconds
		closed bool
		drop   metrics.DropReason
	}{
		{"drop_oldest", SlowDropOldest, 4, false, false, metrics.DropAge},
		{"disconnect, an outbox", SlowDisconnect, 4, false, true, metrics.DropSlowDisconnect},
		{"disconnect, a socket", SlowDisconnect, 1, false, true, metrics.NumDropReasons},
		{"disconnect, slow but alive", SlowDisconnect, 1, true, false, metrics.NumDropReasons},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(o *Options) {
					o.Settings.WriteQueue = 20
					o.Settings.OutboxAge = 10 * time.Second
					o.Settings.Namespace = func(string) Namespace { return Namespace{SlowConsumer: c.policy} }
				})
				s := r.client("a")
				s.blocked = true
				for i := range c.fills {
					r.publish(fmt.Sprint("m", i), "a")
					synctest.Wait()
					r.publish("0123456789", "b")
				}
				closing := func() bool { return r.Stats().Closing == 1 }
				for second := range 9 {
					time.Sleep(time.Second)
					synctest.Wait()
					if closing() {
						t.Fatalf("closed after %d s", second+1)
					}
				}
				for range 8 {
					if c.moves {
						s.unblock()
						s.blocked = true
						r.publish("more", "a")
					}
					time.Sleep(time.Second)
					synctest.Wait()
				}
				if closing() != c.closed {
					t.Errorf("closed: %v, want %v", !c.closed, c.closed)
				}
				if c.drop < metrics.NumDropReasons && r.drops(c.drop) == 0 {
					t.Errorf("nothing was dropped as %v", c.drop)
				}
				if c.policy == SlowDropOldest && r.drops(c.drop) != uint64(c.fills-3) { // of 6 bytes each
					t.Errorf("%d were dropped, want all but the three in the socket's queue", r.drops(c.drop))
				}
				r.Stop()
			})
		})
	}
}

// L7: when too many bytes are copied for sockets, no more are: messages wait in
// outboxes, for those alone who do not read, and nothing is lost.
func TestL7SocketBytes(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Settings.SocketBytes = 30 })
	slow, quick := r.client("a"), r.client("a")
	overrun(r, slow, 20)
	if n := r.shards[0].socketBytes.Load(); n > 30+14 {
		t.Errorf("%d bytes were copied, want hardly more than 30", n)
	}
	if n := len(quick.messages()); n != 20 {
		t.Errorf("the quick one got %d messages, want 20", n)
	}
	slow.unblock()
	r.settled()
	if n := len(slow.messages()); n != 20 {
		t.Errorf("the slow one got %d messages, want 20", n)
	}
	if n := r.shards[0].socketBytes.Load(); n != 0 {
		t.Errorf("%d bytes still count", n)
	}
}

// stuck is a socket that takes nothing, and keeps no copies either.
type stuck struct {
	sub     Subscriber
	aborted atomic.Bool
}

func (c *stuck) Send(p []byte)      { c.sub.Queue(len(p)) }
func (c *stuck) Finish()            {}
func (c *stuck) Abort()             { c.aborted.Store(true) }
func (c *stuck) RemoteAddr() string { return "" }

// L6: a message is in memory once, however many wait for it: a thousand
// subscribers that read nothing hold the same frames.
func TestL6SharedPayload(t *testing.T) {
	const clients, messages, size = 1000, 64, 64 << 10
	r := newRig(t, func(o *Options) { o.Settings.WriteQueue = 1; o.Settings.OutboxFrames = messages })
	for range clients {
		c := new(stuck)
		r.Attach(&c.sub, c, 0)
		if err := join(r, &c.sub, "a"); err != nil {
			t.Fatal(err)
		}
	}
	r.settled()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	payload := string(make([]byte, size))
	for range messages {
		r.publish(payload, "a")
		r.settled()
	}
	st := r.Stats()
	grown := heap() - before
	t.Logf("%d MiB wait, the heap grew by %d KiB", st.QueuedBytes>>20, grown>>10)
	if want := int64(clients * (messages - 1) * size); st.QueuedBytes < want {
		t.Errorf("%d bytes wait, want %d at least", st.QueuedBytes, want)
	}
	if most := int64(messages*size + clients*messages*64 + 4<<20); grown > most {
		t.Errorf("the heap grew by %d bytes, want at most %d", grown, most)
	}
}

// L7: the guard's second step closes those for whom most waits, and no more of
// them than it takes; the others do not notice.
func TestL7ShedQueues(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2; o.Settings.WriteQueue = 20; o.Settings.OutboxFrames = 1000 })
	var large, small []*fakeConn
	for range 2 { // one a shard
		large = append(large, r.client("a", "b"))
	}
	for range 2 {
		small = append(small, r.client("a"))
	}
	quick := r.client("a", "b")
	r.settled()
	for _, c := range append(large, small...) {
		c.blocked = true
	}
	r.publish("message", "a")
	for range 50 {
		r.publish("message", "b")
		r.settled()
	}
	closed, freed := r.ShedQueues(500)
	if closed != 2 || freed < 2*50*11 {
		t.Errorf("%d were closed and freed %d bytes", closed, freed)
	}
	r.settled()
	for i, c := range large {
		if !c.aborted {
			t.Errorf("large %d is still there", i)
		}
		c.close()
	}
	for i, c := range append(small, quick) {
		if c.aborted || c.finished {
			t.Errorf("connection %d was closed", i)
		}
	}
	r.settled()
	if n := r.closed(metrics.CloseMemory); n != 2 {
		t.Errorf("%d closes were counted as memory, want 2", n)
	}
	if n := r.drops(metrics.DropMemory); n == 0 {
		t.Error("no drop was counted as memory")
	}
	if n, _ := r.ShedQueues(1); n != 2 {
		t.Errorf("%d were closed for one byte, want one a shard", n)
	}
}

// L7: the guard's second step lets go of histories, too: of what is remembered of channels
// that nobody is in, then of the largest, and no more than it takes. Who comes back is told.
func TestL7ShedHistories(t *testing.T) {
	r := newRig(t, remembers(10, time.Hour))
	for range 10 {
		r.publish(strings.Repeat("x", 1000), "large")
		r.publish("x", "small")
	}
	stays := r.resume("large", Position{})
	for i := range 100 { // each by a client that has left
		r.resume(fmt.Sprint("idle", i), Position{}).close()
	}
	r.settled()
	small, large := r.at("small", 9), r.at("large", 9)
	if freed := r.ShedHistories(1); freed < 100*100 {
		t.Errorf("%d bytes were freed of channels that nobody is in", freed)
	}
	if n, bytes := r.Stats().Channels, r.keptBytes.Load(); n != 2 || bytes != 10_010 {
		t.Errorf("%d channels are left, and %d bytes of histories", n, bytes)
	}
	if freed := r.ShedHistories(5000); freed < 10_000 {
		t.Errorf("%d bytes were freed of the largest", freed)
	}
	if n := r.keptBytes.Load(); n != 10 {
		t.Errorf("%d bytes are left of histories", n)
	}
	r.want(r.resume("large", large), "hello", "gone large 10")
	r.want(r.resume("large", Position{large.Epoch, 10}), "hello")
	r.want(r.resume("small", small), "hello", "x")
	r.publish("live", "large")
	r.want(stays, "hello", "live")
	r.want(r.resume("large", Position{large.Epoch, 10}), "hello", "live")
	if freed := r.ShedHistories(1 << 30); freed == 0 || r.keptBytes.Load() != 0 {
		t.Errorf("%d bytes were freed of all, %d are left", freed, r.keptBytes.Load())
	}
}

// L7: the third step closes who came last, also those it has to look for, and
// says goodbye where the socket has room.
func TestL7ShedNewest(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2 })
	var all []*fakeConn
	for range 20 {
		all = append(all, r.client("a"))
	}
	r.settled()
	if n := r.ShedNewest(6); n != 6 {
		t.Errorf("%d were closed, want 6", n)
	}
	r.settled()
	for i, c := range all {
		if last := i >= 14; c.finished != last || c.aborted != last {
			t.Errorf("connection %d: finished %v, aborted %v", i, c.finished, c.aborted)
		}
	}
	wantMessages(t, "the last", all[19], "close memory")
	for _, sh := range r.shards {
		sh.recent.kept = 0
	}
	if n := r.ShedNewest(100); n != 14 {
		t.Errorf("%d were closed, want the other 14", n)
	}
}

// L7: while memory is short nothing is published, and it is counted.
func TestL7Busy(t *testing.T) {
	r := newRig(t, nil)
	c := r.client("a")
	r.SetBusy(true)
	if _, err := r.Publish([]string{"a"}, Publication{Payload: []byte("x")}); err != ErrBusy {
		t.Errorf("got %v, want ErrBusy", err)
	}
	r.SetBusy(false)
	r.publish("y", "a")
	r.settled()
	wantMessages(t, "client", c, "y")
	if n := r.drops(metrics.DropMemory); n != 1 {
		t.Errorf("%d drops, want 1", n)
	}
}

// L8: whatever comes and goes, nothing is left of it: no connection, channel,
// run, byte or slot beyond the most that were there at once.
func TestL8Churn(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2; o.Settings.WriteQueue = 20 })
	for i := range 5000 {
		c := r.client(fmt.Sprint("room.", i%97), fmt.Sprint("own.", i), "all")
		c.blocked = i%3 == 0
		if i%7 == 0 {
			r.publish("message-message-message", "all")
		}
		if i%2 == 0 {
			r.Unsubscribe(c.sub, "all")
		}
		c.close()
	}
	r.settled()
	if st := r.Stats(); st.Connections != 0 || st.Channels != 0 || st.QueuedBytes != 0 || st.Closing != 0 {
		t.Errorf("left over: %+v", st)
	}
	for _, sh := range r.shards {
		sh.call(func() {
			sh.sweepStalled()
			if len(sh.runs) != 0 || len(sh.stalled) != 0 || sh.inbox.waiting.Load() != 0 || sh.inbox.waitingBytes.Load() != 0 {
				t.Errorf("shard %d: %d runs, %d stalled, %d publications wait", sh.id, len(sh.runs), len(sh.stalled), sh.inbox.waiting.Load())
			}
			if n := len(sh.slots.free); n != int(sh.slots.next) {
				t.Errorf("shard %d: %d of %d slots are free", sh.id, n, sh.slots.next)
			}
		})
	}
}

// L8: a cap on all subscriptions of the node, and a hundred thousand that come and go leave none.
func TestL8Total(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2; o.Settings.Subscriptions = 50 })
	var all []*fakeConn
	for i := range 50 {
		all = append(all, r.client(fmt.Sprint("room.", i)))
	}
	late := r.client()
	if err := join(r, late.sub, "new"); err != ErrSubscriptions {
		t.Errorf("the 51st: %v", err)
	}
	if st := r.Stats(); st.Subscriptions != 50 || st.Channels != 50 {
		t.Errorf("%+v", st)
	}
	all[0].close()
	r.settled()
	if err := join(r, late.sub, "new"); err != nil {
		t.Errorf("when one has left: %v", err)
	}
	for i := range 100_000 / 40 {
		c := r.client()
		for j := range 40 {
			_ = join(r, c.sub, fmt.Sprint("churn.", (i+j)%100))
		}
		c.close()
	}
	for _, c := range append(all[1:], late) {
		c.close()
	}
	r.settled()
	if st := r.Stats(); st.Subscriptions != 0 || st.Channels != 0 {
		t.Errorf("left over: %+v", st)
	}
}
