// Package deadline keeps many deadlines without a timer for each.
package deadline

// Queue holds deadlines that were added in the order in which they end, as
// deadlines of one fixed length are. It is what a timer wheel comes to when
// there is one length: adding and expiring cost a slice access, and there is
// nothing to cancel, because the owner looks when the time is up whether its
// value still waits. The zero value is ready. It is not safe for concurrent use.
type Queue[T any] struct {
	entries []entry[T]
	head    int
}

type entry[T any] struct {
	at    int64
	value T
}

// Add notes that value's time is up at at, in the owner's unit. An at before
// the last one ends with the last one.
func (q *Queue[T]) Add(at int64, value T) {
	if q.head > 0 && len(q.entries) == cap(q.entries) {
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, q.head = q.entries[:n], 0
	}
	q.entries = append(q.entries, entry[T]{at, value})
}

// Expired removes and returns the first value whose time is up at now.
func (q *Queue[T]) Expired(now int64) (value T, ok bool) {
	if q.head == len(q.entries) {
		if cap(q.entries) > keep {
			q.entries = nil
		}
		q.entries, q.head = q.entries[:0], 0
		return value, false
	}
	e := &q.entries[q.head]
	if e.at > now {
		return value, false
	}
	value = e.value
	*e = entry[T]{}
	q.head++
	return value, true
}

// Len is how many deadlines wait.
func (q *Queue[T]) Len() int { return len(q.entries) - q.head }

// keep is the largest slice that an empty queue holds on to.
const keep = 1024
