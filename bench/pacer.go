package bench

import (
	"math"
	"time"
)

// Pacer is a plan of events at a constant rate, as arithmetic: it has no clock.
type Pacer struct {
	Rate float64 // events per second; 0: all at once
}

// Planned is when event k (from 0) is due, counted from the start.
func (p Pacer) Planned(k uint64) time.Duration {
	if p.Rate <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(float64(k) / p.Rate * 1e9))
}

// Due is how many events are due when elapsed has passed since the start.
func (p Pacer) Due(elapsed time.Duration) uint64 {
	if elapsed < 0 {
		return 0
	}
	if p.Rate <= 0 {
		return math.MaxUint64
	}
	n := uint64(elapsed.Seconds() * p.Rate)
	for p.Planned(n) <= elapsed { // the arithmetic above may be off by one
		n++
	}
	for n > 0 && p.Planned(n-1) > elapsed {
		n--
	}
	return n
}
