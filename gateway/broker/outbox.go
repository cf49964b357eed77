package broker

import "sync"

// Outbox is what waits to be sent on a link's connection, and what was sent and
// is not confirmed yet, bounded in bytes. One goroutine of the link sends: clients
// of engines write under a lock, and may block there. Its methods may be called concurrently.
type Outbox[T Op] struct {
	// Static.
	bound int
	wake  chan struct{}

	// Guarded by mu.
	mu    sync.Mutex
	ops   []T
	bytes int
	ended bool
	flush []chan struct{} // closed when bytes is 0
}

// Op is what a link sends.
type Op interface {
	// Size is how many bytes of the bound it takes, until Free; at least 1.
	Size() int
}

// NewOutbox returns an empty one for so many bytes.
func NewOutbox[T Op](bound int) *Outbox[T] {
	return &Outbox[T]{bound: bound, wake: make(chan struct{}, 1)}
}

// Put appends op. ErrBusy: there is no room, though one op always has room. ErrDown: it has ended.
func (o *Outbox[T]) Put(op T) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.reserve(op.Size()); err != nil {
		return err
	}
	o.append(op)
	return nil
}

// Reserve makes room for an op that cannot be sent yet, and is put by PutReserved.
func (o *Outbox[T]) Reserve(op T) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reserve(op.Size())
}

// PutReserved appends op. When it has ended, op is forgotten.
func (o *Outbox[T]) PutReserved(op T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.append(op)
	}
}

// reserve counts bytes. mu is held.
func (o *Outbox[T]) reserve(size int) error {
	switch {
	case o.ended:
		return ErrDown
	case o.bytes > 0 && o.bytes+size > o.bound:
		return ErrBusy
	}
	o.bytes += size
	return nil
}

// append is called with mu held.
func (o *Outbox[T]) append(op T) {
	o.ops = append(o.ops, op)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Wake receives when there is something to take.
func (o *Outbox[T]) Wake() <-chan struct{} { return o.wake }

// Take returns all that waits, in order. What is put later goes into spare, which may be nil.
func (o *Outbox[T]) Take(spare []T) []T {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.ops
	o.ops = spare[:0]
	return list
}

// Free gives back bytes of what is sent, or confirmed.
func (o *Outbox[T]) Free(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes -= bytes; o.bytes == 0 {
		for _, empty := range o.flush {
			close(empty)
		}
		o.flush = nil
	}
}

// Empty is closed as soon as there is nothing that was not given back.
func (o *Outbox[T]) Empty() <-chan struct{} {
	empty := make(chan struct{})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes == 0 {
		close(empty)
	} else {
		o.flush = append(o.flush, empty)
	}
	return empty
}

// End lets nothing more in, and returns what was not taken.
func (o *Outbox[T]) End() []T {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.ops
	o.ended, o.ops = true, nil
	return list
}
