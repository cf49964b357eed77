package hub

import (
	"sync/atomic"

	"sluice/gateway/metrics"
)

// Publish delivers p to the subscribers of the channels and returns how many
// there are on this node (a subscriber of two of them counts twice). It never
// blocks. When it returns an error, nobody gets anything; when it returns nil,
// every subscriber here gets the message or the drop is counted with its reason.
//
// In a fleet, p goes to the broker as well; a publication on a channel with a
// history goes there alone, and comes back with its place in the channel's
// order. p.Done tells what became of it. A publication on several channels is one
// for each of them there: some may fail where others do not.
//
// Calls from one goroutine keep their order on each channel.
func (h *Hub) Publish(channels []string, p Publication) (subscribers int, err error) {
	if h.stopped.Load() {
		return 0, ErrStopped
	}
	if h.busy.Load() {
		h.shards[0].cell.Drops[metrics.DropMemory].Add(1)
		return 0, ErrBusy
	}
	if h.full() {
		return 0, ErrBusy
	}
	if h.wants(channels[0]) {
		escapes := p // here alone
		subscribers, err = h.publishFleet(channels, &escapes)
	} else {
		subscribers = h.publishHere(channels, &p, 0)
		if p.Done != nil {
			p.Done(Receipt{Subscribers: subscribers, Nodes: min(subscribers, 1), Position: p.Position}, nil)
		}
	}
	if err == nil {
		h.shards[0].cell.Published.Add(1)
	}
	return subscribers, err
}

// publishHere delivers to this node's subscribers. For one channel with a
// history of this node's own, it sets p.Position. What was sent to other nodes, too,
// comes with the link's breaks before it was; else 0.
func (h *Hub) publishHere(channels []string, p *Publication, breaks uint64) (subscribers int) {
	at := h.nanos()
	var wake uint64
	if len(channels) == 1 {
		subscribers, wake = h.publishOn(channels[0], nil, p, breaks, at)
	} else {
		all := &several{channels: h.find(channels), frames: make([]*Frame, len(h.codecs))}
		for _, name := range channels {
			n, w := h.publishOn(name, all, p, breaks, at)
			subscribers, wake = subscribers+n, wake|w
		}
		p.Position = Position{}
	}
	h.wake(wake)
	return subscribers
}

// several is what the channels of one publication share.
type several struct {
	channels []*channel // those that this node has, if more than one
	frames   []*Frame   // by variant, where the codec's are the same for all: nil until it is encoded; empty: they are not kept
}

// publishOn posts p to one channel; all is nil when there are no others.
func (h *Hub) publishOn(name string, all *several, p *Publication, breaks uint64, at int64) (subscribers int, wake uint64) {
	var except ID
	if p.Except != nil {
		except = p.Except.ID()
	}
	st := h.stripeOf(name)
	st.mu.Lock()
	ch := st.channels[name]
	if ch == nil && h.broker == nil && h.settings.Load().Namespace(name).History != nil {
		ch = h.channelIn(st, name)
	}
	if ch != nil {
		p.Position = Position{}
		if limits := ch.namespace.Load().History; ch.history != nil && ch.remote == nil && limits != nil {
			h.append(ch, p, limits)
		}
		if ch.remote != nil && breaks > ch.remote.whole {
			wake = h.gap(ch)
		}
		n, w := h.post(ch, all, p, except, at)
		subscribers, wake = n, wake|w
	}
	st.mu.Unlock()
	return subscribers, wake
}

// find returns those of the channels that this node has; nil when that is not more than one.
func (h *Hub) find(names []string) []*channel {
	all := make([]*channel, 0, len(names))
	for _, name := range names {
		st := h.stripeOf(name)
		st.mu.Lock()
		if ch := st.channels[name]; ch != nil {
			all = append(all, ch)
		}
		st.mu.Unlock()
	}
	if len(all) < 2 {
		return nil
	}
	return all
}

// publishFleet hands p to the broker, and to this node's subscribers of channels without a history.
func (h *Hub) publishFleet(channels []string, p *Publication) (subscribers int, err error) {
	set := h.settings.Load() // once: a reload may take a history away
	plain, kept := set.split(channels)
	done := p.Done
	if done != nil {
		t := &tally{done: done}
		t.left.Store(int32(len(kept) + min(len(plain), 1)))
		t.receipt.Nodes = -1
		done = t.add
		defer func() { t.ready(subscribers, err) }()
		t.left.Add(1)
		t.one = len(channels) == 1
	}
	if len(plain) > 0 {
		breaks := h.breaks.Load()
		sent, err := h.broker.Publish(plain, p, done)
		if err != nil {
			return 0, err
		}
		if !sent {
			breaks = 0
		}
		subscribers = h.publishHere(plain, p, breaks)
	}
	for _, name := range kept {
		subscribers += h.Subscribers(name)
		err := h.broker.Append(name, set.Namespace(name).History, p, done)
		if err != nil && len(channels) == 1 {
			return 0, err
		}
		if err != nil && done != nil {
			done(Receipt{}, err)
		}
	}
	return subscribers, nil
}

// split tells channels without a history from those with one.
func (set *Settings) split(channels []string) (plain, kept []string) {
	for i, name := range channels {
		switch has := set.Namespace(name).History != nil; {
		case has && kept == nil:
			kept = channels[i : i+1 : i+1]
		case has:
			kept = append(kept, name)
		case plain == nil:
			plain = channels[i : i+1 : i+1]
		default:
			plain = append(plain, name)
		}
	}
	return plain, kept
}

// tally waits for all parts of a publication.
type tally struct {
	done    func(Receipt, error)
	one     bool         // there is only one channel, and so one position
	left    atomic.Int32 // parts, and one for the number of subscribers
	receipt Receipt
	err     atomic.Pointer[error]
}

// add takes one part's outcome.
func (t *tally) add(r Receipt, err error) {
	if err != nil {
		t.err.Store(&err)
	}
	if t.one {
		t.receipt.Nodes, t.receipt.Position = r.Nodes, r.Position
	}
	t.end()
}

// ready is the end of Publish itself.
func (t *tally) ready(subscribers int, err error) {
	if err != nil {
		return // no part will come
	}
	t.receipt.Subscribers = subscribers
	t.end()
}

func (t *tally) end() {
	if t.left.Add(-1) > 0 {
		return
	}
	if err := t.err.Load(); err != nil {
		t.done(Receipt{}, *err)
		return
	}
	t.done(t.receipt, nil)
}

// post puts p into the inbox of each shard with subscribers of ch, encoded once
// per variant in use. The stripe is locked, which gives p its place in ch's
// order. It returns the shards to wake. all may be nil.
func (h *Hub) post(ch *channel, all *several, p *Publication, except ID, at int64) (subscribers int, wake uint64) {
	variants := len(h.codecs)
	for v := range variants {
		var f *Frame
		for i, sh := range h.shards {
			if ch.count[i*variants+v] == 0 {
				continue
			}
			if f == nil {
				f = h.encode(Variant(v), ch, all, p, except, at)
			}
			sh.inbox.waiting.Add(1)
			sh.inbox.waitingBytes.Add(int64(len(f.bytes)))
			if sh.inbox.put(item{kind: itemPublish, variant: Variant(v), ch: ch, frame: f}) {
				wake |= 1 << i
			}
		}
	}
	return ch.total, wake
}

// encode makes p's frame for one variant, or finds the one that another of its channels has got.
func (h *Hub) encode(v Variant, ch *channel, all *several, p *Publication, except ID, at int64) *Frame {
	codec := &h.codecs[v]
	shared := all != nil && codec.Once
	if shared && len(all.frames) > 0 && all.frames[v] != nil {
		return all.frames[v]
	}
	f := &Frame{except: except, at: at, bytes: codec.Encode(nil, ch.name, *p)}
	if shared {
		f.also = all.channels
		if len(all.frames) > 0 {
			all.frames[v] = f
		}
	}
	return f
}

// full says that a shard takes no more publications for now.
func (sh *shard) full() bool {
	if sh.inbox.waiting.Load() >= sh.inboxCap {
		return true
	}
	limit := sh.share()
	return limit > 0 && sh.inbox.waitingBytes.Load() >= limit
}

// share is this shard's part of limits.node_queue_bytes; 0 is no bound.
func (sh *shard) share() int64 {
	return sh.hub.settings.Load().NodeQueueBytes / int64(len(sh.hub.shards))
}
