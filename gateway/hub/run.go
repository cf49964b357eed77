package hub

// runKey tells a shard's runs apart.
type runKey struct {
	ch      *channel
	variant Variant
}

// run is a channel as one shard sees it, for the subscribers that speak one
// variant: the dense list of them, and the frames on their way. It is owned by
// the shard's goroutine.
//
// At most one batch is being sent at a time; what arrives meanwhile is the next
// one. A batch may stop after a slice of subscribers and go on in a later
// round, so that subscribers come and go in the middle of it:
//
//	subs: [ 0 … cursor ) have got the batch   [ cursor … len ) have not
//
// Each publication of the run has a number, and each entry the number of the
// first one that it gets; that is how somebody who joined between two
// publications of one batch gets the later alone.
type run struct {
	key  runKey
	subs []entry

	next         uint64 // number of the next publication
	pending      []*Frame
	pendingBytes int

	batch  batch
	cursor int  // into subs
	dirty  bool // in the shard's list of runs with something to do
}

// entry is a subscriber in a run.
type entry struct {
	sub  *Subscriber
	from uint64 // number of the first publication it gets
}

// batch is a piece of a run's pending frames on its way out.
type batch struct {
	frames  []*Frame // none: nothing is being sent
	first   uint64   // number of frames[0]
	bytes   []byte   // the frames, concatenated; the frame's own bytes when there is one
	offsets []int32  // where each frame starts in bytes
	special bool     // some frame is not for everyone
	buffer  *[]byte  // backs bytes, if they are a concatenation
}

// append adds a frame to the run's pending ones.
func (r *run) append(f *Frame) {
	r.pending = append(r.pending, f)
	r.pendingBytes += len(f.bytes)
	r.next++
}

// idle says that nothing waits and nothing is being sent.
func (r *run) idle() bool { return len(r.pending) == 0 && len(r.batch.frames) == 0 }

// cut makes the next batch of at most limit bytes (one frame at least) out of
// the pending frames. buffers backs a concatenation.
//
// hot: allocates only while its slices grow to their working size.
func (r *run) cut(limit int, buffers *buffers) {
	b := &r.batch
	n, size := 0, 0
	for n < len(r.pending) && (n == 0 || size+len(r.pending[n].bytes) <= limit) {
		size += len(r.pending[n].bytes)
		n++
	}
	b.first = r.next - uint64(len(r.pending))
	b.special = false
	b.frames = append(b.frames[:0], r.pending[:n]...)
	b.offsets = b.offsets[:0]
	for _, f := range b.frames {
		b.special = b.special || f.special()
	}
	if n == 1 {
		b.bytes = b.frames[0].bytes
		b.offsets = append(b.offsets, 0)
	} else {
		b.buffer = buffers.take()
		buf := (*b.buffer)[:0]
		for _, f := range b.frames {
			b.offsets = append(b.offsets, int32(len(buf)))
			buf = append(buf, f.bytes...)
		}
		*b.buffer, b.bytes = buf, buf
	}
	rest := copy(r.pending, r.pending[n:])
	clear(r.pending[rest:])
	r.pending = r.pending[:rest]
	r.pendingBytes -= size
	r.cursor = 0
}

// finish lets go of a batch that everyone has got.
func (r *run) finish(buffers *buffers) {
	b := &r.batch
	clear(b.frames)
	b.frames = b.frames[:0]
	b.bytes = nil
	if b.buffer != nil {
		buffers.put(b.buffer)
		b.buffer = nil
	}
	r.cursor = 0
}

// tail is the part of the batch from publication number from on.
func (b *batch) tail(from uint64) (frames []*Frame, bytes []byte) {
	if from <= b.first {
		return b.frames, b.bytes
	}
	skip := from - b.first
	if skip >= uint64(len(b.frames)) {
		return nil, nil
	}
	return b.frames[skip:], b.bytes[b.offsets[skip]:]
}

// join adds s at the end of the list.
func (r *run) join(s *Subscriber) {
	s.add(subscription{run: r, pos: uint32(len(r.subs))})
	if len(r.subs) == cap(r.subs) {
		r.grow()
	}
	r.subs = append(r.subs, entry{sub: s, from: r.next})
}

// grow makes room by a quarter: doubling would leave up to 16 bytes a
// subscriber unused.
func (r *run) grow() {
	subs := make([]entry, len(r.subs), len(r.subs)+len(r.subs)/4+1)
	copy(subs, r.subs)
	r.subs = subs
}

// leave removes the subscriber at pos, keeping the order of what has and what
// has not got the batch.
func (r *run) leave(pos int) {
	if pos < r.cursor {
		r.move(r.cursor-1, pos)
		r.cursor--
		pos = r.cursor
	}
	last := len(r.subs) - 1
	r.move(last, pos)
	r.subs[last] = entry{}
	r.subs = r.subs[:last]
	if cap(r.subs) > 64 && len(r.subs) < cap(r.subs)/4 {
		r.subs = append(make([]entry, 0, len(r.subs)*2), r.subs...)
	}
}

// move puts the entry at from to the place to.
func (r *run) move(from, to int) {
	if from == to {
		return
	}
	r.subs[to] = r.subs[from]
	r.subs[to].sub.find(r.key.ch).pos = uint32(to)
}

// buffers are the shard's concatenation buffers, kept for the next batch.
type buffers struct {
	size int
	free []*[]byte
}

// keepBuffers bounds how many idle buffers a shard keeps.
const keepBuffers = 16

func (p *buffers) take() *[]byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return b
	}
	b := make([]byte, 0, p.size)
	return &b
}

func (p *buffers) put(b *[]byte) {
	if len(p.free) < keepBuffers {
		p.free = append(p.free, b)
	}
}
