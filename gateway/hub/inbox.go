package hub

import (
	"sync"
	"sync/atomic"

	"sluice/gateway/metrics"
)

// itemKind says what an inbox item asks of the shard.
type itemKind uint8

const (
	itemPublish     itemKind = iota // frame goes to the subscribers of ch that speak variant
	itemAttach                      // sub is new
	itemBegin                       // sub, which was held, gets frame and then what waits for it
	itemSubscribe                   // sub joins ch, and gets frame first, if there is one
	itemUnsubscribe                 // sub leaves ch
	itemReply                       // the control frame goes to sub alone
	itemClose                       // sub gets frame as its last one, for reason n
	itemReady                       // sub's socket has room again
	itemDetach                      // sub's connection has ended
	itemTick                        // the hub's time moved on
	itemEnd                         // sub ends in n ticks, for reason
	itemGap                         // the subscribers of ch that speak variant are closed for a gap
	itemCall                        // do runs on the shard's goroutine
)

// item is one entry of a shard's inbox. All that concerns a shard goes through
// it, in one order: what a client did first takes effect first.
type item struct {
	kind    itemKind
	variant Variant
	reason  metrics.CloseReason
	n       uint32
	sub     *Subscriber
	ch      *channel
	frame   *Frame
	do      func()
}

// inbox is a queue of many producers and one consumer. Producers append under
// a short lock; the consumer swaps the whole slice out, so that a burst costs
// it one lock. Publications are bounded by Hub.Publish through waiting; the
// other kinds are bounded by the number of connections.
type inbox struct {
	// Guarded by mu.
	mu       sync.Mutex
	items    []item
	sleeping bool // the consumer waits on wake

	wake chan struct{}

	// Shared. What was posted and not yet delivered, the runs' pending frames included.
	waiting      atomic.Int64 // publications
	waitingBytes atomic.Int64 // their frames' bytes
}

// put appends it and reports whether the consumer has to be woken (signal),
// which the caller does once it holds no lock.
//
// hot: allocates only while the queue grows to its working size.
func (q *inbox) put(it item) (wake bool) {
	q.mu.Lock()
	q.items = append(q.items, it)
	wake = q.sleeping
	q.sleeping = false
	q.mu.Unlock()
	return wake
}

// signal wakes the consumer. It never blocks.
func (q *inbox) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take swaps the queued items for the empty slice buf. When there are none and
// mayBlock is set, the consumer counts as sleeping and has to wait on q.wake.
func (q *inbox) take(buf []item, mayBlock bool) []item {
	q.mu.Lock()
	items := q.items
	if len(items) == 0 {
		q.sleeping = mayBlock
		q.mu.Unlock()
		return buf
	}
	q.items = buf
	q.mu.Unlock()
	return items
}
