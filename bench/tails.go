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
	return &tails{of: make([]tail, publishers), most: max(1, maxTails/uint64(publishers))}
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
	next := func() (v uint64) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	publishers := next()
	if publishers == 0 || publishers > maxPublishers {
		return fmt.Errorf("bench: tails of %d publishers", publishers)
	}
	*t = *newTails(int(publishers))
	for p := range t.of {
		of := &t.of[p]
		of.published = next()
		n := next()
		of.waits = n&1 != 0
		if n >>= 1; n > uint64(len(b)) {
			return errors.New("bench: tails: cut short")
		}
		of.ends = make([]int64, n)
		for i := range of.ends {
			of.ends[i] = int64(next())
		}
	}
	return nil
}

// joinTails puts the ends together: of each message the last subscriber of all.
func joinTails(all []*tails) (last counter, undelivered, messages uint64, err error) {
	for _, t := range all {
		if len(t.of) != len(all[0].of) {
			return last, 0, 0, errors.New("bench: the processes do not know the same publishers")
		}
	}
	for p := range all[0].of {
		published := uint64(0)
		for _, t := range all {
			published += t.of[p].published
		}
		messages += published
		for seq := range min(published, all[0].most) {
			switch end := endOf(all, p, seq); {
			case end == endUndelivered:
				undelivered++
			case end >= endAfter:
				last.add(end - endAfter)
			}
		}
	}
	return last, undelivered, messages, nil
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
