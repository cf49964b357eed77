package bench

import (
	"math"
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	for _, tt := range []struct {
		rate    float64
		elapsed time.Duration
		due     uint64
	}{
		{50, -1, 0},
		{50, 0, 1}, // the first is due at once
		{50, 20*time.Millisecond - 1, 1},
		{50, 20 * time.Millisecond, 2},
		{50, time.Second - 1, 50},
		{50, time.Second, 51},
		{3, time.Second - 1, 3},
		{3, time.Second, 4},
		{0.5, 3 * time.Second, 2},
		{0.5, 4 * time.Second, 3},
		{1e6, time.Hour - 1, 3600e6},
		{0, 0, math.MaxUint64},
	} {
		if got := (Pacer{tt.rate}).Due(tt.elapsed); got != tt.due {
			t.Errorf("at %v/s %d are due after %v, want %d", tt.rate, got, tt.elapsed, tt.due)
		}
	}
}

// Planned and Due agree on every event, also where the rate is no round number.
func TestPacerAgreesWithItself(t *testing.T) {
	for _, rate := range []float64{0.1, 1.0 / 3, 1, 3, 7, 49.99, 1000, 333333.3} {
		p := Pacer{rate}
		for k := range uint64(3000) {
			at := p.Planned(k)
			if got := p.Due(at); got != k+1 {
				t.Fatalf("at %v/s event %d is planned for %v, when %d are due", rate, k, at, got)
			}
			if got := p.Due(at - 1); got > k {
				t.Fatalf("at %v/s event %d is planned for %v, but due before", rate, k, at)
			}
		}
	}
}
