package suite

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Outcome is what a row measured: by server, round and metric.
type Outcome struct {
	Row    Row
	Values map[string][][]float64
}

// Spread is the median of the rounds and their extremes.
type Spread struct{ Median, Min, Max float64 }

func spread(rounds [][]float64, metric int) Spread {
	var v []float64
	for _, r := range rounds {
		v = append(v, r[metric])
	}
	if len(v) == 0 {
		return Spread{}
	}
	slices.Sort(v)
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return Spread{m, v[0], v[len(v)-1]}
}

func (s Spread) String() string {
	if s.Min == s.Max {
		return figure(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", figure(s.Median), figure(s.Min), figure(s.Max))
}

// judged is the value that the bar is for.
func (o Outcome) judged(metric int) float64 {
	first := spread(o.Values[o.Row.Servers[0]], metric).Median
	if !o.Row.Metrics[metric].Ratio {
		return first
	}
	base := spread(o.Values[o.Row.Servers[len(o.Row.Servers)-1]], metric).Median
	if base == 0 {
		return 0
	}
	return first / base
}

func (m Metric) holds(v float64) bool {
	if m.AtMost {
		return v <= m.Bar
	}
	return v >= m.Bar
}

func (m Metric) limit(v float64) string {
	if m.AtMost {
		return "<= " + figure(v)
	}
	return ">= " + figure(v)
}

// Holds says whether every bar does.
func Holds(outcomes []Outcome) bool {
	for _, o := range outcomes {
		for i, m := range o.Row.Metrics {
			if !m.holds(o.judged(i)) {
				return false
			}
		}
	}
	return true
}

// Write writes the table in Markdown.
func (s *Suite) Write(w io.Writer, outcomes []Outcome) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# Results\n\nMade by `make bench` on %s: %s.\n", time.Now().UTC().Format("2006-01-02"), Machine())
	fmt.Fprintf(b, "The server has core %s (GOMAXPROCS=1), the generator core %s; servers interleaved, medians of %d rounds (lowest-highest).\n",
		s.ServerCore, s.ClientCore, s.Rounds)
	fmt.Fprint(b, "128-byte payloads over loopback; a delivery is one message received, and checked, by one subscriber.\n",
		"Absolute figures move with the machine; the ratios of one run hold.\n\n")
	fmt.Fprint(b, "| what | figure | sluice | beside it | judged | bar | aim |\n|---|---|---|---|---|---|---|\n")
	for _, o := range outcomes {
		for i, m := range o.Row.Metrics {
			o.writeLine(b, s.Scale, i, m)
		}
	}
	fmt.Fprint(b, "\n`floor` is bench/floor/floor.c: the least an epoll server can do, one send per delivery; `floor -b` gives each connection one send per turn of its loop.\n",
		"\nEach row runs alone with `bench/run.sh NAME`; what it asks of the generator:\n\n```\n")
	for _, o := range outcomes {
		fmt.Fprintf(b, "%-11s flood run %s\n", o.Row.Name, strings.Join(o.Row.Command(s.Scale), " "))
	}
	fmt.Fprint(b, "```\n")
	return b.Flush()
}

func (o Outcome) writeLine(w io.Writer, scale Scale, metric int, m Metric) {
	first, last := o.Row.Servers[0], o.Row.Servers[len(o.Row.Servers)-1]
	v := o.judged(metric)
	kind := m.Unit
	if m.Ratio {
		kind = "x"
	}
	mark := "holds"
	if !m.holds(v) {
		mark = "**missed**"
	}
	beside := ""
	if last != first {
		beside = fmt.Sprintf("%s: %s", last, spread(o.Values[last], metric))
	}
	fmt.Fprintf(w, "| %s | %s, %s | %s | %s | %s %s, %s | %s | %s |\n", o.Row.Title(scale), m.Name, m.Unit,
		spread(o.Values[first], metric), beside, figure(v), kind, mark, m.limit(m.Bar), m.limit(m.Aim))
}

// figure rounds to three significant digits.
func figure(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1000:
		return Thousands(int(v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

// Thousands writes n with commas.
func Thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Thousands(n/1000), n%1000)
}

// Machine is what the figures were made on.
func Machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	release := "Linux"
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		release = "Linux " + unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("%d cores of an %s, %s, %s", runtime.NumCPU(), model, release, runtime.Version())
}
