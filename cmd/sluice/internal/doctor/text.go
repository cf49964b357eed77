package doctor

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// unit says how a limit's value is printed.
type unit uint8

const (
	inCount unit = iota
	inBytes
)

// WriteText prints the report for a person, in at most 80 columns.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %13s %13s\n", "LIMIT", "VALUE", "CONNECTIONS")
	for _, l := range r.Limits {
		n := "any"
		if l.Connections != nil {
			n = count(*l.Connections)
		}
		note := l.Note
		if l.Name == r.Binds {
			note = "<- binds"
		}
		line(&b, l, n, note)
	}
	fmt.Fprintf(&b, "\n%-20s %13s\n", "ALSO", "VALUE")
	for _, l := range r.Advice {
		line(&b, l, "", l.Note)
	}
	b.WriteByte('\n')
	r.verdict(&b)
	for _, f := range r.Remedies {
		verb := "raise"
		if f.Lower {
			verb = "lower"
		}
		fmt.Fprintf(&b, "\nTo %s %s:\n", verb, f.Name)
		for _, c := range f.Commands {
			fmt.Fprintf(&b, "  %s\n", c)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func line(b *strings.Builder, l Limit, connections, note string) {
	v := "-"
	if l.Value != nil {
		v = l.unit.format(*l.Value)
	}
	s := fmt.Sprintf("%-20s %13s", l.Name, v)
	if connections != "" {
		s += fmt.Sprintf(" %13s", connections)
	}
	b.WriteString(strings.TrimRight(s+"  "+note, " "))
	b.WriteByte('\n')
}

func (r *Report) verdict(b *strings.Builder) {
	switch {
	case r.Binds == "":
		b.WriteString("No limit on connections is known on this host.\n")
	case r.Wanted == 0:
		fmt.Fprintf(b, "This host can hold %s connections: %s binds.\n", count(r.Connections), r.Binds)
	case r.Enough():
		fmt.Fprintf(b, "This host can hold %s connections, and %s are wanted: enough.\n",
			count(r.Connections), count(r.Wanted))
	default:
		fmt.Fprintf(b, "This host can hold %s connections, and %s are wanted: %s binds.\n",
			count(r.Connections), count(r.Wanted), r.Binds)
	}
}

func (u unit) format(n int64) string {
	switch {
	case n == Unlimited:
		return "unlimited"
	case u == inBytes:
		return size(n)
	}
	return count(n)
}

// count prints n with a comma between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size prints bytes in the largest unit that leaves a whole part.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
