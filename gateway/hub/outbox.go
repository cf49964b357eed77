package hub

import "sluice/gateway/metrics"

// outbox holds references to the frames that a subscriber is owed while its
// socket's queue is full, or until the end of a round that serves several of
// its channels. The frames are shared with everyone else: a slow subscriber
// costs 16 bytes a frame. It is owned by the shard's goroutine.
type outbox struct {
	waiting []waiting // from head on
	head    int
	bytes   int // of the frames
}

// waiting is a frame in an outbox and the run it came through; none for control frames.
type waiting struct {
	frame *Frame
	run   *run
}

func (o *outbox) len() int { return len(o.waiting) - o.head }

// push adds a frame at the end.
func (o *outbox) push(w waiting) {
	if o.head > 0 && len(o.waiting) == cap(o.waiting) {
		n := copy(o.waiting, o.waiting[o.head:])
		clear(o.waiting[n:])
		o.waiting, o.head = o.waiting[:n], 0
	}
	o.waiting = append(o.waiting, w)
	o.bytes += len(w.frame.bytes)
}

// pop removes the first n frames, of size bytes.
func (o *outbox) pop(n, size int) {
	o.bytes -= size
	clear(o.waiting[o.head : o.head+n])
	o.head += n
}

// unshift puts a frame before the others, in the place of one that was popped.
func (o *outbox) unshift(w waiting) {
	o.head--
	o.waiting[o.head] = w
	o.bytes += len(w.frame.bytes)
}

// remove takes out the frame at index i, counted from the head.
func (o *outbox) remove(i int) {
	at := o.head + i
	o.bytes -= len(o.waiting[at].frame.bytes)
	copy(o.waiting[o.head+1:at+1], o.waiting[o.head:at])
	o.waiting[o.head] = waiting{}
	o.head++
}

// enqueue puts frames of r, which must all be for s, into s's outbox, and lets
// the channel's policy decide when it is full. The frames are not copied. r is
// nil for control frames, which are never dropped.
func (sh *shard) enqueue(s *Subscriber, r *run, frames []*Frame) {
	if s.flags&(flagDoomed|flagGone) != 0 {
		return
	}
	set := sh.hub.settings.Load()
	for _, f := range frames {
		if s.out != nil && s.out.isFull(set, f) && !s.waits() {
			sh.flush(s) // not slow: it is owed more than an outbox holds, and its socket has room
		}
		if s.out == nil {
			s.out = sh.takeOutbox()
		}
		if r != nil && !sh.admit(s, r, f, set) {
			if s.flags&flagDoomed != 0 {
				return
			}
			continue
		}
		s.out.push(waiting{f, r})
		sh.queuedBytes.Add(int64(len(f.bytes)))
	}
	if s.out != nil && s.flags&flagGathered == 0 && s.queued.Load() != 0 {
		sh.await(s)
	}
}

// isFull says that f would be more than o may hold.
func (o *outbox) isFull(set *Settings, f *Frame) bool {
	return o.len() >= set.OutboxFrames ||
		set.OutboxBytes > 0 && o.len() > 0 && o.bytes+len(f.bytes) > set.OutboxBytes
}

// admit makes room for f, a frame of r, in s's outbox as r's policy says, and reports whether it may go in.
func (sh *shard) admit(s *Subscriber, r *run, f *Frame, set *Settings) bool {
	policy := r.key.ch.namespace.Load().SlowConsumer
	o := s.out
	if policy == SlowLatest {
		for i, w := range o.waiting[o.head:] {
			if w.run == r {
				sh.drop(s, i, metrics.DropLatest)
				break
			}
		}
	}
	over := sh.overBudget()
	if !o.isFull(set, f) && !over {
		return true
	}
	reason := metrics.DropOldest
	if over {
		reason = metrics.DropNodeQueue
	}
	if policy == SlowDisconnect {
		sh.doom(s)
		return false
	}
	for i := 0; i < o.len(); {
		if !o.waiting[o.head+i].droppable() {
			i++
			continue
		}
		sh.drop(s, i, reason)
		if over || !o.isFull(set, f) {
			return true
		}
	}
	sh.cell.Drops[reason].Add(1) // nothing there may be dropped any more: the new one is
	return false
}

// droppable says that the policy of w's channel allows to drop it.
func (w waiting) droppable() bool {
	return w.run != nil && w.run.key.ch.namespace.Load().SlowConsumer != SlowDisconnect
}

// overBudget says that the shard holds its part of limits.node_queue_bytes.
func (sh *shard) overBudget() bool {
	limit := sh.share()
	return limit > 0 && sh.queuedBytes.Load()+sh.inbox.waitingBytes.Load() >= limit
}

// drop removes the i-th frame of s's outbox, for a reason.
func (sh *shard) drop(s *Subscriber, i int, reason metrics.DropReason) {
	w := s.out.waiting[s.out.head+i]
	sh.queuedBytes.Add(-int64(len(w.frame.bytes)))
	s.out.remove(i)
	sh.cell.Drops[reason].Add(1)
}

// dropControl removes the control frame that waits in s's outbox, if there is one.
func (sh *shard) dropControl(s *Subscriber) {
	for i, w := range s.out.waiting[s.out.head:] {
		if w.run == nil {
			sh.queuedBytes.Add(-int64(len(w.frame.bytes)))
			s.out.remove(i)
			return
		}
	}
}

// empty drops all of s's outbox, for a reason.
func (sh *shard) empty(s *Subscriber, reason metrics.DropReason) {
	o := s.out
	bytes, messages := 0, 0
	for _, w := range o.waiting[o.head:] {
		bytes += len(w.frame.bytes)
		if w.run != nil {
			messages++
		}
	}
	sh.queuedBytes.Add(-int64(bytes))
	sh.cell.Drops[reason].Add(uint64(messages))
	sh.putOutbox(s)
}

// await asks to hear when s's socket has room again. The room may have come up
// before the wish was noted; then nobody else would tell.
func (sh *shard) await(s *Subscriber) {
	s.state.Or(stateWaiting)
	if int(s.queued.Load()) <= sh.lowWater() && s.stopWaiting() {
		sh.post(item{kind: itemReady, sub: s})
	}
}

// awaitEmpty has the shard told when the socket has taken everything: a lone
// pong waits for that, so that a newer one can take its place, and a client that
// pings and does not read is owed one pong at most.
func (sh *shard) awaitEmpty(s *Subscriber) {
	s.state.Or(stateUntilEmpty)
	if s.queued.Load() == 0 && s.emptied() {
		sh.post(item{kind: itemReady, sub: s})
	}
}

// flush sends what s's outbox holds, as far as its socket's queue has room, in
// writes of up to a batch each.
func (sh *shard) flush(s *Subscriber) {
	if s.out == nil || s.flags&(flagGone|flagHeld) != 0 {
		return
	}
	o := s.out
	for o.len() > 0 {
		limit := sh.writeQueue()
		queued := int(s.queued.Load())
		if queued > 0 && o.len() == 1 && o.waiting[o.head].run == nil && s.flags&flagClosing == 0 {
			sh.awaitEmpty(s)
			return
		}
		room := min(limit-queued, sh.batchBytes)
		n, messages, size := 0, 0, 0
		for _, w := range o.waiting[o.head:] {
			if size += len(w.frame.bytes); size > room && (n > 0 || queued > 0) {
				size -= len(w.frame.bytes)
				break
			}
			n++
			if w.run != nil {
				messages++
			}
			if w.frame.next != nil {
				break
			}
		}
		if n == 0 {
			sh.await(s)
			return
		}
		bytes := o.waiting[o.head].frame.bytes
		if n > 1 {
			buf := sh.scratch[:0]
			for _, w := range o.waiting[o.head : o.head+n] {
				buf = append(buf, w.frame.bytes...)
			}
			sh.scratch, bytes = buf, buf
		}
		last := o.waiting[o.head+n-1]
		o.pop(n, size)
		sh.queuedBytes.Add(-int64(size))
		if next := last.frame.next; next != nil {
			o.unshift(waiting{next, last.run})
			sh.queuedBytes.Add(int64(len(next.bytes)))
		}
		sh.current = s
		s.conn.Send(bytes)
		sh.sent(1, messages, size)
	}
	s.stopWaiting()
	sh.putOutbox(s)
	if s.flags&flagClosing != 0 {
		s.conn.Finish()
	}
}

// keepOutboxes bounds how many idle outboxes a shard keeps, keepWaiting how large.
const (
	keepOutboxes = 64
	keepWaiting  = 256
)

func (sh *shard) takeOutbox() *outbox {
	if n := len(sh.outboxes); n > 0 {
		o := sh.outboxes[n-1]
		sh.outboxes = sh.outboxes[:n-1]
		return o
	}
	return new(outbox)
}

func (sh *shard) putOutbox(s *Subscriber) {
	o := s.out
	s.out = nil
	if len(sh.outboxes) < keepOutboxes && cap(o.waiting) <= keepWaiting {
		clear(o.waiting)
		o.waiting, o.head, o.bytes = o.waiting[:0], 0, 0
		sh.outboxes = append(sh.outboxes, o)
	}
}
