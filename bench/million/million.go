// Package million judges what `make million` measured, and writes its table.
// run.sh, beside it, is what measures.
package million

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"sluice/bench"
	"sluice/bench/suite"
)

// maxBytes is what a subscribed connection may cost the server, in resident memory.
const maxBytes = 750

// dense is from how many connections on the server's whole memory is judged;
// below, where its first ten MiB would count, what a further connection costs is.
const dense = 100_000

// Proof is a run that is to show that so many connections can be held.
type Proof struct {
	Result      *bench.Result
	Connections int
	About       string // where it ran
	Command     string
}

// Failures are the reasons why the proof does not hold; none: it does.
func (p *Proof) Failures() []string {
	var why []string
	bad := func(format string, a ...any) { why = append(why, fmt.Sprintf(format, a...)) }
	r := p.Result
	if r.Interrupted {
		bad("the run was ended early")
	}
	if r.Invalid != "" {
		bad("the run is invalid: %s", r.Invalid)
	}
	if r.Opened != p.Connections || r.Failed > 0 {
		bad("%d of %d connections opened, %d failed: %s", r.Opened, p.Connections, r.Failed, r.FirstFail)
	}
	if r.Lost > 0 {
		bad("%d connections were lost", r.Lost)
	}
	if r.Faults.Any() {
		bad("messages: %+v", r.Faults)
	}
	switch c := r.RollCall; {
	case c == nil:
		bad("there was no roll call")
	case c.Expected != uint64(p.Connections*c.Messages) || c.Delivered != c.Expected:
		bad("the roll call had %d deliveries, %d were expected of %d open connections", c.Delivered, c.Expected, p.Connections)
	}
	if n := len(r.Memory); n < 2 || r.Memory[n-1].Connections != p.Connections {
		bad("memory was not read at %d connections", p.Connections)
	} else if each := p.bytes(); each > maxBytes {
		bad("a connection costs the server %.0f bytes, more than %d", each, maxBytes)
	}
	return why
}

// bytes is the server's resident memory for each connection.
func (p *Proof) bytes() float64 {
	if p.Connections < dense {
		return p.Result.BytesPerConnection()
	}
	last := p.Result.Memory[len(p.Result.Memory)-1]
	return float64(last.Bytes) / float64(last.Connections)
}

// Write writes the table in Markdown.
func (p *Proof) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	r := p.Result
	fmt.Fprintf(b, "## %s connections on one process\n\nMade by `%s` on %s: %s; %s.\n",
		suite.Thousands(p.Connections), p.Command, r.Started.UTC().Format("2006-01-02"), suite.Machine(), p.About)
	fmt.Fprint(b, "One `sluice serve` process with one core (GOMAXPROCS=1), one `flood` process with the other; pings off (configs/million.yaml).\n\n")
	fmt.Fprint(b, "| connections | connects/s | server, RSS | each | flood, RSS | each | kernel, both ends | together |\n",
		"|---|---|---|---|---|---|---|---|\n")
	for _, m := range r.Memory {
		each := func(bytes int64) string { return suite.Thousands(int(bytes)/max(1, m.Connections)) + " B" }
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", suite.Thousands(m.Connections), suite.Thousands(int(m.ConnectRate)),
			mib(m.Bytes), each(m.Bytes), mib(m.Generator), each(m.Generator), mib(m.Kernel.Slab), mib(m.Bytes+m.Generator+m.Kernel.Slab))
	}
	fmt.Fprintf(b, "\nRSS is anonymous and resident, %d seconds after the last connect; \"each\" is all of it, the process's own memory included, by connections.\n"+
		"The kernel's is all slab memory: sockets, files, epoll items of server and flood together. Between the first and the last line\n"+
		"a connection costs the server %.0f B, the flood %.0f B, the kernel %s B.\n\n",
		int(r.Plan.Settle/time.Second), r.BytesPerConnection(),
		r.Slope(func(m bench.MemoryStep) int64 { return m.Generator }),
		suite.Thousands(int(r.Slope(func(m bench.MemoryStep) int64 { return m.Kernel.Slab }))))
	fmt.Fprintf(b, "- %s opened, %d failed, %d lost; held for %v, in which the server used %.1f %% of its core.\n",
		suite.Thousands(r.Opened), r.Failed, r.Lost, r.Plan.Hold, 100*float64(r.IdleCPU)/float64(max(1, r.Plan.Hold)))
	if c := r.RollCall; c != nil {
		f := r.Faults
		fmt.Fprintf(b, "- Then a message to each of %s channels: %s of %s deliveries in %v; %d lost, %d duplicated, %d reordered, %d corrupt, %d misrouted.\n",
			suite.Thousands(c.Channels), suite.Thousands(int(c.Delivered)), suite.Thousands(int(c.Expected)), c.Took.Round(100*time.Millisecond),
			f.Lost, f.Duplicated, f.Reordered, f.Corrupt, f.Misrouted)
	}
	return b.Flush()
}

func mib(n int64) string { return suite.Thousands(int(n>>20)) + " MiB" }
