package bench

// Faults counts what went wrong with messages, summed over all subscribers.
type Faults struct {
	Lost       uint64 `json:"lost"`       // never came, although the connection stayed open
	Duplicated uint64 `json:"duplicated"` // came again
	Reordered  uint64 `json:"reordered"`  // came after a later one of the same publisher
	Corrupt    uint64 `json:"corrupt"`    // checksum or layout wrong
	Misrouted  uint64 `json:"misrouted"`  // of a channel that the subscriber did not join
}

// Any says whether there is one at all.
func (f Faults) Any() bool { return f != Faults{} }

// checker follows the sequence numbers of every (subscriber, publisher) pair,
// each of which is a slot: a dense number from 0. What is lost counts as lost
// while it is missing, so that the figures are right at any time.
type checker struct {
	next    []uint64      // by slot; the sequence number that should come; 0: any may come first
	base    []uint64      // by slot; where next is 0, what follows this number must come; nil: it need not
	missing map[int][]gap // by slot; only for slots with gaps
	faults  Faults
}

// gap is a run of missing sequence numbers, both ends included.
type gap struct{ from, to uint64 }

// newChecker starts every slot at sequence number first; 0 takes whatever comes
// first (a subscriber that joins in the middle).
func newChecker(slots int, first uint64) *checker {
	c := &checker{next: make([]uint64, slots), missing: map[int][]gap{}}
	for i := range c.next {
		c.next[i] = first
	}
	return c
}

// see takes note that seq came at slot, and says whether it came for the first time.
//
// hot: once per received message.
func (c *checker) see(slot int, seq uint64) bool {
	if next := c.next[slot]; next == seq {
		c.next[slot] = next + 1
		return true
	}
	return c.outOfOrder(slot, seq)
}

func (c *checker) outOfOrder(slot int, seq uint64) bool {
	next := c.due(slot)
	if next == 0 || (seq < next && c.next[slot] == 0) {
		c.next[slot] = seq + 1
		return true
	}
	if seq >= next {
		c.lose(slot, next, seq)
		c.next[slot] = seq + 1
		return true
	}
	gaps := c.missing[slot]
	for i, g := range gaps {
		if seq < g.from || seq > g.to {
			continue
		}
		rest := append([]gap{}, gaps[:i]...)
		if g.from < seq {
			rest = append(rest, gap{g.from, seq - 1})
		}
		if seq < g.to {
			rest = append(rest, gap{seq + 1, g.to})
		}
		c.missing[slot] = append(rest, gaps[i+1:]...)
		c.faults.Lost--
		c.faults.Reordered++
		return true
	}
	c.faults.Duplicated++
	return false
}

// finish counts as lost what slot did not get of the sequence numbers up to last.
func (c *checker) finish(slot int, last uint64) {
	if next := c.due(slot); next != 0 && next <= last {
		c.faults.Lost += last + 1 - next
		c.next[slot] = last + 1
	}
}

// due is the sequence number that slot should get next, 0: any may come first.
func (c *checker) due(slot int) uint64 {
	if next := c.next[slot]; next != 0 || c.base == nil {
		return next
	}
	return c.base[slot] + 1
}

// lose counts the numbers [from, to) as missing at slot.
func (c *checker) lose(slot int, from, to uint64) {
	if to > from {
		c.faults.Lost += to - from
		c.missing[slot] = append(c.missing[slot], gap{from, to - 1})
	}
}

// pass moves slot, which is about to see seq, over numbers that nobody is owed:
// void, in ascending order.
func (c *checker) pass(slot int, seq uint64, void []gap) {
	for _, v := range void {
		next := c.due(slot)
		if next == 0 || v.to < next || v.from >= seq {
			continue
		}
		c.lose(slot, next, v.from)
		c.next[slot] = min(v.to+1, seq)
	}
}

// joins makes slot as new, for a subscriber that joins when base was the last
// number: what follows it must come, and what was on the way before it may.
// openBase: there is no telling, and whatever comes first is the first.
func (c *checker) joins(slot int, base uint64) {
	c.forget(slot)
	c.base[slot] = base
}

// openBase is above every sequence number.
const openBase = 1 << 62

// forget makes slot as new, for a subscriber that joins in the middle.
func (c *checker) forget(slot int) {
	c.next[slot] = 0
	delete(c.missing, slot)
}
