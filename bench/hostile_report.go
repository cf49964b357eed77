package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/bench/attack"
)

// Attacked is what one attack did.
type Attacked struct {
	Name    string `json:"attack"`
	About   string `json:"about"`
	Wants   string `json:"wants"`             // what a server should do about it
	Skipped string `json:"skipped,omitempty"` // why it was not played; then nothing follows
	attack.Report

	Took  time.Duration `json:"took_ns"`
	P50   time.Duration `json:"p50_ns"` // of the deliveries to well-behaved subscribers meanwhile
	P99   time.Duration `json:"p99_ns"`
	Ratio float64       `json:"p99_to_quiet"`
	Lost  uint64        `json:"lost_messages"`    // by them
	Cut   uint64        `json:"lost_connections"` // of theirs
	// Newcomers are well-behaved clients that connected meanwhile, one at a time;
	// Rejected those of them who could not, by why; NewcomerP99 is from the dial to the
	// end of the upgrade.
	Newcomers   uint64            `json:"newcomers"`
	Rejected    map[string]uint64 `json:"newcomers_rejected,omitempty"`
	NewcomerP99 time.Duration     `json:"newcomer_p99_ns"`
	Peak        int64             `json:"peak_bytes,omitempty"` // of the server's memory; 0: no pid was given
	ServerCPU   float64           `json:"server_cpu,omitempty"` // in cores
	AttackerCPU float64           `json:"attacker_cpu"`
	Waited      float64           `json:"client_waited"`   // share of the time that the measuring client waited for a core
	LatencyBack time.Duration     `json:"latency_back_ns"` // from the attack's end until it was as in quiet; -1: it was not
	MemoryBack  time.Duration     `json:"memory_back_ns"`
	Failures    []string          `json:"failures,omitempty"` // why the server has not held; empty: it has
}

// never is for times of recovery.
const never = time.Duration(-1)

// Held says whether the server held.
func (a *Attacked) Held() bool { return len(a.Failures) == 0 }

func (a *Attacked) verdict() string {
	switch {
	case a.Skipped != "":
		return "not played"
	case a.Held():
		return "held"
	}
	return "FAILED"
}

// recovered is when all was as before.
func (a *Attacked) recovered() string {
	if a.LatencyBack == never || a.MemoryBack == never {
		return "no"
	}
	return fmt.Sprintf("%.1fs", max(a.LatencyBack, a.MemoryBack).Seconds())
}

// ends is how attempts ended, the most frequent first.
func (a *Attacked) ends() string {
	names := slices.SortedFunc(maps.Keys(a.Ends), func(x, y string) int {
		return cmp.Or(cmp.Compare(a.Ends[y], a.Ends[x]), strings.Compare(x, y))
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s: %s", name, short(float64(a.Ends[name]))))
	}
	return strings.Join(parts, ", ")
}

func (a *Attacked) memory() string {
	if a.Peak == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f MiB", float64(a.Peak)/(1<<20))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// writeAttacks writes a row for each attack, and how its attempts ended beneath.
func (r *Result) writeAttacks(w io.Writer) error {
	if len(r.Attacks) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nattack\tattempts\tp50\tp99\tx quiet\tlost\tcut\tconnect\tmemory\tback after\tverdict\n")
	for i := range r.Attacks {
		a := &r.Attacks[i]
		if a.Skipped != "" {
			fmt.Fprintf(t, "%s\t\t\t\t\t\t\t\t\t\tnot played\n", a.Name)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\t%d\t%d\t%s\t%s\t%s\t%s\n", a.Name, short(float64(a.Attempts)), shortTime(a.P50), shortTime(a.P99), a.Ratio,
			a.Lost, a.Cut, shortTime(a.NewcomerP99), a.memory(), a.recovered(), a.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nattack\thow attempts ended\n")
	for i := range r.Attacks {
		a := &r.Attacks[i]
		fmt.Fprintf(t, "%s\t%s\n", a.Name, cmp.Or(a.Skipped, a.ends()))
	}
	return t.Flush()
}

// WriteAttacks writes the attacks as a table of Markdown.
func (r *Result) WriteAttacks(w io.Writer) error {
	if r.Invalid != "" {
		_, err := fmt.Fprintf(w, "INVALID: %s\n", r.Invalid)
		return err
	}
	var b strings.Builder
	quiet := slices.IndexFunc(r.Latencies, func(l Latency) bool { return l.Name == quietLatency })
	if quiet >= 0 {
		fmt.Fprintf(&b, "%d subscribers, %s messages a second, %d attack sockets, %v each. In quiet: p50 %s, p99 %s.\n\n", r.Plan.Connections, short(r.Plan.PublishRate),
			r.Plan.AttackSockets, r.Plan.Duration, shortTime(r.Latencies[quiet].P50), shortTime(r.Latencies[quiet].P99))
	}
	b.WriteString("| attack | what it does | attempts | how they ended | p99 | x quiet | lost | connect | memory | back after | verdict |\n")
	b.WriteString("|---|---|--:|---|--:|--:|--:|--:|--:|--:|---|\n")
	for i := range r.Attacks {
		a := &r.Attacks[i]
		if a.Skipped != "" {
			fmt.Fprintf(&b, "| %s | %s | | %s | | | | | | | not played |\n", a.Name, a.About, a.Skipped)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.2f | %d | %s | %s | %s | %s |\n", a.Name, a.About, short(float64(a.Attempts)), a.ends(),
			shortTime(a.P99), a.Ratio, a.Lost+a.Cut, shortTime(a.NewcomerP99), a.memory(), a.recovered(), a.verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
