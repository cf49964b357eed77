package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// scale maps values to a place between 0 and 1, and says which values to name.
type scale struct {
	low, high float64
	log       bool
	ticks     []float64
}

// linear is a scale from 0 that ends at a round value at or above highest.
func linear(highest float64) scale {
	if !(highest > 0) {
		highest = 1
	}
	step := round125(highest / 4)
	s := scale{high: step * math.Ceil(highest/step*(1-1e-9))}
	for k := 0; float64(k)*step <= s.high*(1+1e-9); k++ {
		s.ticks = append(s.ticks, float64(k)*step)
	}
	return s
}

// logarithmic is a scale of whole decades, or of 1, 2, 5 where these are few.
func logarithmic(lowest, highest float64) scale {
	if !(lowest > 0) || !(highest > 0) {
		return logarithmic(1, 10)
	}
	s := scale{log: true}
	s.low = math.Pow(10, math.Floor(math.Log10(lowest)+1e-9))
	s.high = math.Pow(10, math.Ceil(math.Log10(highest)-1e-9))
	if s.high <= s.low {
		s.high = 10 * s.low
	}
	for v := s.low; v <= s.high*(1+1e-9); v *= 10 {
		s.ticks = append(s.ticks, v)
	}
	return s
}

// between is a scale of time from 0 to highest, which it does not round.
func between(highest float64) scale {
	s := scale{high: max(highest, 1e-9)}
	for step, k := timeStep(highest/5), 0; float64(k)*step <= highest*(1+1e-9); k++ {
		s.ticks = append(s.ticks, float64(k)*step)
	}
	return s
}

// at is the place of v, within 0 and 1.
func (s scale) at(v float64) float64 {
	if s.log {
		v = math.Log(max(v, s.low)/s.low) / math.Log(s.high/s.low)
	} else {
		v = (v - s.low) / (s.high - s.low)
	}
	return min(max(v, 0), 1)
}

// round125 is the least of 1, 2, 5 times a power of ten that is not below v.
func round125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// timeStep is a round number of seconds, minutes or hours.
func timeStep(v float64) float64 {
	for _, s := range []float64{15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400} {
		if v > 10 && v <= s {
			return s
		}
	}
	return round125(v)
}

// The ways to write a tick.

func plain(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return trim(v/1e9) + " G"
	case a >= 1e6:
		return trim(v/1e6) + " M"
	case a >= 1e4:
		return trim(v/1e3) + " k"
	case a >= 1000:
		return fmt.Sprintf("%d,%03d", int(v)/1000, int(v)%1000)
	default:
		return trim(v)
	}
}

func percent(v float64) string { return trim(v) + " %" }

// mebibytes of bytes.
func mebibytes(v float64) string {
	if v >= 1<<30 {
		return trim(v/(1<<30)) + " GiB"
	}
	return trim(v/(1<<20)) + " MiB"
}

// duration of nanoseconds.
func duration(v float64) string {
	switch {
	case v >= 1e9:
		return trim(v/1e9) + " s"
	case v >= 1e6:
		return trim(v/1e6) + " ms"
	case v >= 1e3:
		return trim(v/1e3) + " us"
	default:
		return trim(v) + " ns"
	}
}

// clock of seconds since the run's start.
func clock(v float64) string {
	if v < 120 {
		return trim(v) + " s"
	}
	s := time.Duration(v * float64(time.Second)).Round(time.Second).String()
	if short, is := strings.CutSuffix(s, "m0s"); is {
		s = short + "m"
	}
	if short, is := strings.CutSuffix(s, "h0m"); is {
		s = short + "h"
	}
	return s
}

// trim has three significant digits, and no zeros at the end.
func trim(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v))+1e-9)))
	s := strconv.FormatFloat(v, 'f', min(digits, 6), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// trim6 has six significant digits, for percentiles.
func trim6(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
