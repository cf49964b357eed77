package hub

import (
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// nullConn takes everything at once.
type nullConn struct{ bytes int }

func (c *nullConn) Send(p []byte)      { c.bytes += len(p) }
func (c *nullConn) Finish()            {}
func (c *nullConn) Abort()             {}
func (c *nullConn) RemoteAddr() string { return "" }

// still is a shard without its goroutine, with n subscribers of one channel:
// the test takes its turns.
func still(tb testing.TB, n int) (*shard, *channel) {
	tb.Helper()
	o := Options{
		Shards: 1, Inbox: 1 << 20, BatchBytes: 1 << 16, Slice: 1000, Codecs: []Codec{testCodec()},
		Settings: testSettings(), Metrics: metrics.NewSet(1), Log: zerolog.Nop(),
	}
	h := &Hub{log: o.Log, codecs: o.Codecs, stop: make(chan struct{})}
	h.settings.Store(&o.Settings)
	for i := range h.stripes {
		h.stripes[i].channels = map[string]*channel{}
	}
	sh := newShard(h, 0, &o)
	h.shards = []*shard{sh}
	for range n {
		s := new(Subscriber)
		h.Attach(s, &nullConn{}, 0)
		if err := join(h, s, "a"); err != nil {
			tb.Fatal(err)
		}
	}
	turn(sh)
	return sh, h.stripeOf("a").channels["a"]
}

// turn lets a still shard do everything there is to do.
func turn(sh *shard) {
	sh.turn(sh.inbox.take(nil, false))
	for len(sh.dirty) > 0 {
		sh.turn(nil)
	}
}

// What happens between Publish's encoding and the socket allocates nothing,
// however many the subscribers: one message, and a batch of 16.
func TestDeliverAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, batch := range []int{1, 16} {
		sh, ch := still(t, 2500)
		f := NewFrame(frameOf("a message of some length"))
		var items []item
		allocs := testing.AllocsPerRun(50, func() {
			for range batch {
				sh.inbox.waiting.Add(1)
				sh.inbox.put(item{kind: itemPublish, ch: ch, frame: f})
			}
			items = sh.inbox.take(items[:0], false)
			sh.turn(items)
			for len(sh.dirty) > 0 {
				sh.turn(nil)
			}
		})
		if allocs != 0 {
			t.Errorf("a batch of %d to 2500 subscribers: %v allocations", batch, allocs)
		}
		if got := sh.cell.Deliveries.Load(); got < uint64(50*batch*2500) {
			t.Errorf("only %d deliveries", got)
		}
	}
}

// Publish allocates the frame: its header and its bytes, whatever the number of subscribers.
func TestPublishAllocatesTheFrame(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	sh, _ := still(t, 1000)
	h := sh.hub
	payload := make([]byte, 128)
	channels := []string{"a"}
	items := make([]item, 0, 8)
	allocs := testing.AllocsPerRun(50, func() {
		if _, err := h.Publish(channels, Publication{Payload: payload}); err != nil {
			t.Fatal(err)
		}
		items = sh.inbox.take(items[:0], false)
		sh.turn(items)
	})
	if allocs > 2 {
		t.Errorf("%v allocations, want 2", allocs)
	}
}

// BenchmarkDeliver is the hub's own cost per delivery, without a socket.
func BenchmarkDeliver(b *testing.B) {
	const subscribers = 10000
	sh, ch := still(b, subscribers)
	f := NewFrame(frameOf("a message of some length"))
	items := make([]item, 0, 8)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		sh.inbox.waiting.Add(1)
		sh.inbox.put(item{kind: itemPublish, ch: ch, frame: f})
		items = sh.inbox.take(items[:0], false)
		sh.turn(items)
		for len(sh.dirty) > 0 {
			sh.turn(nil)
		}
		n += subscribers
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/delivery")
}
