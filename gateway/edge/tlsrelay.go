package edge

import (
	"io"
	"runtime"
	"sync"
)

// relay carries ciphertext from a connection's poller to the goroutine that
// reads it: during the handshake, and for life where a listener has goroutines.
type relay struct {
	// Static.
	most     int           // bytes that may come before the handshake is complete
	work     chan struct{} // a place for each handshake that computes, see compute
	wake     chan struct{} // to the goroutine: look again
	consumed chan struct{} // to the goroutine: plain was taken

	// Guarded by mu.
	mu       sync.Mutex
	in       []byte
	taken    int // bytes that came before the handshake was complete
	records  records
	began    bool // the handshake has, or waits for, its turn; before, nobody reads
	complete bool // the handshake is complete
	handed   bool // and the poller reads from now on
	ended    bool // nothing comes any more
	plain    []byte
	final    bool // plain is the last; the goroutine is at its end
}

func newRelay(most int, work chan struct{}) *relay {
	return &relay{most: most, work: work, wake: make(chan struct{}, 1), consumed: make(chan struct{}, 1)}
}

// maxRelayed is how much ciphertext may wait for a goroutine, once its handshake is complete.
const maxRelayed = 256 << 10

// Outcomes of give.
type given uint8

const (
	givenFirst   given = iota // the first record is there: the handshake can begin
	givenOn                   // the goroutine will read it
	givenBack                 // it is the poller's to read
	givenTooMuch              // more than the handshake may take
	givenLost                 // nobody reads any more
)

// room is how much the poller may read from the socket now. When it is 0 the
// goroutine has work to do, and the poller comes back.
func (r *relay) room() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.complete || r.ended || r.handed {
		return 1 << 30
	}
	return max(maxRelayed-len(r.in), 0)
}

// give passes b on, which is copied. With givenBack, all is what waited and b.
func (r *relay) give(b []byte) (what given, all []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return givenLost, nil
	case r.handed:
		if len(r.in) == 0 {
			return givenBack, b
		}
		r.in = append(r.in, b...)
		all, r.in = r.in, nil
		return givenBack, all
	}
	if !r.complete {
		if r.taken += len(b); r.taken > r.most {
			return givenTooMuch, nil
		}
	}
	r.in = append(r.in, b...)
	if whole := r.records.feed(b); !whole && !r.complete {
		return givenOn, nil
	}
	if !r.began {
		r.began = true
		return givenFirst, nil
	}
	r.notify()
	return givenOn, nil
}

// read is the goroutine's: it waits for ciphertext.
func (r *relay) read(p []byte) (int, error) {
	for {
		r.mu.Lock()
		if len(r.in) > 0 {
			n := copy(p, r.in)
			if r.in = r.in[n:]; len(r.in) == 0 {
				r.in = nil
			}
			r.mu.Unlock()
			return n, nil
		}
		ended, complete := r.ended, r.complete
		r.mu.Unlock()
		if ended {
			return 0, io.EOF
		}
		if complete {
			<-r.wake
			continue
		}
		r.pause()
		<-r.wake
		r.compute()
	}
}

// compute waits for a place among those that compute: as many as there are
// processors. Without that, a flood of handshakes would take turns at their
// signatures while what is to be delivered waits; and whoever gets a place
// goes behind all that is ready to run.
func (r *relay) compute() {
	r.work <- struct{}{}
	runtime.Gosched()
}

// pause gives the place back.
func (r *relay) pause() { <-r.work }

// end says that no more bytes come. Any goroutine may call it.
func (r *relay) end() {
	r.mu.Lock()
	r.ended = true
	r.notify()
	r.mu.Unlock()
}

// notify wakes the goroutine. mu is held.
func (r *relay) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// over says that nothing comes any more.
func (r *relay) over() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// succeed notes that the handshake is complete. With hand, the poller reads from now on.
func (r *relay) succeed(hand bool) {
	r.mu.Lock()
	r.complete = true
	r.handed = hand
	r.mu.Unlock()
}

// isHanded says that the poller reads.
func (r *relay) isHanded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handed
}

// put leaves plaintext for the poller, which tells consumed when b may be reused.
func (r *relay) put(b []byte, final bool) {
	r.mu.Lock()
	r.plain, r.final = b, final
	r.mu.Unlock()
}

// take is what put left.
func (r *relay) take() (b []byte, final bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b = r.plain
	r.plain = nil
	return b, r.final
}
