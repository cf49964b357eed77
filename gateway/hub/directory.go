package hub

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Subscribe.
var (
	// ErrChannelFull: the channel has its namespace's max_subscribers.
	ErrChannelFull = errors.New("hub: the channel is full")
	// ErrSubscriptions: the node has Settings.Subscriptions.
	ErrSubscriptions = errors.New("hub: the node has as many subscriptions as it may have")
)

// numStripes is how many locks the directory has. Publications of channels in
// different stripes never wait for each other.
const numStripes = 64

// stripe is a part of the channel directory. Its lock is what gives a channel
// its order: publications are posted to all shards while it is held, so every
// shard sees a channel's publications in the same order.
//
// Lock order: stripe.mu, then inbox.mu.
type stripe struct {
	// Guarded by mu.
	mu       sync.Mutex
	channels map[string]*channel

	_ [40]byte // keeps neighbours' locks out of this cache line
}

// channel is a name with at least one subscriber on this node.
type channel struct {
	// Static.
	name   string
	stripe *stripe

	namespace atomic.Pointer[Namespace]

	// Guarded by stripe.mu.
	total   int       // subscribers, including those whose joining or leaving is on its way
	count   []int32   // of them, by shard and variant: count[shard*variants+variant]
	history *history  // nil: none is kept
	remote  *remote   // nil: the channel is this node's alone
	used    time.Time // when a channel without subscribers got its last publication, or lost its last subscriber
}

var seed = maphash.MakeSeed()

func (h *Hub) stripeOf(name string) *stripe {
	return &h.stripes[maphash.String(seed, name)%numStripes]
}

// channelIn returns the channel of that name, which springs into being if need be. The stripe is locked.
func (h *Hub) channelIn(st *stripe, name string) *channel {
	ch := st.channels[name]
	if ch != nil {
		return ch
	}
	ns := h.settings.Load().Namespace(name)
	ch = &channel{name: name, stripe: st, count: make([]int32, len(h.shards)*len(h.codecs))}
	ch.namespace.Store(&ns)
	if ns.History != nil {
		ch.history = &history{}
	}
	if h.wants(name) {
		ch.remote = &remote{whole: h.breaks.Load()}
		h.broker.Want(name, ns.History, true)
	} else if ch.history != nil {
		h.restart(ch.history, Position{Epoch: h.newEpoch()}, 0)
		ch.used = time.Now()
	}
	st.channels[name] = ch
	return ch
}

// Unsubscribe takes s out of a channel. Messages that are on their way to s are
// not delivered any more.
func (h *Hub) Unsubscribe(s *Subscriber, name string) {
	st := h.stripeOf(name)
	st.mu.Lock()
	ch := st.channels[name]
	wake := ch != nil && !ch.unseat(s) && s.shard.inbox.put(item{kind: itemUnsubscribe, sub: s, ch: ch})
	st.mu.Unlock()
	if wake {
		s.shard.inbox.signal()
	}
}

// left counts s out of ch, and forgets the channel when it was the last.
func (h *Hub) left(s *Subscriber, ch *channel) {
	st := ch.stripe
	st.mu.Lock()
	ch.count[s.shard.id*len(h.codecs)+int(s.variant)]--
	h.release(ch)
	st.mu.Unlock()
}

// release counts one out of ch. The stripe is locked.
func (h *Hub) release(ch *channel) {
	ch.total--
	h.seats.Add(-1)
	h.unused(ch)
}

// unused forgets ch if it has no subscribers. The stripe is locked.
func (h *Hub) unused(ch *channel) {
	switch {
	case ch.total > 0:
	case ch.remote != nil:
		h.forget(ch)
		h.broker.Want(ch.name, ch.namespace.Load().History, false)
	case ch.history != nil:
		ch.used = time.Now() // a sweep forgets it, when its history is over
	default:
		h.forget(ch)
	}
}

// forget takes ch out of the directory. The stripe is locked.
func (h *Hub) forget(ch *channel) {
	if ch.history != nil {
		h.keptBytes.Add(-int64(ch.history.bytes))
	}
	delete(ch.stripe.channels, ch.name)
}
