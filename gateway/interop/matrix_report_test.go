//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// A pattern finds a version: in a file of clients, or in what a command prints.
type pattern struct {
	file     string
	command  []string
	find     string // a regular expression with one group
	platform string // what it is the version of; empty = the client
}

func (p pattern) version(t *testing.T) string {
	t.Helper()
	var text []byte
	var err error
	if p.file != "" {
		text, err = os.ReadFile(filepath.Join("clients", p.file))
	} else {
		text, err = exec.CommandContext(t.Context(), p.command[0], p.command[1:]...).Output()
	}
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(p.find).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no version in %s%v", p.file, p.command)
	}
	return strings.TrimSpace(p.platform + " " + string(found[1]))
}

func (c client) versions(t *testing.T) string {
	t.Helper()
	var all []string
	for _, p := range c.version {
		all = append(all, p.version(t))
	}
	return strings.Join(all, ", ")
}

// What a client without compression does is told from what one with it does.
func (c client) cell(at cell, s score) string {
	if at.deflate && !c.deflate {
		return s.String() + " uncompressed"
	}
	return s.String()
}

// report writes the table to where it was asked for.
func report(t *testing.T, chosen []client, board *scoreboard) {
	t.Helper()
	if *tableFile != "" {
		writeFile(t, *tableFile, plainTable(t, chosen, board))
	}
	if !*update {
		return
	}
	if t.Failed() || *onlyClients != "" {
		t.Fatal("docs/interop.md is written after a run of all clients in which none failed")
	}
	const path, begin, end = "../../docs/interop.md", "<!-- table -->\n", "<!-- end of the table -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no place for the table", path)
	}
	writeFile(t, path, before+begin+markdown(t, chosen, board)+end+after)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// plainTable is for a terminal.
func plainTable(t *testing.T, chosen []client, board *scoreboard) string {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "client\tversion")
	for _, c := range cells() {
		fmt.Fprintf(w, "\t%v", c)
	}
	for _, cl := range chosen {
		fmt.Fprintf(w, "\n%s\t%s", cl.name, cl.versions(t))
		for _, c := range cells() {
			fmt.Fprintf(w, "\t%s", cl.cell(c, board.scores[cl.name][c]))
		}
	}
	fmt.Fprintln(w)
	w.Flush()
	return b.String()
}

// markdown is for docs/interop.md.
func markdown(t *testing.T, chosen []client, board *scoreboard) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n`make interop` on %s:\n\n| client | version |", time.Now().UTC().Format(time.DateOnly))
	for _, c := range cells() {
		fmt.Fprintf(&b, " %v |", c)
	}
	b.WriteString("\n" + strings.Repeat("|---", 2+len(cells())) + "|\n")
	for _, cl := range chosen {
		fmt.Fprintf(&b, "| %s | %s |", cl.name, cl.versions(t))
		for _, c := range cells() {
			fmt.Fprintf(&b, " %s |", cl.cell(c, board.scores[cl.name][c]))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nSteps that are left out, because the client has no way to do or to show them:\n\n")
	for _, cl := range chosen {
		var lacks []string
		for _, step := range steps() {
			if why := cl.lacks[step]; why != "" {
				lacks = append(lacks, fmt.Sprintf("%#q (%s)", step, why))
			}
		}
		if len(lacks) > 0 {
			fmt.Fprintf(&b, "- %s: %s\n", cl.name, strings.Join(lacks, ", "))
		}
	}
	b.WriteString("\n")
	return b.String()
}
