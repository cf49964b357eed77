package hub

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/metrics"
)

// policy makes a rig whose outboxes hold 4 frames, behind a queue of 20 bytes.
func policy(t *testing.T, p SlowConsumer) *rig {
	return newRig(t, func(o *Options) {
		o.Settings.WriteQueue = 20
		o.Settings.OutboxFrames = 4
		o.Settings.Namespace = func(string) Namespace { return Namespace{SlowConsumer: p} }
	})
}

// overrun publishes n numbered messages, one at a time, with the client's socket blocked.
func overrun(r *rig, c *fakeConn, n int) {
	c.blocked = true
	for i := range n {
		r.publish(fmt.Sprintf("message-%02d", i), "a") // 14 bytes with the header
		r.settled()
	}
}

// L5: who comes back to a large history and reads nothing has no more of it copied for its
// socket than of other messages; when it reads, it gets all, in order, and then what is live.
func TestL5Replay(t *testing.T) {
	const messages, size = 200, 10 << 10
	r := newRig(t, func(o *Options) {
		remembers(messages, time.Hour)(o)
		o.Settings.OutboxBytes, o.Settings.OutboxAge = 100<<10, time.Second
	})
	var want []string
	text := func(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat("x", size)) }
	for i := range messages {
		want = append(want, text(i))
		r.publish(text(i), "a")
	}
	c := &fakeConn{sub: new(Subscriber), blocked: true}
	c.sub.Hold()
	r.Attach(c.sub, c, 0)
	if err := r.Subscribe(c.sub, []Join{{"a", r.at("a", 0)}}, []byte{}); err != nil {
		t.Fatal(err)
	}
	r.settled()
	if n, most := c.sub.Queued(), 1<<16+replayPiece+size; n > most {
		t.Errorf("%d bytes were copied, want %d at most", n, most)
	}
	quick := r.resume("a", r.at("a", 0))
	r.publish(text(messages), "a")
	want = append(want, text(messages))
	r.want(quick, append([]string{"hello"}, want...)...)
	for range messages { // it reads piece by piece
		c.unblock()
		c.mu.Lock()
		c.blocked = true
		c.mu.Unlock()
		r.settled()
	}
	r.want(c, want...)
	if n := r.Stats().QueuedBytes; n != 0 {
		t.Errorf("%d bytes are said to wait", n)
	}
}

func TestSlowDropOldest(t *testing.T) {
	r := policy(t, SlowDropOldest)
	c, fast := r.client("a"), r.client("a")
	overrun(r, c, 10)
	if st := r.Stats(); st.QueuedBytes != 14+4*14 {
		t.Errorf("%d bytes wait, want one in the queue and 4 in the outbox", st.QueuedBytes)
	}
	c.unblock()
	r.settled()
	wantMessages(t, "slow", c, "message-00", "message-06", "message-07", "message-08", "message-09")
	if n := r.drops(metrics.DropOldest); n != 5 {
		t.Errorf("%d drops counted, want 5", n)
	}
	if len(fast.messages()) != 10 {
		t.Error("the fast one lost messages")
	}
	if st := r.Stats(); st.QueuedBytes != 0 {
		t.Errorf("%d bytes still count as waiting", st.QueuedBytes)
	}
}

// L5: under latest it keeps one of each channel.
func TestSlowLatest(t *testing.T) {
	r := policy(t, SlowLatest)
	c := r.client("a")
	overrun(r, c, 10)
	c.unblock()
	r.settled()
	wantMessages(t, "slow", c, "message-00", "message-09")
	if n := r.drops(metrics.DropLatest); n != 8 {
		t.Errorf("%d drops counted, want 8", n)
	}
}

// L5: under disconnect a client for whom more waits than an outbox holds is closed.
func TestSlowDisconnect(t *testing.T) {
	r := policy(t, SlowDisconnect)
	c, fast := r.client("a"), r.client("a")
	overrun(r, c, 10)
	c.unblock()
	r.settled()
	wantMessages(t, "slow", c, "message-00", "close slow")
	if !c.finished {
		t.Error("not finished")
	}
	c.sub.Detach()
	r.settled()
	if n := r.closed(metrics.CloseSlow); n != 1 {
		t.Errorf("%d closes counted", n)
	}
	if n := r.drops(metrics.DropSlowDisconnect); n != 4 {
		t.Errorf("%d drops counted, want 4", n)
	}
	if len(fast.messages()) != 10 {
		t.Error("the fast one lost messages")
	}
}

// A queue that empties in time loses nothing, whatever the policy.
func TestSlowButInTime(t *testing.T) {
	for _, p := range []SlowConsumer{SlowDisconnect, SlowDropOldest} {
		r := policy(t, p)
		c := r.client("a")
		var want []string
		for round := range 5 {
			c.blocked = true
			for i := range 5 {
				text := fmt.Sprintf("message-%d%d", round, i)
				r.publish(text, "a")
				want = append(want, text)
				r.settled()
			}
			c.unblock()
			r.settled()
		}
		wantMessages(t, "client", c, want...)
	}
}

// L5: above each client's bounds stands the node's.
func TestNodeQueueBudget(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Settings.WriteQueue = 20
		o.Settings.NodeQueueBytes = 100
		o.Settings.OutboxFrames = 1000
		o.Settings.Namespace = func(string) Namespace { return Namespace{SlowConsumer: SlowDropOldest} }
	})
	a, b := r.client("a"), r.client("a")
	a.blocked, b.blocked = true, true
	for i := range 20 {
		r.publish(fmt.Sprintf("message-%02d", i), "a")
		r.settled()
	}
	if st := r.Stats(); st.QueuedBytes > 100+2*14 {
		t.Errorf("%d bytes wait, the budget is 100", st.QueuedBytes)
	}
	if r.drops(metrics.DropNodeQueue) == 0 {
		t.Error("no drop was counted")
	}
}

// W5: a client that pings and does not read is owed one pong at most, the newest.
func TestRepliesDoNotPileUp(t *testing.T) {
	r := policy(t, SlowDisconnect)
	c := r.client("a")
	r.settled()
	c.blocked = true
	r.publish("x", "a")
	r.settled()
	for i := range 100 {
		c.sub.Reply(frameOf(fmt.Sprint("pong ", i)))
		r.settled()
	}
	if n := c.sub.Queued(); n != len(frameOf("x")) {
		t.Errorf("%d bytes wait for the socket", n)
	}
	c.unblock()
	r.settled()
	wantMessages(t, "client", c, "x", "pong 99")

	// The first finds the socket's queue empty, as it is nobody's who pings and reads.
	c.blocked = true
	for i := range 100 {
		c.sub.Reply(frameOf(fmt.Sprint("pong ", i)))
		r.settled()
	}
	r.publish("y", "a") // and one pong does not wait for long behind messages
	r.settled()
	c.unblock()
	r.settled()
	wantMessages(t, "client", c, "x", "pong 99", "pong 0", "pong 99", "y")
}

// W5: a client that pings as fast as it may, 40 times at once, has each ping
// answered, also by a shard that is busy meanwhile; a flood cannot fill its inbox.
func TestRepliesOfABusyShard(t *testing.T) {
	for pings, want := range map[int]int{40: 40, 10_000: maxReplies} {
		r := policy(t, SlowDisconnect)
		c := r.client("a")
		r.settled()
		release := r.stall()
		for range pings {
			c.sub.Reply(frameOf("pong"))
		}
		release()
		r.settled()
		if got := len(c.messages()); got != want {
			t.Errorf("%d pings got %d pongs, want %d", pings, got, want)
		}
	}
}

// A close frame comes after everything that was published before it, also when
// the batch is on its way or waits in an outbox.
func TestCloseComesLast(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Slice = 1; o.Settings.WriteQueue = 20 })
	var clients []*fakeConn
	for range 5 {
		clients = append(clients, r.client("a", "b"))
	}
	clients[4].blocked = true
	r.settled()
	release := r.stall()
	r.publish("message-a1", "a")
	r.publish("message-b1", "b")
	r.publish("message-a2", "a")
	for _, c := range clients[1:] {
		c.sub.Close(nil, metrics.CloseDrain)
	}
	r.publish("message-a3", "a")
	release()
	r.settled()
	clients[4].unblock()
	r.settled()
	for i, c := range clients[1:] {
		wantMessages(t, fmt.Sprint("client ", i+1), c, "message-a1", "message-a2", "message-b1", "close drain")
		if !c.finished {
			t.Errorf("client %d is not finished", i+1)
		}
	}
	if got := len(clients[0].messages()); got != 4 {
		t.Errorf("the one that stays got %d messages, want 4", got)
	}
}

// The shards close as many as is their part of all; who is closing already does not count.
func TestRelease(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2 })
	var clients []*fakeConn
	for range 100 {
		clients = append(clients, r.client("a"))
	}
	r.publish("last words", "a")
	closed := func() (n int) {
		for _, c := range clients {
			c.mu.Lock()
			if c.finished {
				n++
			}
			c.mu.Unlock()
		}
		return n
	}
	if n := r.Release(30, metrics.CloseDrain); n != 30 || r.Open() != 70 {
		t.Errorf("%d told, %d open", n, r.Open())
	}
	r.settled()
	if n := closed(); n != 30 {
		t.Errorf("%d closed, want 30", n)
	}
	if n := r.Release(1000, metrics.CloseRebalance); n != 70 || r.Open() != 0 || r.Release(1, metrics.CloseDrain) != 0 {
		t.Errorf("%d told, %d open", n, r.Open())
	}
	r.settled()
	reasons := map[string]int{}
	for i, c := range clients {
		m := c.messages()
		if len(m) != 2 || m[0] != "last words" {
			t.Fatalf("client %d got %q", i, m)
		}
		reasons[m[1]]++
	}
	if diff := cmp.Diff(map[string]int{"close drain": 30, "close rebalance": 70}, reasons); diff != "" {
		t.Error(diff)
	}
}

// W9: a peer that is gone without a word, as behind a cable that was cut, is pinged
// every 25 s or somewhat later, so that no proxy takes it for idle, and is gone 65 s
// after it was heard last; one that sends something is not even pinged.
func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) {
			o.Settings.PingInterval = 25 * time.Second
			o.Settings.Timeout = 60 * time.Second
		})
		silent, alive := r.client("a"), r.client("a")
		for second := range 80 {
			time.Sleep(time.Second)
			synctest.Wait()
			alive.sub.Touch()
			if cut := silent.isAborted(); cut && second+1 < 60 || !cut && second+1 >= 65 {
				t.Fatalf("after %d s of silence, cut: %v", second+1, cut)
			}
		}
		if alive.aborted || len(alive.messages()) != 0 {
			t.Errorf("the one that is alive: aborted %v, got %q", alive.aborted, alive.messages())
		}
		wantMessages(t, "the silent one", silent, "ping", "ping", "close idle")
		if !silent.aborted {
			t.Error("the silent one is still there")
		}
		r.Stop()
	})
}

func TestDisconnectByID(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 2 })
	c := r.client("a", "b")
	r.settled()
	list := r.Connections(10)
	if len(list) != 1 || len(list[0].Channels) != 2 || list[0].Conn.RemoteAddr() != "192.0.2.1:1" {
		t.Fatalf("Connections: %+v", list)
	}
	id, err := ParseID(list[0].ID.String())
	if err != nil || id != list[0].ID {
		t.Fatalf("ParseID: %v, %v", id, err)
	}
	if !r.Disconnect(id, frameOf("bye")) || r.Disconnect(id, frameOf("bye")) {
		t.Error("Disconnect must find it once")
	}
	wantMessages(t, "client", c, "bye")
	c.sub.Detach()
	r.settled()
	next := r.client() // reuses the slot on its shard sooner or later
	next2 := r.client()
	r.settled()
	if r.Disconnect(id, nil) || next.finished || next2.finished {
		t.Error("an old id named a new connection")
	}
	if r.Disconnect(ID(1<<63), nil) {
		t.Error("an impossible id was found")
	}
}
