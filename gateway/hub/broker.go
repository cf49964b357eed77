package hub

import (
	"errors"
	"math/bits"
	"time"

	"sluice/gateway/metrics"
)

// Broker carries publications to the other nodes and back, and keeps what the
// fleet has of histories. A hub without one is a node alone. None of its methods
// blocks; Want and Fetch are called under a lock and only take note.
type Broker interface {
	// Publish sends p to the other nodes, once for each channel; the hub delivers
	// it here. done may be nil; else it is called once, with the outcome, unless
	// Publish returns an error, and then nothing was sent. An outcome of ErrDown:
	// nothing was published; of any other error: that is not known. Not sent, and no
	// error: the link is down, and p is for this node's subscribers alone.
	Publish(channels []string, p *Publication, done func(Receipt, error)) (sent bool, err error)
	// Append stores p in the channel's history and sends it to all nodes, this one
	// included, where it comes in as Deliver. done is as for Publish.
	Append(channel string, limits *History, p *Publication, done func(Receipt, error)) error
	// Want says that this node has subscribers of the channel now, or none any
	// more. Caught answers each true within a few seconds, whatever happens.
	Want(channel string, limits *History, wanted bool)
	// Fetch asks for what came after a position; Caught answers, or with later set,
	// Doubt does in a while.
	Fetch(channel string, limits *History, after Position, later bool)
}

// Receipt is what a publisher is told.
type Receipt struct {
	// Subscribers the publication reached on this node.
	Subscribers int
	// Nodes that are subscribed, this one included if it is; -1: not known.
	Nodes int
	// Position in the channel's history, if it has one and the publication went to one channel.
	Position Position
}

// Delivery is a publication that the broker brought. The hub keeps its Payload. One that was appended
// has a Position, without an Epoch where that cannot be had now: then it is read from the history.
type Delivery struct {
	Publication
	// Prev is the offset of the channel's publication before it; 0: none is kept any more.
	Prev uint64
	// At is when it was appended.
	At time.Time
	// Also are all channels that it was published on, if more than one.
	Also []string
	// Sender gets no copy: a connection of this node; 0: there is none.
	Sender ID
}

// remote is what a channel needs in a fleet. It is guarded by the stripe's lock.
type remote struct {
	ready    bool   // the broker has answered Want: those who join are served at once
	fetching bool   // Fetch was called, and Caught has yet to come
	again    bool   // something may have come behind what is fetched, and is not held
	lossy    bool   // something was lost since the last delivery
	suspect  bool   // Suspect was called, and Doubt has yet to come
	whole    uint64 // the hub's breaks when it was subscribed to last; 0: it is not, for all that is known
	whence   uint64 // the hub's breaks when Suspect was called
	fetches  uint32 // how many times
	held     []arrival
	waiting  []joining
	early    []early
	armed    bool // impatient is going to be called
}

// maxHeld bounds what is held back of one channel while its history is fetched.
// What comes beyond is dropped, and fetched again.
const maxHeld = 1024

// arrival is a delivery on its way to the channel's subscribers.
type arrival struct {
	Delivery
	all *several // the channels that it was published on; nil: this one
}

// Deliver hands on what the broker brought, in the channel's order.
func (h *Hub) Deliver(name string, d Delivery) {
	a := arrival{Delivery: d}
	if len(d.Also) > 1 {
		a.all = &several{channels: h.find(d.Also)}
	}
	st := h.stripeOf(name)
	var wake uint64
	st.mu.Lock()
	if ch := st.channels[name]; ch != nil && ch.remote != nil {
		wake = h.arrive(ch, &a)
	}
	st.mu.Unlock()
	h.wake(wake)
}

// arrive decides about one delivery. The stripe is locked.
func (h *Hub) arrive(ch *channel, a *arrival) (wake uint64) {
	r, y, limits := ch.remote, ch.history, ch.namespace.Load().History
	if y == nil || limits == nil || a.Position == (Position{}) {
		if h.full() {
			r.lossy = true
			return 0
		}
		if r.lossy {
			r.lossy = false
			wake = h.gap(ch)
		}
		if len(r.early) > 0 { // it is in no history from which they would get it
			wake |= h.admit(ch, func(*early) bool { return true })
		}
		_, w := h.post(ch, a.all, &a.Publication, a.Sender, h.nanos())
		return wake | w
	}
	switch {
	case r.fetching || !r.ready:
		if len(r.held) < maxHeld && a.Position.Epoch != "" {
			r.held = append(r.held, *a)
		} else {
			r.again = true
		}
		return 0
	case a.Position.Epoch == "":
		h.fetch(ch, limits)
		return 0
	case a.Position.Epoch == y.at.Epoch && a.Position.Offset <= y.at.Offset:
		return 0 // it has been fetched already
	case y.lacks(a) || h.full():
		r.held = append(r.held, *a)
		h.fetch(ch, limits)
		return 0
	}
	h.keep(ch, Kept{Position: a.Position, Payload: a.Payload, Binary: a.Binary, At: a.At}, limits)
	_, wake = h.post(ch, a.all, &a.Publication, a.Sender, h.nanos())
	if len(r.early) > 0 {
		wake |= h.admit(ch, func(*early) bool { return false })
	}
	return wake
}

// fetch asks for what came after what is here. The stripe is locked.
func (h *Hub) fetch(ch *channel, limits *History) {
	ch.remote.fetching = true
	ch.remote.fetches++
	h.broker.Fetch(ch.name, limits, ch.history.at, false)
}

// lacks says that a is of another epoch, or that something before it has not come.
func (y *history) lacks(a *arrival) bool {
	return a.Position.Epoch != y.at.Epoch || a.Position.Offset > y.at.Offset && a.Prev != 0 && a.Prev != y.at.Offset
}

// full says that a shard has no room for another publication, and counts it.
func (h *Hub) full() bool {
	for _, sh := range h.shards {
		if sh.full() {
			sh.cell.Drops[metrics.DropInboxFull].Add(1)
			return true
		}
	}
	return false
}

// Caught is the broker's answer to Want and Fetch: the channel's publications
// flow now, and past is what its history holds after the position that was
// asked for. err: it cannot be had at the moment, because the link is down
// (ErrDown) or for another reason; when it can, Doubt or Caught says so.
func (h *Hub) Caught(name string, past Past, err error) {
	st := h.stripeOf(name)
	var wake uint64
	st.mu.Lock()
	if ch := st.channels[name]; ch != nil && ch.remote != nil {
		wake = h.caught(ch, past, err)
	}
	st.mu.Unlock()
	h.wake(wake)
}

func (h *Hub) caught(ch *channel, past Past, err error) (wake uint64) {
	r, y, limits := ch.remote, ch.history, ch.namespace.Load().History
	if r.ready && y != nil && limits != nil && err == nil && h.full() {
		r.held = nil
		r.fetching, r.again = false, false
		h.broker.Fetch(ch.name, limits, y.at, true) // when there is room
		return 0
	}
	held, again := r.held, r.again && err == nil // else the broker asks by itself
	fetches := r.fetches
	r.held, r.fetching, r.again = nil, false, false
	var was Position
	if y != nil {
		was = y.at
	}
	if y != nil && limits != nil && err == nil {
		switch {
		case y.at.Epoch == "": // what came before is nobody's who is here
			h.restart(y, past.Top, past.Floor)
			for _, k := range past.Kept {
				if k.Missing { // whoever comes back from before it is told
					h.restart(y, k.Position, k.Offset)
					continue
				}
				h.keep(ch, k, limits)
			}
			y.at = past.Top
			if r.ready {
				wake |= h.gap(ch) // but they have been let in without
			}
		case past.Complete && y.at.In(past.Top.Epoch, past.Before).Epoch == past.Top.Epoch:
			wake |= h.deliverKept(ch, past, limits)
		default:
			h.restart(y, Position{past.Top.Epoch, past.Floor}, past.Floor)
			wake |= h.gap(ch)
			wake |= h.deliverKept(ch, past, limits)
		}
		y.before = past.Before
	}
	r.ready = true
	if errors.Is(err, ErrDown) {
		r.whole = 0 // they are let in before it is subscribed to
	}
	// Nothing was learned: what is still lacking is not there, and asking at once would be the same again.
	vain, later := y != nil && limits != nil && y.at == was, false
	for i := range held {
		if vain && y.lacks(&held[i]) {
			later = err == nil // else the broker asks by itself
			continue
		}
		wake |= h.arrive(ch, &held[i])
	}
	waiting := r.waiting
	r.waiting = nil
	for i := range waiting {
		j := &waiting[i]
		if err != nil && ch.ahead(j.since) {
			h.await(ch, j.sub, j.since)
			j.begin()
			continue
		}
		wake |= h.seat(ch, j)
	}
	if len(r.early) > 0 {
		wake |= h.admit(ch, func(e *early) bool { return err == nil && e.fetches < fetches })
	}
	switch {
	case r.fetching || y == nil || limits == nil: // what held has asked for is all that there is
	case again:
		h.fetch(ch, limits)
	case later, err == nil && len(r.early) > 0:
		h.broker.Fetch(ch.name, limits, y.at, true)
	}
	return wake
}

// deliverKept delivers what was missed, and tells of what is missing among it.
func (h *Hub) deliverKept(ch *channel, past Past, limits *History) (wake uint64) {
	y := ch.history
	if y.at.Epoch != past.Top.Epoch {
		y.at.Epoch, y.replays = past.Top.Epoch, [2]replay{} // which have its name in them
	}
	for _, k := range past.Kept {
		if k.Offset <= y.at.Offset {
			continue
		}
		if k.Missing {
			h.restart(y, k.Position, k.Offset)
			wake |= h.gap(ch)
			continue
		}
		h.keep(ch, k, limits)
		_, w := h.post(ch, nil, &Publication{Payload: k.Payload, Binary: k.Binary, Position: k.Position}, 0, h.nanos())
		wake |= w
	}
	if past.Top.Offset > y.at.Offset {
		y.at = past.Top
	}
	return wake
}

// Broken says that the link to the other nodes was lost. Whatever a new one takes
// of this node's own may come after something of others that was lost: on channels
// without a history, subscribers are told before each, until Suspect and Doubt.
func (h *Hub) Broken() { h.breaks.Add(1) }

// Missing is Broken for one channel: what others publish on it does not come, though
// the link takes what this node does.
func (h *Hub) Missing(name string) {
	st := h.stripeOf(name)
	st.mu.Lock()
	if ch := st.channels[name]; ch != nil && ch.remote != nil {
		ch.remote.whole, ch.remote.whence = 0, 0 // a Doubt that is on its way ends nothing
	}
	st.mu.Unlock()
}

// Suspect says that publications of a channel may have been lost, up to now or up
// to the next one that comes: subscribers of a channel without a history are told
// before that one, or, if none has come, by the Doubt that follows.
func (h *Hub) Suspect(name string) {
	st := h.stripeOf(name)
	st.mu.Lock()
	if ch := st.channels[name]; ch != nil && ch.remote != nil {
		ch.remote.lossy, ch.remote.suspect, ch.remote.whence = true, true, h.breaks.Load()
	}
	st.mu.Unlock()
}

// Doubt says that publications of a channel may have been lost on the way here.
// Where there is a history they are fetched; else every subscriber whose protocol
// can be told is told.
func (h *Hub) Doubt(name string) {
	st := h.stripeOf(name)
	var wake uint64
	st.mu.Lock()
	if ch := st.channels[name]; ch != nil && ch.remote != nil {
		limits := ch.namespace.Load().History
		told := ch.remote.suspect && !ch.remote.lossy
		if ch.remote.suspect {
			ch.remote.whole = ch.remote.whence
		}
		ch.remote.suspect, ch.remote.lossy = false, false
		switch {
		case ch.history == nil || limits == nil:
			if !told {
				wake = h.gap(ch)
			}
		case ch.remote.fetching:
			ch.remote.again = true
		default:
			h.fetch(ch, limits)
		}
	}
	st.mu.Unlock()
	h.wake(wake)
}

// gap tells the channel's subscribers of a gap at this place in its order. The stripe is locked.
func (h *Hub) gap(ch *channel) (wake uint64) {
	h.shards[0].cell.Gaps.Add(1)
	var at Position
	if ch.history != nil {
		at = ch.history.at
	}
	for v := range h.codecs {
		codec := &h.codecs[v]
		if codec.Gap == nil && !codec.GapCloses {
			continue
		}
		var f *Frame
		if codec.Gap != nil {
			f = NewFrame(codec.Gap(nil, ch.name, at))
			f.at = h.nanos()
		}
		for i, sh := range h.shards {
			if ch.count[i*len(h.codecs)+v] == 0 {
				continue
			}
			it := item{kind: itemPublish, variant: Variant(v), ch: ch, frame: f}
			if codec.GapCloses {
				it.kind = itemGap
			} else {
				sh.inbox.waiting.Add(1)
				sh.inbox.waitingBytes.Add(int64(len(f.bytes)))
			}
			if sh.inbox.put(it) {
				wake |= 1 << i
			}
		}
	}
	return wake
}

// closeAll closes a channel's subscribers of one variant for a gap.
func (sh *shard) closeAll(ch *channel, v Variant) {
	r := sh.runs[runKey{ch, v}]
	if r == nil {
		return
	}
	all := make([]*Subscriber, len(r.subs))
	for i := range r.subs {
		all[i] = r.subs[i].sub
	}
	for _, s := range all {
		sh.current = s
		sh.close(s, nil, metrics.CloseGap)
	}
}

// wake wakes the shards whose bits are set.
func (h *Hub) wake(shards uint64) {
	for ; shards != 0; shards &= shards - 1 {
		h.shards[bits.TrailingZeros64(shards)].inbox.signal()
	}
}

// wants says whether the broker has to hear of a channel: the node's own have no place in the fleet.
func (h *Hub) wants(name string) bool { return h.broker != nil && name[0] != '$' }
