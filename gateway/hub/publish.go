package hub

import (
	"math/bits"

	"sluice/gateway/metrics"
)

// Publish delivers p to the subscribers of the channels and returns how many
// there are (a subscriber of two of them counts twice). It never blocks. When
// it returns an error, nobody gets anything; when it returns nil, every
// subscriber gets the message or the drop is counted with its reason.
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
	for _, sh := range h.shards {
		if sh.full() {
			sh.cell.Drops[metrics.DropInboxFull].Add(1)
			return 0, ErrBusy
		}
	}
	at := h.nanos()
	var wake uint64
	if len(channels) == 1 {
		st := h.stripeOf(channels[0])
		st.mu.Lock()
		if ch := st.channels[channels[0]]; ch != nil {
			subscribers, wake = h.post(ch, nil, p, at)
		}
		st.mu.Unlock()
	} else {
		subscribers, wake = h.publishMany(channels, p, at)
	}
	for ; wake != 0; wake &= wake - 1 {
		h.shards[bits.TrailingZeros64(wake)].inbox.signal()
	}
	h.shards[0].cell.Published.Add(1)
	return subscribers, nil
}

// publishMany posts p to several channels.
func (h *Hub) publishMany(names []string, p Publication, at int64) (subscribers int, wake uint64) {
	all := make([]*channel, 0, len(names))
	for _, name := range names {
		st := h.stripeOf(name)
		st.mu.Lock()
		if ch := st.channels[name]; ch != nil {
			all = append(all, ch)
		}
		st.mu.Unlock()
	}
	for _, ch := range all {
		also := all
		if len(all) == 1 {
			also = nil
		}
		ch.stripe.mu.Lock()
		n, w := h.post(ch, also, p, at)
		ch.stripe.mu.Unlock()
		subscribers, wake = subscribers+n, wake|w
	}
	return subscribers, wake
}

// post gives p its place in ch's order: it is encoded once per variant in use
// and put into the inbox of each shard with subscribers. The stripe is locked.
// It returns the shards to wake.
func (h *Hub) post(ch *channel, also []*channel, p Publication, at int64) (subscribers int, wake uint64) {
	variants := len(h.codecs)
	for v := range variants {
		var f *Frame
		for i, sh := range h.shards {
			if ch.count[i*variants+v] == 0 {
				continue
			}
			if f == nil {
				f = &Frame{except: p.Except, at: at}
				if h.codecs[v].Once {
					f.also = also
				}
				f.bytes = h.codecs[v].Encode(make([]byte, 0, len(p.Payload)+frameOverhead), ch.name, p)
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

// frameOverhead is room for the longest header of an unmasked frame.
const frameOverhead = 10

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
