package edge

import "sync"

// handshakes bounds the TLS handshakes of a listener that are under way. Each
// has a goroutine, from the client's first record on; a client that sends less
// has none. Those above the bound wait in a queue as long as the bound, while
// the acceptor leaves further ones in the kernel's queue; above that they are
// refused.
type handshakes struct {
	// Static.
	bound int
	room  chan struct{} // a token when nobody waits any more

	// Guarded by mu.
	mu      sync.Mutex
	running int
	waiting []*tlsConn
}

func (h *handshakes) init(bound int) {
	h.bound = bound
	h.room = make(chan struct{}, 1)
}

// What becomes of a handshake that wants to begin.
type turn uint8

const (
	turnNow turn = iota
	turnLater
	turnNever
)

// enter asks for a turn for t. Later comes by leave.
func (h *handshakes) enter(t *tlsConn) turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running < h.bound {
		h.running++
		return turnNow
	}
	if len(h.waiting) >= h.bound {
		return turnNever
	}
	h.waiting = append(h.waiting, t)
	return turnLater
}

// leave ends a turn, and returns who has it next, if anyone waits.
func (h *handshakes) leave() *tlsConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting) > 0 {
		t := h.waiting[0]
		h.waiting[0] = nil
		h.waiting = h.waiting[1:]
		if len(h.waiting) == 0 {
			h.waiting = nil
			select {
			case h.room <- struct{}{}:
			default:
			}
		}
		if !t.relay.Load().over() {
			return t
		}
	}
	h.running--
	return nil
}

// crowded says that someone waits: then nobody else is accepted.
func (h *handshakes) crowded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting) > 0
}

// wait returns when nobody waits for a turn; false when stop is closed.
func (h *handshakes) wait(stop <-chan struct{}) bool {
	for h.crowded() {
		select {
		case <-h.room:
		case <-stop:
			return false
		}
	}
	return true
}

// underWay is how many have a turn.
func (h *handshakes) underWay() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}
