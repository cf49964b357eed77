package bench

// flight holds the messages of one publisher that some subscriber still waits
// for. It grows to what is under way, so that no message is ever forgotten.
type flight struct {
	ring []message // by sequence number; a power of two long
	open int       // messages with someone waiting
}

type message struct {
	seq  uint64
	left int // subscribers that did not get it yet
}

func newFlight() *flight { return &flight{ring: make([]message, 64)} }

// launch adds the message seq, for which subscribers > 0 wait.
func (f *flight) launch(seq uint64, subscribers int) {
	for f.ring[seq&uint64(len(f.ring)-1)].left > 0 {
		f.grow()
	}
	f.ring[seq&uint64(len(f.ring)-1)] = message{seq, subscribers}
	f.open++
}

func (f *flight) grow() {
	old := f.ring
	f.ring = make([]message, 2*len(old))
	for _, m := range old {
		if m.left > 0 {
			f.ring[m.seq&uint64(len(f.ring)-1)] = m
		}
	}
}

// arrived says that one more subscriber needs the message no longer; it returns
// true when that was the last one.
//
// hot: once per received message.
func (f *flight) arrived(seq uint64) bool {
	m := &f.ring[seq&uint64(len(f.ring)-1)]
	if m.seq != seq || m.left == 0 {
		return false
	}
	m.left--
	if m.left > 0 {
		return false
	}
	f.open--
	return true
}
