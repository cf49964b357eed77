package bench

import (
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// counter counts durations in buckets whose width is below 0.8 % of their value.
// Adding is an increment; an HDR histogram is made from it when it is read.
type counter struct {
	buckets [(maxExponent + 2) << 7]uint64
	n       uint64
	max     int64 // ns
}

// Durations from 2^(8+maxExponent) ns = 73 minutes on count as that.
const maxExponent = 34

// add counts ns nanoseconds; what is negative counts as 0.
//
// hot: once per received message.
func (c *counter) add(ns int64) {
	c.n++
	if ns > c.max {
		c.max = ns
	}
	c.buckets[bucket(ns)]++
}

func bucket(ns int64) int {
	if ns < 256 {
		return int(max(ns, 0))
	}
	e := bits.Len64(uint64(ns)) - 8
	if e > maxExponent {
		return len(counter{}.buckets) - 1
	}
	return e<<7 + int(ns>>e)
}

// bucketValue is the middle of bucket i.
func bucketValue(i int) int64 {
	if i < 256 {
		return int64(i)
	}
	e := i>>7 - 1
	return int64(i-e<<7)<<e + 1<<e>>1
}

func (c *counter) reset() { *c = counter{} }

// quantile is the value below which the share q of all is; 0 when there is none.
func (c *counter) quantile(q float64) time.Duration {
	rank, sum := uint64(q*float64(c.n)), uint64(0)
	for i, n := range &c.buckets {
		if sum += n; n > 0 && sum > rank {
			return time.Duration(min(bucketValue(i), c.max))
		}
	}
	return time.Duration(c.max)
}

// histogram is the same as an HDR histogram in ns, up to 1 h. Each bucket has its
// one value in it, so that histograms of several counters add up to that of one
// which counted everything.
func (c *counter) histogram() *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, int64(time.Hour), 3)
	for i, n := range &c.buckets {
		if n > 0 {
			// The one error is a value out of range, which the clamp excludes.
			_ = h.RecordValues(min(bucketValue(i), int64(time.Hour)), int64(n))
		}
	}
	return h
}
