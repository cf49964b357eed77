package hub

import "time"

// patience is how long a subscriber is early. Servers that keep a history elect a leader in
// less, where one was killed.
const patience = 15 * time.Second

// early is the seat of one who was further in the history than this node is: it comes from a
// node that got a publication first, or while the history cannot be read. It has begun, as what
// comes meanwhile is owed to it from the history.
type early struct {
	sub     *Subscriber
	since   Position
	fetches uint32 // the channel's, when it came
	until   time.Time
}

// ahead says that there may be more of ch's history, up to since, than this node has. The stripe is locked.
func (ch *channel) ahead(since Position) bool {
	y := ch.history
	if since.Epoch == "" || ch.remote == nil || y == nil || ch.namespace.Load().History == nil {
		return false
	}
	return y.at.Epoch == "" || since.Epoch == y.at.Epoch && since.Offset > y.at.Offset
}

// await keeps a seat for s until ch's history has come up to since, or has been read, or
// patience ends. The stripe is locked.
func (h *Hub) await(ch *channel, s *Subscriber, since Position) {
	r := ch.remote
	r.early = append(r.early, early{s, since, r.fetches, time.Now().Add(patience)})
	h.arm(ch, patience)
}

// arm has impatient called, unless it is going to be. The stripe is locked.
func (h *Hub) arm(ch *channel, in time.Duration) {
	if !ch.remote.armed {
		ch.remote.armed = true
		time.AfterFunc(in, func() { h.impatient(ch) })
	}
}

// admit seats those who are not ahead any more, and whom over names. The stripe is locked.
func (h *Hub) admit(ch *channel, over func(e *early) bool) (wake uint64) {
	r := ch.remote
	left := r.early[:0]
	for i := range r.early {
		e := r.early[i]
		if ch.ahead(e.since) && !over(&e) {
			left = append(left, e)
			continue
		}
		wake |= h.seat(ch, &joining{sub: e.sub, since: e.since})
	}
	clear(r.early[len(left):])
	if r.early = left; len(left) == 0 {
		r.early = nil
	}
	return wake
}

// impatient ends the wait of those who have waited for long enough.
func (h *Hub) impatient(ch *channel) {
	var wake uint64
	ch.stripe.mu.Lock()
	r := ch.remote
	r.armed = false
	if !h.stopped.Load() {
		now := time.Now()
		wake = h.admit(ch, func(e *early) bool { return !now.Before(e.until) })
		if len(r.early) > 0 {
			h.arm(ch, r.early[0].until.Sub(now))
		}
	}
	ch.stripe.mu.Unlock()
	h.wake(wake)
}
