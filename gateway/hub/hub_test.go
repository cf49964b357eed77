package hub

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// fakeConn is a socket whose kernel buffer a test fills and empties.
type fakeConn struct {
	sub *Subscriber

	mu       sync.Mutex
	got      []byte
	sends    int
	blocked  bool // the kernel takes nothing
	queue    []byte
	closed   bool
	finished bool
	aborted  bool
}

func (c *fakeConn) Send(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		panic("Send after Finish")
	}
	if c.closed {
		return
	}
	c.sends++
	if c.blocked || len(c.queue) > 0 {
		c.sub.Queue(len(p))
		c.queue = append(c.queue, p...)
		return
	}
	c.got = append(c.got, p...)
}

// unblock lets the kernel take everything.
func (c *fakeConn) unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked = false
	c.got = append(c.got, c.queue...)
	n := len(c.queue)
	c.queue = nil
	if n > 0 {
		c.sub.Wrote(n)
	}
}

// close ends the connection: what is queued is lost.
func (c *fakeConn) close() {
	c.mu.Lock()
	c.queue, c.closed = nil, true
	c.mu.Unlock()
	c.sub.Detach()
}

func (c *fakeConn) Finish()            { c.mu.Lock(); c.finished = true; c.mu.Unlock() }
func (c *fakeConn) Abort()             { c.mu.Lock(); c.aborted = true; c.mu.Unlock() }
func (c *fakeConn) isAborted() bool    { c.mu.Lock(); defer c.mu.Unlock(); return c.aborted }
func (c *fakeConn) RemoteAddr() string { return "192.0.2.1:1" }

// messages splits what arrived into the payloads of testCodec's frames.
func (c *fakeConn) messages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for b := c.got; len(b) > 0; {
		n := int(binary.BigEndian.Uint32(b))
		list = append(list, string(b[4:4+n]))
		b = b[4+n:]
	}
	return list
}

func frameOf(payload string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// testCodec puts a length before the payload.
func testCodec() Codec {
	c := Codec{
		Encode: func(dst []byte, _ string, p Publication) []byte {
			dst = binary.BigEndian.AppendUint32(slices.Grow(dst, 4+len(p.Payload)), uint32(len(p.Payload)))
			return append(dst, p.Payload...)
		},
		Ping: frameOf("ping"),
		Once: true,
	}
	for r := range metrics.NumCloseReasons {
		c.Close[r] = [][]byte{frameOf("close " + r.String())}
	}
	return c
}

func testSettings() Settings {
	return Settings{
		WriteQueue:   1 << 16,
		OutboxFrames: 64,
		CloseTimeout: time.Second,
		Namespace:    func(string) Namespace { return Namespace{} },
	}
}

type rig struct {
	*Hub
	t       testing.TB
	metrics *metrics.Set
}

func newRig(t testing.TB, change func(o *Options)) *rig {
	t.Helper()
	o := Options{
		Shards: 1, Inbox: 1 << 16, BatchBytes: 1 << 16, Slice: 1000,
		Codecs: []Codec{testCodec()}, Settings: testSettings(), Log: zerolog.Nop(),
	}
	if change != nil {
		change(&o)
	}
	o.Metrics = metrics.NewSet(o.Shards)
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	return &rig{Hub: h, t: t, metrics: o.Metrics}
}

// client attaches a new connection that joins the channels.
func (r *rig) client(channels ...string) *fakeConn {
	r.t.Helper()
	c := &fakeConn{sub: new(Subscriber)}
	r.Attach(c.sub, c, 0)
	for _, name := range channels {
		if err := join(r, c.sub, name); err != nil {
			r.t.Fatal(err)
		}
	}
	return c
}

func (r *rig) publish(payload string, channels ...string) int {
	r.t.Helper()
	n, err := r.Publish(channels, Publication{Payload: []byte(payload)})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// settled waits until the shards have nothing to do.
func (r *rig) settled() {
	r.t.Helper()
	for range 10_000 { // a busy machine takes its time
		for _, sh := range r.shards {
			sh.call(func() {})
		}
		idle := true
		for _, sh := range r.shards {
			sh.call(func() { idle = idle && len(sh.dirty) == 0 && len(sh.gathered) == 0 })
			sh.inbox.mu.Lock()
			idle = idle && len(sh.inbox.items) == 0
			sh.inbox.mu.Unlock()
		}
		if idle {
			return
		}
		time.Sleep(time.Millisecond)
	}
	r.t.Fatal("the shards do not come to rest")
}

// stall holds all shards until the returned function is called, so that what
// a test posts is found together.
func (r *rig) stall() (release func()) {
	hold := make(chan struct{})
	for _, sh := range r.shards {
		in := make(chan struct{})
		sh.post(item{kind: itemCall, do: func() { close(in); <-hold }})
		<-in
	}
	return func() { close(hold) }
}

func wantMessages(t testing.TB, who string, c *fakeConn, want ...string) {
	t.Helper()
	if got := c.messages(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s got %q, want %q", who, got, want)
	}
}

func (r *rig) drops(reason metrics.DropReason) uint64 {
	var n uint64
	for i := range r.metrics.Shards() {
		n += r.metrics.Cell(i).Drops[reason].Load()
	}
	return n
}

func (r *rig) closed(reason metrics.CloseReason) uint64 {
	var n uint64
	for i := range r.metrics.Shards() {
		n += r.metrics.Cell(i).Closed[reason].Load()
	}
	return n
}

func TestDeliver(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Shards = 3 })
	var clients []*fakeConn
	for range 10 {
		clients = append(clients, r.client("a"))
	}
	other := r.client("b")
	if n := r.publish("hello", "a"); n != 10 {
		t.Errorf("Publish said %d subscribers, want 10", n)
	}
	if n := r.publish("nobody", "empty"); n != 0 {
		t.Errorf("Publish to an empty channel said %d", n)
	}
	r.publish("", "a")
	r.settled()
	for i, c := range clients {
		wantMessages(t, fmt.Sprint("client ", i), c, "hello", "")
	}
	wantMessages(t, "the other channel's", other)
}

// What is found together leaves in one write.
func TestBatchIsOneSend(t *testing.T) {
	r := newRig(t, nil)
	c := r.client("a")
	r.settled()
	release := r.stall()
	var want []string
	for i := range 50 {
		r.publish(fmt.Sprint(i), "a")
		want = append(want, fmt.Sprint(i))
	}
	release()
	r.settled()
	wantMessages(t, "client", c, want...)
	if c.sends != 1 {
		t.Errorf("50 messages took %d sends, want 1", c.sends)
	}
}

func TestBatchIsCut(t *testing.T) {
	r := newRig(t, func(o *Options) { o.BatchBytes = 100 })
	c := r.client("a")
	r.settled()
	release := r.stall()
	for range 3 { // 54 bytes each with the header: one a batch
		r.publish(string(make([]byte, 50)), "a")
	}
	r.publish(string(make([]byte, 500)), "a") // larger than a batch: alone
	release()
	r.settled()
	if got := len(c.messages()); got != 4 || c.sends != 4 {
		t.Errorf("%d messages in %d sends, want 4 in 4", got, c.sends)
	}
}

// A subscriber gets what is published after it joined, also in the middle of a batch.
func TestJoinInTheMiddleOfABatch(t *testing.T) {
	r := newRig(t, nil)
	first := r.client("a")
	r.settled()
	release := r.stall()
	r.publish("1", "a")
	second := r.client("a")
	r.publish("2", "a")
	third := r.client("a")
	r.publish("3", "a")
	last := r.client("a")
	release()
	r.settled()
	wantMessages(t, "first", first, "1", "2", "3")
	wantMessages(t, "second", second, "2", "3")
	wantMessages(t, "third", third, "3")
	wantMessages(t, "last", last)
}

// One that sends and joins several channels at once sees a message once, in one write.
func TestSeveralChannels(t *testing.T) {
	r := newRig(t, nil)
	both := r.client("a", "b")
	onlyB := r.client("b")
	r.settled()
	release := r.stall()
	r.publish("both", "a", "b")
	r.publish("a", "a")
	r.publish("b", "b")
	release()
	r.settled()
	wantMessages(t, "member of both", both, "both", "a", "b")
	wantMessages(t, "member of b", onlyB, "both", "b")
	if both.sends != 1 {
		t.Errorf("frames of two channels took %d sends, want 1", both.sends)
	}
}

// Where frames do not name their channels, a publication on many channels is
// encoded once for all of them; where they do, once for each.
func TestSeveralChannelsAreEncodedOnce(t *testing.T) {
	for _, once := range []bool{true, false} {
		encoded := 0
		r := newRig(t, func(o *Options) {
			encode := o.Codecs[0].Encode
			o.Codecs[0].Once = once
			o.Codecs[0].Encode = func(dst []byte, channel string, p Publication) []byte {
				encoded++
				return encode(dst, channel, p)
			}
		})
		var clients []*fakeConn
		for _, name := range []string{"a", "b", "c"} {
			clients = append(clients, r.client(name), r.client(name))
		}
		both := r.client("a", "b")
		r.publish("x", "a", "b", "c")
		r.publish("y", "c")
		r.settled()
		if want := map[bool]int{true: 2, false: 4}[once]; encoded != want {
			t.Errorf("once %v: encoded %d times, want %d", once, encoded, want)
		}
		for i, c := range clients {
			want := []string{"x"}
			if i >= 4 {
				want = []string{"x", "y"}
			}
			wantMessages(t, "one of them", c, want...)
		}
		want := []string{"x"}
		if !once {
			want = []string{"x", "x"}
		}
		wantMessages(t, "who is in two", both, want...)
	}
}

// A connection that is owed more than its outbox holds, all at once, is not slow.
func TestMoreThanAnOutboxAtOnce(t *testing.T) {
	r := newRig(t, nil) // outboxes of 64
	c := r.client("a", "b")
	r.settled()
	release := r.stall()
	for i := range 500 {
		r.publish(fmt.Sprint(i), "a")
		r.publish(fmt.Sprint(i), "b")
	}
	closing := r.client("a", "b")
	for i := range 500 {
		r.publish(fmt.Sprint(i), "a")
		r.publish(fmt.Sprint(i), "b")
	}
	closing.sub.Close(nil, metrics.CloseDrain)
	release()
	r.settled()
	if n := len(c.messages()); n != 2000 {
		t.Errorf("%d messages, want 2000", n)
	}
	if n := len(closing.messages()); n != 1001 {
		t.Errorf("%d messages, want 1000 and the close frame", n)
	}
}

func TestExceptThePublisher(t *testing.T) {
	r := newRig(t, nil)
	a, b := r.client("c"), r.client("c")
	r.settled()
	release := r.stall()
	for i := range 4 {
		p := Publication{Payload: []byte(fmt.Sprint(i))}
		if i%2 == 0 {
			p.Except = a.sub
		}
		if _, err := r.Publish([]string{"c"}, p); err != nil {
			t.Fatal(err)
		}
	}
	release()
	r.settled()
	wantMessages(t, "a", a, "1", "3")
	wantMessages(t, "b", b, "0", "1", "2", "3")
}

func TestUnsubscribeAndDetach(t *testing.T) {
	r := newRig(t, nil)
	a, b := r.client("c", "d"), r.client("c")
	r.publish("1", "c")
	r.settled()
	r.Unsubscribe(a.sub, "c")
	r.Unsubscribe(a.sub, "c") // twice: no effect
	r.Unsubscribe(a.sub, "unknown")
	r.settled()
	if n := r.publish("2", "c"); n != 1 {
		t.Errorf("after one left, Publish said %d", n)
	}
	r.settled()
	b.sub.Detach()
	b.sub.Detach()
	r.settled()
	if n := r.publish("3", "c"); n != 0 {
		t.Errorf("after all left, Publish said %d", n)
	}
	r.publish("4", "d")
	r.settled()
	wantMessages(t, "a", a, "1", "4")
	wantMessages(t, "b", b, "1", "2")
	a.sub.Detach()
	r.settled()
	if st := r.Stats(); st.Channels != 0 || st.Connections != 0 || st.InboxDepth[0] != 0 || st.QueuedBytes != 0 {
		t.Errorf("something is left: %+v", st)
	}
	if err := join(r, a.sub, "c"); err != nil { // too late: must not count
		t.Fatal(err)
	}
	r.settled()
	if st := r.Stats(); st.Channels != 0 {
		t.Errorf("a subscription after the end counts: %+v", st)
	}
}

func TestSubscribeTwiceCountsOnce(t *testing.T) {
	r := newRig(t, nil)
	c := r.client("a", "a")
	r.settled()
	if n := r.publish("x", "a"); n != 1 {
		t.Errorf("%d subscribers, want 1", n)
	}
	r.settled()
	wantMessages(t, "client", c, "x")
}

func TestMaxSubscribers(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Settings.Namespace = func(string) Namespace { return Namespace{MaxSubscribers: 2} }
	})
	r.client("a")
	r.client("a")
	c := r.client()
	if err := join(r, c.sub, "a"); err != ErrChannelFull {
		t.Errorf("the third got %v, want ErrChannelFull", err)
	}
	if err := join(r, c.sub, "b"); err != nil {
		t.Error(err)
	}
}

func TestInboxFull(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Inbox = 10 })
	c := r.client("a")
	r.settled()
	release := r.stall()
	for range 10 {
		r.publish("x", "a")
	}
	if _, err := r.Publish([]string{"a"}, Publication{Payload: []byte("y")}); err != ErrBusy {
		t.Errorf("the eleventh got %v, want ErrBusy", err)
	}
	release()
	r.settled()
	if n := len(c.messages()); n != 10 {
		t.Errorf("%d delivered, want 10", n)
	}
	if r.drops(metrics.DropInboxFull) != 1 {
		t.Error("the refusal was not counted")
	}
	r.publish("z", "a") // there is room again
}

// T17: a panic on a shard ends the connection that it came in, and no other.
func TestShardPanicCostsOneConnection(t *testing.T) {
	r := newRig(t, nil)
	good, bad := r.client("a"), r.client("a")
	r.settled()
	bad.mu.Lock()
	bad.finished = true // its Send panics
	bad.mu.Unlock()
	r.publish("1", "a")
	r.publish("2", "a")
	r.settled()
	if !bad.aborted || good.aborted {
		t.Errorf("aborted: bad %v, good %v", bad.aborted, good.aborted)
	}
	bad.sub.Detach()
	r.settled()
	r.publish("3", "a")
	r.settled()
	if got := good.messages(); len(got) != 3 {
		t.Errorf("the good one got %q", got)
	}
	if r.metrics.Cell(0).Panics.Load() == 0 {
		t.Error("the panic was not counted")
	}
}

// What is published once a held connection has subscribed comes behind the
// bytes that open the conversation, however late these are, and so does a goodbye.
func TestHeldUntilBegin(t *testing.T) {
	r := newRig(t, nil)
	held := func() *fakeConn {
		c := &fakeConn{sub: new(Subscriber)}
		c.sub.Hold()
		r.Attach(c.sub, c, 0)
		if err := join(r, c.sub, "a"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	stays, leaves, lost := held(), held(), held()
	r.publish("1", "a")
	r.publish("2", "a")
	leaves.sub.Reply(frameOf("pong"))
	leaves.sub.Close(nil, metrics.CloseDrain)
	r.settled()
	lost.sub.Detach()
	for _, c := range []*fakeConn{stays, leaves, lost} {
		wantMessages(t, "who is held", c)
		c.sub.Begin(frameOf("welcome"))
	}
	r.settled()
	r.publish("3", "a")
	r.settled()
	wantMessages(t, "who stays", stays, "welcome", "1", "2", "3")
	wantMessages(t, "who leaves", leaves, "welcome", "1", "2", "pong", "close drain")
	wantMessages(t, "who was lost", lost)
	if !leaves.finished {
		t.Error("not finished")
	}
}
