package hub

import "slices"

// round serves one slice of each run that has something to send.
func (sh *shard) round() {
	n := len(sh.dirty)
	if n == 0 {
		return
	}
	sh.gather = n > 1
	for i := range n {
		r := sh.dirty[i]
		if r == nil {
			continue // a round that a panic ended
		}
		sh.serve(r)
		if r.idle() {
			r.dirty = false
			sh.dirty[i] = nil
		}
	}
	for _, s := range sh.gathered {
		s.flags &^= flagGathered
		sh.flush(s)
	}
	clear(sh.gathered)
	sh.gathered = sh.gathered[:0]
	sh.dirty = slices.DeleteFunc(sh.dirty, func(r *run) bool { return r == nil })
}

// serve sends one slice of r's batch.
func (sh *shard) serve(r *run) {
	b := &r.batch
	if len(b.frames) == 0 {
		if len(r.pending) == 0 {
			return // everyone has left
		}
		r.cut(sh.batchBytes, &sh.buffers)
		sh.cell.ObserveBatch(len(b.frames))
	}
	sh.sendSlice(r, min(r.cursor+sh.slice, len(r.subs)))
	if r.cursor < len(r.subs) {
		return
	}
	sh.cell.ObserveFanout(sh.hub.since(b.frames[0].at), 1)
	for _, f := range b.frames {
		sh.delivered(f)
	}
	r.finish(&sh.buffers)
}

// sendSlice gives the batch to the subscribers from the cursor to end.
//
// hot: per subscriber one look at its state and one Send.
func (sh *shard) sendSlice(r *run, end int) {
	b := &r.batch
	limit := int32(sh.writeQueue() - len(b.bytes))
	writes := 0
	for r.cursor < end {
		e := &r.subs[r.cursor]
		r.cursor++ // first, so that a panic in Send is not met again
		s := e.sub
		if s.flags != 0 || s.out != nil || e.from > b.first || b.special || sh.gather && s.several() {
			sh.sendOne(r, e)
			continue
		}
		if q := s.queued.Load(); q != 0 && q > limit {
			sh.enqueue(s, r, b.frames)
			continue
		}
		sh.current = s
		s.conn.Send(b.bytes)
		writes++
	}
	sh.current = nil
	sh.sent(writes, writes*len(b.frames), writes*len(b.bytes))
}

// sent counts what went to sockets.
func (sh *shard) sent(writes, frames, bytes int) {
	sh.cell.Writes.Add(uint64(writes))
	sh.cell.Deliveries.Add(uint64(frames))
	sh.cell.BytesOut.Add(uint64(bytes))
}

// sendOne gives one subscriber its part of the batch, where that is not simply all of it at once.
func (sh *shard) sendOne(r *run, e *entry) {
	s := e.sub
	if s.flags&(flagClosing|flagDoomed) != 0 {
		return
	}
	frames, bytes := r.batch.tail(e.from)
	if len(frames) == 0 {
		return
	}
	whole := !r.batch.special
	if !whole {
		whole = !slices.ContainsFunc(frames, func(f *Frame) bool { return !f.isFor(s, r.key.ch) })
	}
	if whole && s.out == nil && s.flags&flagHeld == 0 && !(sh.gather && s.several()) {
		q := int(s.queued.Load())
		if q == 0 || q+len(bytes) <= sh.writeQueue() {
			s.conn.Send(bytes)
			sh.sent(1, len(frames), len(bytes))
			return
		}
	}
	if whole {
		sh.enqueue(s, r, frames)
	} else {
		for i, f := range frames {
			if f.isFor(s, r.key.ch) {
				sh.enqueue(s, r, frames[i:i+1])
			}
		}
	}
	if s.out != nil && s.flags&(flagGathered|flagDoomed) == 0 && !s.waits() {
		s.flags |= flagGathered
		sh.gathered = append(sh.gathered, s)
	}
}

// isFor says whether s gets f through ch: not if it is excepted, and not if it
// gets it through a channel that stands before ch in the publication's list.
func (f *Frame) isFor(s *Subscriber, ch *channel) bool {
	if f.except != 0 && f.except == s.ID() {
		return false
	}
	for _, c := range f.also {
		if c == ch {
			return true
		}
		if s.find(c) != nil {
			return false
		}
	}
	return true
}

// control gives a ping or a pong to s alone, behind whatever it is owed. It
// takes the place of one that still waits.
func (sh *shard) control(s *Subscriber, f *Frame) {
	if s.flags&(flagClosing|flagDoomed|flagGone) != 0 {
		return
	}
	sh.settle(s)
	if s.out == nil && s.queued.Load() == 0 && s.flags&flagHeld == 0 {
		s.conn.Send(f.bytes)
		sh.sent(1, 0, len(f.bytes))
		return
	}
	if s.out != nil {
		sh.dropControl(s)
	}
	sh.enqueue(s, nil, []*Frame{f})
	sh.flush(s)
}

// settle hands s what it is owed by batches that have not reached it and by
// pending frames, so that what comes next comes after them.
func (sh *shard) settle(s *Subscriber) {
	sh.settleRun(s, s.first)
	if s.more != nil {
		for _, sub := range *s.more {
			sh.settleRun(s, sub)
		}
	}
	if s.out != nil {
		sh.flush(s)
	}
}

func (sh *shard) settleRun(s *Subscriber, sub subscription) {
	r := sub.run
	if r == nil || r.idle() {
		return
	}
	e := &r.subs[sub.pos]
	owed := func(f *Frame, number uint64) {
		if number >= e.from && f.isFor(s, r.key.ch) {
			sh.enqueue(s, r, []*Frame{f})
		}
	}
	if int(sub.pos) >= r.cursor {
		for i, f := range r.batch.frames {
			owed(f, r.batch.first+uint64(i))
		}
	}
	first := r.next - uint64(len(r.pending))
	for i, f := range r.pending {
		owed(f, first+uint64(i))
	}
	e.from = r.next
}
