package bench

import (
	"fmt"
	"io"
	"time"
)

// Live writes the progress of a run to w: one line that is repainted on a
// terminal, else one line per call.
type Live struct {
	W        io.Writer
	Terminal bool
}

// Show is for Options.Progress.
func (l Live) Show(p Progress) {
	line := fmt.Sprintf("%6s  %-10s %d/%d connections", p.Elapsed.Round(time.Second), p.Phase, p.Open, p.Want)
	if p.Done > 0 {
		line += fmt.Sprintf("  %s/s", short(p.PerSecond))
	}
	if p.P99 > 0 {
		line += fmt.Sprintf("  p50 %s p99 %s", shortTime(p.P50), shortTime(p.P99))
	}
	if p.Errors > 0 {
		line += fmt.Sprintf("  %d errors", p.Errors)
	}
	if p.Left > 0 {
		line += fmt.Sprintf("  %v left", p.Left.Round(time.Second))
	}
	if l.Terminal {
		fmt.Fprintf(l.W, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(l.W, line)
	}
}

// Clear removes the repainted line.
func (l Live) Clear() {
	if l.Terminal {
		fmt.Fprint(l.W, "\r\x1b[K")
	}
}
