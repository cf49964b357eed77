package hub

import (
	"slices"
	"sync/atomic"
	"time"
)

// Join is one channel that a subscriber joins.
type Join struct {
	Channel string
	// Since is the position after which the subscriber wants what it missed;
	// the zero Position: it wants what comes.
	Since Position
}

// opening is a subscriber that waits until all its channels are ready.
type opening struct {
	left  atomic.Int32 // channels, and one for Subscribe itself
	first []byte
}

// joining is a seat that is kept until a channel is ready.
type joining struct {
	sub   *Subscriber
	since Position
	of    *opening
}

// Subscribe joins s to channels, which spring into being if need be, and then
// lets it begin with first, as Begin does. By then s is subscribed: what is
// published once it has seen first reaches it, from anywhere in the fleet. Nil
// first: it has begun, or is told to by other means.
//
// What s missed since a position comes before what is published from now on, and
// where it is not there any more, the codec's Gap says so.
//
// A second Subscribe to the same channel has no effect. The caller has checked
// that s may, and that the names are valid; the hub keeps the strings. When it
// returns an error, s has joined those before the one that is full.
func (h *Hub) Subscribe(s *Subscriber, channels []Join, first []byte) error {
	var err error
	var wake uint64
	var of *opening
	for i := range channels {
		j := &channels[i]
		st := h.stripeOf(j.Channel)
		st.mu.Lock()
		ch := h.channelIn(st, j.Channel)
		if limit := ch.namespace.Load().MaxSubscribers; limit > 0 && ch.total >= limit {
			st.mu.Unlock()
			err = ErrChannelFull
			break
		}
		if limit := h.settings.Load().Subscriptions; limit > 0 && h.seats.Load() >= int64(limit) {
			h.unused(ch)
			st.mu.Unlock()
			err = ErrSubscriptions
			break
		}
		ch.total++
		h.seats.Add(1)
		switch {
		case ch.remote != nil && !ch.remote.ready:
			if of == nil {
				of = &opening{first: first}
				of.left.Store(1)
			}
			of.left.Add(1)
			ch.remote.waiting = append(ch.remote.waiting, joining{s, j.Since, of})
		case ch.ahead(j.Since):
			if len(ch.remote.early) == 0 {
				h.broker.Fetch(j.Channel, ch.namespace.Load().History, ch.history.at, true)
			}
			h.await(ch, s, j.Since)
		default:
			wake |= h.seat(ch, &joining{sub: s, since: j.Since})
		}
		st.mu.Unlock()
	}
	h.wake(wake)
	switch {
	case of == nil:
		s.begin(first)
	case err != nil: // it is about to be told: do not wait
		if of.left.Swap(-1<<30) > 0 {
			s.begin(first)
		}
	case of.left.Add(-1) == 0:
		s.begin(first)
	}
	return err
}

func (s *Subscriber) begin(first []byte) {
	if first != nil {
		s.Begin(first)
	}
}

// seat posts a join, with what is owed from the history. The stripe is locked.
func (h *Hub) seat(ch *channel, j *joining) (wake uint64) {
	s := j.sub
	var owed *Frame
	if limits := ch.namespace.Load().History; ch.history != nil && limits != nil {
		h.expire(ch, limits, time.Now())
		owed = h.owed(ch, s.variant, j.since)
	} else if j.since.Epoch != "" { // nothing is kept, and so much may be missing
		owed = h.gone(ch, s.variant, Position{})
	}
	ch.count[s.shard.id*len(h.codecs)+int(s.variant)]++
	if s.shard.inbox.put(item{kind: itemSubscribe, sub: s, ch: ch, frame: owed}) {
		wake = 1 << s.shard.id
	}
	j.begin()
	return wake
}

// begin lets the subscriber begin, if this was the last channel that it waited for.
func (j *joining) begin() {
	if j.of != nil && j.of.left.Add(-1) == 0 {
		j.sub.begin(j.of.first)
	}
}

// owed is what comes before the live publications; nil: nothing. The stripe is locked.
func (h *Hub) owed(ch *channel, v Variant, since Position) *Frame {
	codec := &h.codecs[v]
	y := ch.history
	if since.Epoch != "" {
		missed, ok := y.replay(since, v, codec, ch.name)
		if ok && missed != nil {
			return missed
		}
		if !ok && codec.Gone != nil {
			return h.gone(ch, v, y.at)
		}
	}
	if codec.Joined != nil {
		return NewFrame(codec.Joined(nil, ch.name, y.at))
	}
	return nil
}

// gone tells a subscriber that what it asked for is not to be had; nil: not with this codec.
func (h *Hub) gone(ch *channel, v Variant, at Position) *Frame {
	codec := &h.codecs[v]
	if codec.Gone == nil {
		return nil
	}
	h.shards[0].cell.Gaps.Add(1)
	return NewFrame(codec.Gone(nil, ch.name, at))
}

// unseat takes a subscriber out of those who wait for the channel. The stripe is locked.
func (ch *channel) unseat(s *Subscriber) bool {
	if ch.remote == nil {
		return false
	}
	r := ch.remote
	if i := slices.IndexFunc(r.waiting, func(j joining) bool { return j.sub == s }); i >= 0 {
		j := r.waiting[i]
		r.waiting = slices.Delete(r.waiting, i, i+1)
		s.shard.hub.release(ch)
		j.begin()
		return true
	}
	if i := slices.IndexFunc(r.early, func(e early) bool { return e.sub == s }); i >= 0 {
		r.early = slices.Delete(r.early, i, i+1)
		s.shard.hub.release(ch)
		return true
	}
	return false
}
