package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sluice/bench"
)

// ErrDifferent: results are not comparable.
var ErrDifferent = errors.New("report: not comparable")

// Compare writes the figures of the results side by side, with ratios to the
// first, in at most 100 columns for three. It returns ErrDifferent for runs of
// different plans, where a ratio would say nothing, and for INVALID ones. Where
// the server was, and which it was, does not count.
func Compare(w io.Writer, results ...Named) error {
	if len(results) < 2 {
		return errors.New("report: it takes two results to compare")
	}
	base := results[0]
	for _, n := range results {
		if n.Result.Invalid != "" {
			return fmt.Errorf("%w: %s is INVALID: %s", ErrDifferent, n.Name, n.Result.Invalid)
		}
		if names := differences(&base.Result.Plan, &n.Result.Plan); len(names) > 0 {
			return fmt.Errorf("%w: the plans of %s and %s differ in %s", ErrDifferent, base.Name, n.Name, strings.Join(names, ", "))
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for i, n := range results {
		fmt.Fprintf(t, "%s\t", short(n.Name))
		if i > 0 {
			fmt.Fprint(t, "ratio\t")
		}
	}
	fmt.Fprintln(t)
	for _, row := range rows(results) {
		fmt.Fprintf(t, "%s\t", row.name)
		for i, v := range row.values {
			fmt.Fprintf(t, "%s\t", row.format(v))
			if i > 0 {
				fmt.Fprintf(t, "%s\t", times(v, row.values[0]))
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// short keeps a column narrow.
func short(name string) string {
	if r := []rune(name); len(r) > 18 {
		return "…" + string(r[len(r)-17:])
	}
	return name
}

func times(v, base float64) string {
	if base == 0 {
		if v == 0 {
			return "="
		}
		return "-"
	}
	return fmt.Sprintf("%.2f x", v/base)
}

// row is one figure of all results.
type row struct {
	name   string
	values []float64
	format func(float64) string
}

// rows are the figures that at least one of the results has.
func rows(results []Named) []row {
	var list []row
	add := func(name string, format func(float64) string, of func(*bench.Result) float64) {
		r := row{name: name, format: format}
		some := false
		for _, n := range results {
			v := of(n.Result)
			some = some || v != 0
			r.values = append(r.values, v)
		}
		if some {
			list = append(list, r)
		}
	}
	op := results[0].Result.Operation
	add("connections", plain, func(r *bench.Result) float64 { return float64(r.Opened) })
	add("failed", plain, func(r *bench.Result) float64 { return float64(r.Failed) })
	add("lost connections", plain, func(r *bench.Result) float64 { return float64(r.Lost) })
	add(bench.Plural(op)+"/s", plain, (*bench.Result).PerSecond)
	add("server CPU per "+op, duration, func(r *bench.Result) float64 { return 1e3 * r.ServerMicros() })
	add("generator CPU per "+op, duration, func(r *bench.Result) float64 { return 1e3 * r.ClientMicros() })
	add("server CPU, idle", duration, func(r *bench.Result) float64 { return float64(r.IdleCPU) })
	add("memory per connection, B", plain, (*bench.Result).BytesPerConnection)
	for _, l := range results[0].Result.AllLatencies() {
		for _, q := range []struct {
			name string
			of   func(*bench.Quantiles) float64
		}{
			{"p50", func(q *bench.Quantiles) float64 { return float64(q.P50) }},
			{"p99", func(q *bench.Quantiles) float64 { return float64(q.P99) }},
			{"max", func(q *bench.Quantiles) float64 { return float64(q.Max) }},
		} {
			add(l.Name+" "+q.name, duration, func(r *bench.Result) float64 {
				for _, have := range r.AllLatencies() {
					if have.Name == l.Name {
						return q.of(have.Quantiles)
					}
				}
				return 0
			})
		}
	}
	for _, f := range []struct {
		name string
		of   func(*bench.Faults) uint64
	}{
		{"messages lost", func(f *bench.Faults) uint64 { return f.Lost }},
		{"duplicated", func(f *bench.Faults) uint64 { return f.Duplicated }},
		{"reordered", func(f *bench.Faults) uint64 { return f.Reordered }},
		{"corrupt", func(f *bench.Faults) uint64 { return f.Corrupt }},
		{"misrouted", func(f *bench.Faults) uint64 { return f.Misrouted }},
	} {
		add(f.name, plain, func(r *bench.Result) float64 { return float64(f.of(&r.Faults)) })
	}
	for _, s := range results[0].Result.Sections {
		for _, fact := range s.Facts {
			add(fact.Name, unit(fact.Unit), func(r *bench.Result) float64 { return factOf(r, s.Title, fact.Name) })
		}
	}
	return list
}

func factOf(r *bench.Result, title, name string) float64 {
	for _, s := range r.Sections {
		for _, f := range s.Facts {
			if s.Title == title && f.Name == name {
				return f.Value
			}
		}
	}
	return 0
}

func unit(u bench.Unit) func(float64) string {
	switch u {
	case bench.Nanoseconds:
		return duration
	case bench.Bytes:
		return mebibytes
	default:
		return plain
	}
}
