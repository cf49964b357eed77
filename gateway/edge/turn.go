package edge

import "time"

// How long a poller stays with one connection whose socket is full each time it
// looks, while others wait: messages that are small, or compressed to be slow,
// take milliseconds for one buffer, and 256 of them took 3.7 s. Whoever has left
// gets more, once: what it does not come to is lost with the connection.
const (
	turnTime = 5 * time.Millisecond
	lastTurn = 100 * time.Millisecond
)

// What all whose sockets are ready may have read of them in one round of a
// poller, and the least for each. With 400 who send as fast as they can, a full
// buffer of each took 30 ms, and everybody else waited for so long.
const (
	roundBytes = 1 << 20
	leastBytes = 4 << 10
)

// yieldEvery is after how many connections of a round a poller lets others run:
// requests that are refused take it 50 us each, and it may have a thousand at hand.
const yieldEvery = 16

// roundRequests is how many requests a poller reads in one round: the others are
// still there in the next one, after all who are connected have had theirs.
const roundRequests = 64

// turns are the rounds of one poller, and its own: epoll hands out the sockets
// that are ready one after the other, and a round is over when one comes again.
type turns struct {
	pollers int

	round  uint16
	ready  int      // connections that the round before this one had
	served int      // and this one has by now
	asked  int      // requests that were read in it
	marks  []uint16 // by descriptor: the round that served it last

	_ [64]byte // other pollers' are elsewhere
}

// next is how many bytes the connection with this descriptor may have read now,
// and whether the poller lets others run afterwards.
func (t *turns) next(fd int) (bytes int, yield bool) {
	i := fd / t.pollers
	if i >= len(t.marks) {
		t.marks = append(t.marks, make([]uint16, i+1-len(t.marks))...)
	}
	if t.marks[i] == t.round {
		t.round++
		t.ready, t.served, t.asked = t.served, 0, 0
	}
	t.marks[i] = t.round
	t.served++
	return max(leastBytes, roundBytes/max(t.ready, t.served)), t.served%yieldEvery == 0
}

// request says whether a request may be read in this round.
func (t *turns) request() bool {
	t.asked++
	return t.asked <= roundRequests
}
