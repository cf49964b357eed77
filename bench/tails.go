package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// tails is what one process saw of each message's end: when the last of its
// subscribers got it. When the last one of all got it, the processes only know
// together, so each hands this over when the run is done.
type tails struct {
	of   []tail // by publisher
	most uint64 // messages of one publisher that are kept
}

// tail is of one publisher's messages.
type tail struct {
	published uint64 // by this process
	waits     bool   // it has subscribers who wait for them
	ends      []int64
}

// What is kept of a message; from endAfter on it is endAfter + the nanoseconds
// from its planned time to its last subscriber here.
const (
	endNothing     = iota // nobody waited here, or it was not of the measured window
	endUndelivered        // somebody waited until the run stopped waiting
	endLost               // somebody never got it
	endAfter
)

// maxTails bounds the messages that are kept, of all publishers together.
const maxTails = 1 << 22

func newTails(publishers int) *tails {
	return &tails{of: make([]tail, publishers), most: maxTails / uint64(max(1, publishers))}
}

// end keeps how message seq, from 1, of a publisher ended.
func (t *tails) end(publisher int, seq uint64, how int64) {
	if seq > t.most {
		return
	}
	of := &t.of[publisher]
	for uint64(len(of.ends)) < seq {
		of.ends = append(of.ends, endNothing)
	}
	of.ends[seq-1] = how
}

// close keeps how the messages of a publisher ended that somebody here still
// waits for, when the run waits no longer.
func (t *tails) close(p int, pub *publisher, waits, late bool) {
	of := &t.of[p]
	of.waits = waits
	if pub.own {
		of.published = pub.seq
	}
	for seq := min(pub.seq, t.most); uint64(len(of.ends)) < seq; {
		of.ends = append(of.ends, endNothing)
	}
	how := int64(endLost)
	if late {
		how = endUndelivered
	}
	for _, m := range pub.flight.ring {
		if m.left > 0 {
			t.end(p, m.seq, how)
		}
	}
}

// MarshalBinary keeps it small: a message mostly takes four bytes.
func (t *tails) MarshalBinary() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(t.of)))
	for _, of := range t.of {
		waits := uint64(0)
		if of.waits {
			waits = 1
		}
		b = binary.AppendUvarint(b, of.published)
		b = binary.AppendUvarint(b, uint64(len(of.ends))<<1|waits)
		for _, end := range of.ends {
			b = binary.AppendUvarint(b, uint64(end))
		}
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (t *tails) UnmarshalBinary(b []byte) error {
	short := false
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b, short = nil, true
			return 0
		}
		b = b[n:]
		return v
	}
	publishers := next()
	if publishers > maxPublishers {
		return fmt.Errorf("bench: tails of %d publishers", publishers)
	}
	*t = *newTails(int(publishers))
	for p := range t.of {
		of := &t.of[p]
		of.published = next()
		n := next()
		of.waits = n&1 != 0
		if n >>= 1; n > uint64(len(b)) { // each takes a byte at least
			short = true
			break
		}
		of.ends = make([]int64, n)
		for i := range of.ends {
			of.ends[i] = int64(next())
		}
	}
	if short {
		return errors.New("bench: tails: cut short")
	}
	return nil
}

// joined is what tails say together.
type joined struct {
	last        counter // from the planned time of a message to the last subscriber of all
	undelivered uint64
	of          uint64 // messages that were looked at
	published   uint64
}

// joinTails puts the ends together.
func joinTails(all []*tails) (*joined, error) {
	for _, t := range all {
		if len(t.of) != len(all[0].of) {
			return nil, errors.New("bench: the processes do not know the same publishers")
		}
	}
	var j joined
	for p := range all[0].of {
		published := uint64(0)
		for _, t := range all {
			published += t.of[p].published
		}
		kept := min(published, all[0].most)
		j.published += published
		j.of += kept
		for i := range kept {
			switch end := endOf(all, p, i); {
			case end == endUndelivered:
				j.undelivered++
			case end >= endAfter:
				j.last.add(end - endAfter)
			}
		}
	}
	return &j, nil
}

// endOf is how the message at index i of publisher p ended for all.
func endOf(all []*tails, p int, i uint64) int64 {
	after := int64(endNothing)
	lost := false
	for _, t := range all {
		of := &t.of[p]
		end := int64(endNothing)
		if i < uint64(len(of.ends)) {
			end = of.ends[i]
		} else if of.waits {
			end = endUndelivered // not even heard of here
		}
		switch end {
		case endUndelivered:
			return endUndelivered
		case endLost:
			lost = true
		default:
			after = max(after, end)
		}
	}
	if lost {
		return endLost
	}
	return after
}
