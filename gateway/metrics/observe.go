package metrics

import (
	"math/bits"
	"time"
)

// fanoutBounds are the upper, inclusive bounds of the fan-out time's buckets;
// the last bucket, +Inf, has none. They are dense where a healthy node stands
// (one slice of subscribers takes well under 25 ms) and coarse above it.
var fanoutBounds = [NumFanoutBuckets - 1]time.Duration{
	100 * time.Microsecond,
	250 * time.Microsecond,
	500 * time.Microsecond,
	1 * time.Millisecond,
	2500 * time.Microsecond,
	5 * time.Millisecond,
	10 * time.Millisecond,
	25 * time.Millisecond,
	100 * time.Millisecond,
	250 * time.Millisecond,
	1 * time.Second,
	2500 * time.Millisecond,
	10 * time.Second,
}

// FanoutBounds is a copy of the bounds of Cell.FanoutSeconds, ascending: bucket
// i counts what is at most bound i, and more than the one before; the bucket
// after the last bound counts the rest.
func FanoutBounds() [NumFanoutBuckets - 1]time.Duration { return fanoutBounds }

// ObserveFanout notes that n batches took d each, from publish to last write.
// A negative d, which a clock that is not monotonic could give, counts as 0.
// Nothing happens when n is not positive.
//
// hot: once per batch.
func (c *Cell) ObserveFanout(d time.Duration, n int) {
	if n <= 0 {
		return
	}
	d = max(d, 0)
	i := 0
	for i < len(fanoutBounds) && d > fanoutBounds[i] {
		i++
	}
	c.FanoutSeconds[i].Add(uint64(n))
	c.FanoutNanos.Add(uint64(d) * uint64(n))
}

// ObserveBatch notes one batch of so many frames, as it is given to each of its
// subscribers in one write. Nothing happens when frames is not positive.
//
// hot: once per batch.
func (c *Cell) ObserveBatch(frames int) {
	if frames <= 0 {
		return
	}
	// The bounds are powers of two: bucket i ends at 1<<i.
	i := min(bits.Len(uint(frames-1)), NumBatchBuckets-1)
	c.FramesPerSend[i].Add(1)
	c.FramesSent.Add(uint64(frames))
}
