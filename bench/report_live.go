package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Live writes the progress of a run to w: one line that is repainted on a
// terminal, else one line per call.
type Live struct {
	W        io.Writer
	Terminal bool
	// Width of the terminal in columns, asked for before each line; nil or 0: 80.
	Width func() int
}

// Show is for Options.Progress.
func (l Live) Show(p Progress) {
	line := fmt.Sprintf("%6s  %s", p.Elapsed.Round(time.Second), p.Phase)
	if share, known := p.share(); known {
		if l.Terminal {
			line += "  " + bar(share, 12)
		} else {
			line += fmt.Sprintf("  %.0f %%", 100*share)
		}
	}
	line += fmt.Sprintf("  %d/%d connections", p.Open, p.Want)
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
		fmt.Fprintf(l.W, "\r\x1b[K%s", cut(line, l.width()-1))
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

func (l Live) width() int {
	if l.Width != nil {
		if w := l.Width(); w > 0 {
			return w
		}
	}
	return 80
}

// share is how much of the phase is over, where that is known: by its time, or
// by the connections that it opens.
func (p *Progress) share() (share float64, known bool) {
	switch {
	case p.Left > 0 && p.Phased+p.Left > 0:
		return float64(p.Phased) / float64(p.Phased+p.Left), true
	case p.Left == 0 && p.Open < p.Want:
		return float64(p.Open) / float64(p.Want), true
	}
	return 0, false
}

// bar is a share as so many cells.
func bar(share float64, cells int) string {
	full := int(min(max(share, 0), 1)*float64(cells) + 0.5)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "]"
}

// cut keeps a line within so many columns: a wrapped line cannot be repainted.
func cut(line string, columns int) string {
	if r := []rune(line); len(r) > columns {
		return string(r[:max(columns, 0)])
	}
	return line
}
