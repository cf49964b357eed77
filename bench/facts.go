package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Section is what a scenario found beside rates and latencies: named figures
// under a heading. Reports show sections as they come.
type Section struct {
	Title string `json:"title"`
	Facts []Fact `json:"facts"`
}

// Fact is one figure.
type Fact struct {
	Name  string  `json:"name"` // in words, unique within its section
	Value float64 `json:"value"`
	Unit  Unit    `json:"unit"`
	Note  string  `json:"note,omitempty"` // what a reader should know beside it
}

// Unit is what a Fact's value counts.
type Unit string

// The units of facts.
const (
	Count       Unit = "count"
	Nanoseconds Unit = "ns"
	Bytes       Unit = "bytes"
)

// Latency is a named distribution of times.
type Latency struct {
	Name string `json:"name"`
	*Quantiles
}

// String is the value as a reader wants it.
func (f Fact) String() string {
	switch f.Unit {
	case Nanoseconds:
		return shortTime(time.Duration(f.Value))
	case Bytes:
		return fmt.Sprintf("%.1f MiB", f.Value/(1<<20))
	default:
		return fmt.Sprintf("%.0f", f.Value)
	}
}

// section collects facts.
type section struct{ Section }

func (s *section) count(name string, n uint64)       { s.fact(name, float64(n), Count) }
func (s *section) time(name string, d time.Duration) { s.fact(name, float64(d), Nanoseconds) }
func (s *section) bytes(name string, n int64)        { s.fact(name, float64(n), Bytes) }
func (s *section) fact(name string, v float64, u Unit) {
	s.Facts = append(s.Facts, Fact{Name: name, Value: v, Unit: u})
}

func (s *section) note(format string, a ...any) {
	s.Facts[len(s.Facts)-1].Note = fmt.Sprintf(format, a...)
}

func (s *section) counts(each map[string]uint64) {
	for _, name := range slices.Sorted(maps.Keys(each)) {
		s.count(name, each[name])
	}
}

// report adds a section to the result, unless it is empty.
func (r *Result) report(s section) {
	if len(s.Facts) > 0 {
		r.Sections = append(r.Sections, s.Section)
	}
}

// latency adds a row to the table of latencies, unless nothing was counted.
func (r *Result) latency(name string, c *counter) {
	if q, _ := c.quantiles(); q != nil {
		r.Latencies = append(r.Latencies, Latency{name, q})
	}
}

// problem notes that something did not go as it should; the run is then not OK.
func (r *Result) problem(format string, a ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, a...))
}

// mergeFound adds what another process of the run found beside.
func (r *Result) mergeFound(o *Result) error {
	for _, l := range o.Latencies {
		k := slices.IndexFunc(r.Latencies, func(have Latency) bool { return have.Name == l.Name })
		if k < 0 {
			r.Latencies = append(r.Latencies, l)
			continue
		}
		q, err := r.Latencies[k].merged(l.Quantiles)
		if err != nil {
			return fmt.Errorf("bench: merge: %w", err)
		}
		r.Latencies[k].Quantiles = q
	}
	for _, s := range o.Sections {
		k := slices.IndexFunc(r.Sections, func(have Section) bool { return have.Title == s.Title })
		if k < 0 {
			r.Sections = append(r.Sections, s)
			continue
		}
		r.Sections[k].merge(s)
	}
	for _, p := range o.Problems {
		if !slices.Contains(r.Problems, p) {
			r.Problems = append(r.Problems, p)
		}
	}
	return nil
}

// merge adds what another process counted; of times the latest one counts.
func (s *Section) merge(o Section) {
	s.Facts = slices.Clone(s.Facts)
	for _, f := range o.Facts {
		k := slices.IndexFunc(s.Facts, func(have Fact) bool { return have.Name == f.Name })
		switch {
		case k < 0:
			s.Facts = append(s.Facts, f)
		case f.Unit == Nanoseconds:
			s.Facts[k].Value = max(s.Facts[k].Value, f.Value)
		default:
			s.Facts[k].Value += f.Value
		}
	}
}

func (r *Result) writeSections(w io.Writer) error {
	for _, s := range r.Sections {
		if _, err := fmt.Fprintf(w, "\n%s\n", s.Title); err != nil {
			return err
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range s.Facts {
			fmt.Fprintf(t, "  %s\t%s", f.Name, f)
			if f.Note != "" {
				fmt.Fprintf(t, "\t%s", f.Note)
			}
			fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// closeName is what a close code is called; 0 is none.
func closeName(code uint16) string {
	if code == 0 {
		return "no close frame"
	}
	return fmt.Sprint(code)
}
