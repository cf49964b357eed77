package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the result as a table of at most 100 columns, rounded to be
// read. An invalid result shows why, and no figures.
func (r *Result) WriteText(w io.Writer) error {
	if r.Invalid != "" {
		_, err := fmt.Fprintf(w, "INVALID: %s\n", r.Invalid)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, a ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, a...)) }
	r.rowsPlan(row)
	r.rowsRate(row)
	if err := t.Flush(); err != nil {
		return err
	}
	if err := r.writeAttacks(w); err != nil {
		return err
	}
	if err := r.writeSections(w); err != nil {
		return err
	}
	if err := r.writeLatencies(w); err != nil {
		return err
	}
	return r.writeMemory(w)
}

func (r *Result) rowsPlan(row func(string, string, ...any)) {
	p := &r.Plan
	what := p.Scenario
	switch {
	case p.Window > 0:
		what += fmt.Sprintf(", closed loop, %d in flight", p.Window)
	case p.PublishRate > 0:
		what += fmt.Sprintf(", open loop, %s publishes/s", short(p.PublishRate))
	}
	if p.PublishRate > 0 || p.Scenario == "fanout" || p.Scenario == "echo" {
		what += fmt.Sprintf(", %d B", p.Size)
	}
	row("scenario", "%s", what)
	if r.Interrupted {
		row("", "ended early: the figures are of what was done until then")
	}
	row("connections", "%d opened, %d failed, %d lost%s", r.Opened, r.Failed, r.Lost, r.codes())
	if r.FirstFail != "" {
		row("first failure", "%s", r.FirstFail)
	}
	f := r.Faults
	if p.PublishRate > 0 || p.Window > 0 || r.RollCall != nil {
		row("messages", "%d published; %d lost, %d duplicated, %d reordered, %d corrupt, %d misrouted",
			r.Published, f.Lost, f.Duplicated, f.Reordered, f.Corrupt, f.Misrouted)
	}
	if r.LastOf > 0 {
		row("", "the last subscriber is that of the first %d messages: of more, the processes do not keep it", r.LastOf)
	}
	if r.Undelivered > 0 {
		row("", "%d were still on the way when the run ended", r.Undelivered)
	}
	for _, problem := range r.Problems {
		row("problem", "%s", problem)
	}
}

func (r *Result) processes() string {
	if r.Processes < 2 {
		return ""
	}
	return fmt.Sprintf(", in %d processes", r.Processes)
}

func (r *Result) codes() string {
	if len(r.Codes) == 0 {
		return ""
	}
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(r.Codes)) {
		parts = append(parts, fmt.Sprintf("%s: %d", closeName(code), r.Codes[code]))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (r *Result) rowsRate(row func(string, string, ...any)) {
	row("rate", "%s %s in %v, %s/s", short(float64(r.Operations)), Plural(r.Operation), r.Window.Round(10*time.Millisecond), short(r.PerSecond()))
	if r.ServerCPU > 0 {
		row("server CPU", "%s us per %s, %.0f %% of a core", short(r.ServerMicros()), r.Operation, 100*ratio(float64(r.ServerCPU), float64(r.Window)))
	}
	row("client CPU", "%s us per %s, %.0f %% of a core%s", short(r.ClientMicros()), r.Operation, 100*r.ClientBusy(), r.processes())
	r.rowRollCall(row)
	if r.IdleCPU > 0 {
		row("server idle", "%.2f %% of a core while %d connections were held", 100*ratio(float64(r.IdleCPU), float64(r.Plan.Hold)), r.Opened)
	}
}

func (r *Result) writeLatencies(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nlatency\tp50\tp90\tp99\tp99.9\tmax\t\n")
	list := r.AllLatencies()
	for _, l := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Name,
			shortTime(l.P50), shortTime(l.P90), shortTime(l.P99), shortTime(l.P999), shortTime(l.Max))
	}
	if len(list) == 0 {
		return nil
	}
	return t.Flush()
}

// short rounds to three significant digits, with a suffix for what is large.
func short(v float64) string {
	switch {
	case v >= 999_500:
		return fmt.Sprintf("%.3g M", v/1e6)
	case v >= 9_995:
		return fmt.Sprintf("%.0f,%03.0f", float64(int(v)/1000), float64(int(v)%1000))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

func shortTime(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Nanosecond).String()
	}
}

// Plural is for names of operations.
func Plural(word string) string {
	if stem, ok := strings.CutSuffix(word, "y"); ok {
		return stem + "ies"
	}
	return word + "s"
}
