package hub

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// ErrChannelFull: the channel has its namespace's max_subscribers.
var ErrChannelFull = errors.New("hub: the channel is full")

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
	total int     // subscribers, including those whose leaving is on its way
	count []int32 // of them, by shard and variant: count[shard*variants+variant]
}

var seed = maphash.MakeSeed()

func (h *Hub) stripeOf(name string) *stripe {
	return &h.stripes[maphash.String(seed, name)%numStripes]
}

// Subscribe joins s to a channel, which springs into being if need be. Whatever
// is published after Subscribe has returned reaches s. A second Subscribe to
// the same channel has no effect. The caller has checked that s may, and that
// the name is valid; the hub keeps the string.
func (h *Hub) Subscribe(s *Subscriber, name string) error {
	st := h.stripeOf(name)
	st.mu.Lock()
	ch := st.channels[name]
	if ch == nil {
		ns := h.settings.Load().Namespace(name)
		ch = &channel{name: name, stripe: st, count: make([]int32, len(h.shards)*len(h.codecs))}
		ch.namespace.Store(&ns)
		st.channels[name] = ch
	} else if limit := ch.namespace.Load().MaxSubscribers; limit > 0 && ch.total >= limit {
		st.mu.Unlock()
		return ErrChannelFull
	}
	ch.total++
	ch.count[s.shard.id*len(h.codecs)+int(s.variant)]++
	wake := s.shard.inbox.put(item{kind: itemSubscribe, sub: s, ch: ch})
	st.mu.Unlock()
	if wake {
		s.shard.inbox.signal()
	}
	return nil
}

// Unsubscribe takes s out of a channel. Messages that are on their way to s are
// not delivered any more.
func (h *Hub) Unsubscribe(s *Subscriber, name string) {
	st := h.stripeOf(name)
	st.mu.Lock()
	ch := st.channels[name]
	wake := ch != nil && s.shard.inbox.put(item{kind: itemUnsubscribe, sub: s, ch: ch})
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
	ch.total--
	if ch.total == 0 {
		delete(st.channels, ch.name)
	}
	st.mu.Unlock()
}
