package hub

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"sluice/gateway/internal/deadline"
	"sluice/gateway/metrics"
)

// shard owns the outbound side of its subscribers. Everything below "owned" is
// touched by its goroutine alone.
type shard struct {
	// Static.
	hub        *Hub
	id         int
	inboxCap   int64
	batchBytes int
	slice      int
	cell       *metrics.Cell

	inbox  inbox
	slots  slots
	stalls stalls
	recent recent

	// Shared.
	attached    atomic.Int64 // connections
	goodbyes    atomic.Int64 // of them, those that were sent a close frame
	socketBytes atomic.Int64 // bytes waiting for sockets
	queuedBytes atomic.Int64 // bytes waiting for sockets, plus those referenced by outboxes

	// Owned by the shard's goroutine.
	runs      map[runKey]*run
	dirty     []*run // have a batch to send; at most one entry a run
	gathered  []*Subscriber
	doomed    []*Subscriber
	closing   deadline.Queue[*Subscriber] // ends of close timeouts
	buffers   buffers
	outboxes  []*outbox // idle ones
	scratch   []byte    // frames of one subscriber, gathered for one write
	releaseAt uint32    // where release goes on
	gather    bool      // several runs are served in this round
	stalled   []stall   // for whom something waits
	current   *Subscriber
}

func newShard(h *Hub, id int, o *Options) *shard {
	return &shard{
		hub:        h,
		id:         id,
		inboxCap:   int64(o.Inbox),
		batchBytes: o.BatchBytes,
		slice:      o.Slice,
		cell:       o.Metrics.Cell(id),
		inbox:      inbox{wake: make(chan struct{}, 1)},
		runs:       map[runKey]*run{},
		buffers:    buffers{size: o.BatchBytes},
	}
}

// post puts it into the inbox and wakes the shard if it sleeps. It never blocks.
func (sh *shard) post(it item) {
	if sh.inbox.put(it) {
		sh.inbox.signal()
	}
}

// lowWater is where a queue counts as low again.
func (sh *shard) lowWater() int { return sh.writeQueue() / 2 }

// writeQueue is how many bytes may wait for one socket at this moment: none
// more, when too many wait for all of them.
func (sh *shard) writeQueue() int {
	set := sh.hub.settings.Load()
	if set.SocketBytes > 0 && sh.socketBytes.Load() >= set.SocketBytes/int64(len(sh.hub.shards)) {
		return 0
	}
	return set.WriteQueue
}

// loop is the shard's goroutine: it takes what gathered in the inbox, serves
// one slice of each run that has something to send, and begins again; it
// sleeps only when there is neither.
func (sh *shard) loop() {
	defer sh.hub.wg.Done()
	var items []item
	for {
		items = sh.inbox.take(items[:0], len(sh.dirty) == 0)
		if len(items) == 0 && len(sh.dirty) == 0 {
			select {
			case <-sh.inbox.wake:
				continue
			case <-sh.hub.stop:
				return
			}
		}
		sh.turn(items)
		clear(items)
		if cap(items) > keepItems {
			items = nil
		}
		if len(sh.dirty) > 0 {
			// The sends are raw system calls, which the scheduler does not
			// see: give pollers and the collector their turn.
			runtime.Gosched()
			if sh.hub.stopped.Load() {
				return
			}
		}
	}
}

// keepItems is the largest inbox slice that is kept after a burst.
const keepItems = 1 << 16

// turn applies items and serves one round. A panic costs the connection that
// was being served, and is counted; the shard goes on.
func (sh *shard) turn(items []item) {
	done := 0
	defer func() {
		if p := recover(); p != nil {
			sh.panicked(p)
			for i := done + 1; i < len(items); i++ {
				sh.post(items[i])
			}
		}
	}()
	for i := range items {
		done = i
		sh.apply(&items[i])
	}
	done = len(items)
	sh.round()
	sh.closeDoomed()
}

func (sh *shard) panicked(p any) {
	sh.cell.Panics.Add(1)
	sh.hub.log.Error().Int("shard", sh.id).Interface("err", p).Bytes("stack", debug.Stack()).Msg("panic in a shard")
	if s := sh.current; s != nil {
		sh.current = nil
		s.conn.Abort()
	}
}

// apply does what one inbox item asks.
func (sh *shard) apply(it *item) {
	sh.current = it.sub
	switch it.kind {
	case itemPublish:
		sh.accept(it)
	case itemAttach:
		it.sub.chunk.subs[it.sub.slot%chunkSize] = it.sub
	case itemBegin:
		sh.begin(it.sub, it.frame)
	case itemSubscribe:
		sh.subscribe(it.sub, it.ch, it.frame)
	case itemUnsubscribe:
		if sub := it.sub.find(it.ch); sub != nil {
			sh.leave(it.sub, sub)
		}
	case itemReply:
		it.sub.state.Add(^(oneReply - 1))
		sh.control(it.sub, it.frame)
	case itemClose:
		sh.close(it.sub, it.frame, metrics.CloseReason(it.n))
	case itemReady:
		sh.flush(it.sub)
	case itemDetach:
		sh.detach(it.sub)
	case itemTick:
		sh.tick()
	case itemEnd:
		sh.setEnd(it.sub, it.n, it.reason)
	case itemGap:
		sh.closeAll(it.ch, it.variant)
	case itemCall:
		it.do()
	}
	sh.current = nil
}

// accept takes a publication into its run.
func (sh *shard) accept(it *item) {
	r := sh.runs[runKey{it.ch, it.variant}]
	if r == nil { // everyone left while it was on its way
		sh.delivered(it.frame)
		return
	}
	r.append(it.frame)
	sh.mark(r)
}

// delivered takes a frame out of the inbox's account.
func (sh *shard) delivered(f *Frame) {
	sh.inbox.waiting.Add(-1)
	sh.inbox.waitingBytes.Add(-int64(len(f.bytes)))
}

// mark puts r into the list of runs to serve.
func (sh *shard) mark(r *run) {
	if !r.dirty {
		r.dirty = true
		sh.dirty = append(sh.dirty, r)
	}
}

// subscribe joins s to ch. owed, which may be nil, comes before all that is published from now on.
func (sh *shard) subscribe(s *Subscriber, ch *channel, owed *Frame) {
	if s.flags&(flagGone|flagClosing|flagDoomed) != 0 || s.find(ch) != nil {
		sh.hub.left(s, ch) // it does not count after all
		return
	}
	key := runKey{ch, s.variant}
	r := sh.runs[key]
	if r == nil {
		r = &run{key: key}
		sh.runs[key] = r
	}
	r.join(s)
	if owed != nil {
		sh.enqueue(s, r, []*Frame{owed})
		sh.flush(s)
	}
}

// begin lets s begin with first.
func (sh *shard) begin(s *Subscriber, first *Frame) {
	if s.flags&flagGone != 0 {
		return
	}
	if s.flags&flagHeld == 0 {
		sh.control(s, first)
		return
	}
	s.flags &^= flagHeld
	s.conn.Send(first.bytes)
	sh.flush(s)
}

// leave ends one subscription of s.
func (sh *shard) leave(s *Subscriber, sub *subscription) {
	r, pos := sub.run, sub.pos
	s.forget(sub)
	r.leave(int(pos))
	if len(r.subs) == 0 {
		sh.discard(r)
	}
	sh.hub.left(s, r.key.ch)
}

// discard forgets a run that has no subscribers, and what waits in it.
func (sh *shard) discard(r *run) {
	for _, f := range r.batch.frames {
		sh.delivered(f)
	}
	for _, f := range r.pending {
		sh.delivered(f)
	}
	r.finish(&sh.buffers)
	r.pending, r.pendingBytes = nil, 0
	delete(sh.runs, r.key)
}

// leaveAll ends all subscriptions of s.
func (sh *shard) leaveAll(s *Subscriber) {
	for s.several() {
		sh.leave(s, &(*s.more)[len(*s.more)-1])
	}
	if s.first.run != nil {
		sh.leave(s, &s.first)
	}
}

// detach forgets a connection that has ended.
func (sh *shard) detach(s *Subscriber) {
	if s.flags&flagGone != 0 {
		return
	}
	sh.leaveAll(s)
	if s.flags&flagClosing == 0 {
		s.reason = uint8(metrics.CloseLost)
	} else {
		sh.goodbyes.Add(-1)
	}
	s.flags |= flagGone
	sh.cell.Closed[s.reason].Add(1)
	if s.out != nil {
		sh.empty(s, metrics.DropConnectionLost)
	}
	left := int64(s.queued.Swap(0))
	sh.socketBytes.Add(-left)
	sh.queuedBytes.Add(-left)
	sh.attached.Add(-1)
	sh.slots.put(s.chunk, s.slot)
}
