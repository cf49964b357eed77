package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// writeMemory writes the steps of a connect run, a line each.
func (r *Result) writeMemory(w io.Writer) error {
	if len(r.Memory) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nmemory, MiB\tconnects/s\tserver\tserver, PSS\tflood\tkernel slab\tTCP buffers\tall in use\t\n")
	for _, m := range r.Memory {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Connections, short(m.ConnectRate),
			mib(m.Bytes), mib(m.PSS), mib(m.Generator), mib(m.Kernel.Slab), mib(m.Kernel.Sockets), mib(m.Kernel.Used))
	}
	if len(r.Memory) > 1 {
		slope := func(of func(MemoryStep) int64) string { return fmt.Sprintf("%.0f", r.Slope(of)) }
		fmt.Fprintf(t, "B each\t\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", r.BytesPerConnection(),
			slope(func(m MemoryStep) int64 { return m.PSS }),
			slope(func(m MemoryStep) int64 { return m.Generator }),
			slope(func(m MemoryStep) int64 { return m.Kernel.Slab }),
			slope(func(m MemoryStep) int64 { return m.Kernel.Sockets }),
			slope(func(m MemoryStep) int64 { return m.Kernel.Used }))
	}
	if err := t.Flush(); err != nil || len(r.Memory) < 2 {
		return err
	}
	_, err := fmt.Fprintf(w, "B each: between the first and the last line. Server and flood: anonymous resident memory.\n"+
		"The kernel's is the whole host's: both ends of each connection when the server runs here.\n%s", r.caches())
	return err
}

// caches names the slab caches that grow the most with connections.
func (r *Result) caches() string {
	type cache struct {
		name string
		each float64
	}
	var grown []cache
	for name := range r.Memory[len(r.Memory)-1].Kernel.Caches {
		each := r.Slope(func(m MemoryStep) int64 { return m.Kernel.Caches[name] })
		if each >= 16 {
			grown = append(grown, cache{name, each})
		}
	}
	if len(grown) == 0 {
		return ""
	}
	slices.SortFunc(grown, func(a, b cache) int { return cmp.Or(cmp.Compare(b.each, a.each), cmp.Compare(a.name, b.name)) })
	var out strings.Builder
	width := 0
	for i, c := range grown {
		item := fmt.Sprintf("%s %.0f", c.name, c.each)
		switch {
		case i == 0:
			item = "Its slab caches, B each: " + item
		case width+len(item) > 96:
			item, width = ",\n  "+item, 0
		default:
			item = ", " + item
		}
		out.WriteString(item)
		width += len(item)
	}
	return out.String() + "\n"
}

// rowRollCall is of a run that ended with one.
func (r *Result) rowRollCall(row func(string, string, ...any)) {
	if c := r.RollCall; c != nil {
		row("roll call", "%d to each of %d channels: %d of %d deliveries in %v", c.Messages, c.Channels, c.Delivered, c.Expected, c.Took.Round(time.Millisecond))
	}
}
