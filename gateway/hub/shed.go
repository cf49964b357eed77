package hub

import (
	"cmp"
	"slices"
	"sync"

	"sluice/gateway/metrics"
)

// SetBusy makes Publish refuse everything with ErrBusy, or take publications
// again. The node's memory guard calls it.
func (h *Hub) SetBusy(busy bool) { h.busy.Store(busy) }

// ShedQueues ends the connections for which most waits, the largest first, until
// what waited for them comes to bytes, and returns how many there were and what
// they come to. A queue that its client does not empty has no room for a close
// frame either, so the connections are cut after it.
func (h *Hub) ShedQueues(bytes int64) (closed int, freed int64) {
	type slow struct {
		sub   *Subscriber
		bytes int64
	}
	for _, sh := range h.shards {
		part := (bytes + int64(len(h.shards)) - 1) / int64(len(h.shards))
		sh.call(func() {
			sh.takeStalled()
			var all []slow
			for _, e := range sh.stalled {
				if n := e.sub.waitingBytes(); n > 0 && e.sub.flags&(flagGone|flagDoomed) == 0 {
					all = append(all, slow{e.sub, n})
				}
			}
			slices.SortFunc(all, func(a, b slow) int { return cmp.Compare(b.bytes, a.bytes) })
			for _, s := range all {
				if part <= 0 {
					break
				}
				sh.shed(s.sub)
				part -= s.bytes
				freed += s.bytes
				closed++
			}
		})
	}
	return closed, freed
}

// waitingBytes is what waits for s. Frames in its outbox are shared with others.
func (s *Subscriber) waitingBytes() int64 {
	n := int64(s.queued.Load())
	if s.out != nil {
		n += int64(s.out.bytes)
	}
	return n
}

// What a history takes beside its payloads, in bytes, about.
const (
	perPast    = 48
	perChannel = 512
)

// ShedHistories lets go of channels that are nothing but an old history, then of
// the largest histories, until they come to bytes, and returns what they come to.
// Who comes back to one of them is told that it missed something.
func (h *Hub) ShedHistories(bytes int64) (freed int64) {
	type large struct {
		ch    *channel
		bytes int64
	}
	var all []large
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		for _, ch := range st.channels {
			switch y := ch.history; {
			case y == nil:
			case len(y.past) > 0:
				all = append(all, large{ch, y.size()})
			case ch.total == 0:
				h.forget(ch)
				freed += perChannel
			}
		}
		st.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b large) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, l := range all {
		if freed >= bytes {
			break
		}
		st := l.ch.stripe
		st.mu.Lock()
		if y := l.ch.history; y != nil && st.channels[l.ch.name] == l.ch {
			freed += y.size()
			h.keptBytes.Add(-int64(y.bytes))
			*y = history{at: y.at, before: y.before, floor: y.at.Offset}
		}
		st.mu.Unlock()
	}
	return freed
}

// size is what a history takes, about.
func (y *history) size() int64 { return int64(y.bytes + perPast*len(y.past)) }

// ShedNewest ends the n connections that came last, or somewhat fewer, and returns how many.
func (h *Hub) ShedNewest(n int) (closed int) {
	for i, sh := range h.shards {
		part := (n + i) / len(h.shards)
		sh.call(func() {
			for part > 0 {
				id, ok := sh.recent.pop()
				if !ok {
					break
				}
				if s := sh.find(id); s != nil && s.flags&(flagGone|flagClosing|flagDoomed) == 0 {
					sh.shed(s)
					closed++
					part--
				}
			}
			chunks := sh.slots.all() // who came before those that are remembered: the order is unknown
			for i := len(chunks) - 1; i >= 0 && part > 0; i-- {
				for _, s := range slices.Backward(chunks[i].subs[:]) {
					if s != nil && part > 0 && s.flags&(flagGone|flagClosing|flagDoomed) == 0 {
						sh.shed(s)
						closed++
						part--
					}
				}
			}
		})
	}
	return closed
}

// shed closes s for want of memory: what waits in its outbox is let go, and the
// connection is cut as soon as the close frame is with the kernel, or behind a
// queue that will never get there. Nothing keeps it until a deadline.
func (sh *shard) shed(s *Subscriber) {
	if s.flags&flagClosing != 0 {
		s.conn.Abort()
		return
	}
	if s.out != nil && s.flags&flagHeld == 0 {
		sh.empty(s, metrics.DropMemory)
	}
	sh.leaveAll(s)
	sh.lastWords(s, nil, metrics.CloseMemory)
	s.conn.Abort()
}

// find is the attached subscriber of an ID of this shard, or nil.
func (sh *shard) find(id ID) *Subscriber {
	_, slot, gen := id.split()
	chunks := sh.slots.all()
	if int(slot/chunkSize) >= len(chunks) {
		return nil
	}
	c, i := chunks[slot/chunkSize], slot%chunkSize
	if c.gen[i].Load() != gen {
		return nil
	}
	return c.subs[i]
}

// recent remembers who came last, by ID: an ID keeps nothing alive.
type recent struct {
	// Guarded by mu, a leaf.
	mu   sync.Mutex
	ids  [keepRecent]ID
	next uint64 // how many were added; the last stands before it
	kept int    // how many of them are still there
}

// keepRecent is how many a shard remembers.
const keepRecent = 4096

func (r *recent) add(id ID) {
	r.mu.Lock()
	r.ids[r.next%keepRecent] = id
	r.next++
	r.kept = min(r.kept+1, keepRecent)
	r.mu.Unlock()
}

// pop takes the last.
func (r *recent) pop() (id ID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == 0 {
		return 0, false
	}
	r.kept--
	r.next--
	return r.ids[r.next%keepRecent], true
}
