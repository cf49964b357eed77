package suite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Part is what one target writes of bench/RESULTS.md. The parts stand in this
// order, with a mark between them, and writing one keeps the others.
type Part int

// The parts.
const (
	BenchPart   Part = iota // make bench
	MillionPart             // make million
	parts
)

// mark begins part p.
func (p Part) mark() string {
	return map[Part]string{MillionPart: "<!-- What follows is written by make million; make bench keeps it. -->\n"}[p]
}

// SavePart writes part p of the file at path, which need not exist.
func SavePart(path string, p Part, text []byte) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("suite: results: %w", err)
	}
	have := split(old)
	have[p] = text
	var b bytes.Buffer
	for i, t := range have {
		if t = bytes.TrimSpace(t); len(t) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(Part(i).mark())
		b.Write(t)
		b.WriteByte('\n')
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("suite: results: %w", err)
	}
	return nil
}

// split takes a file apart at its marks.
func split(b []byte) (out [parts][]byte) {
	for p := parts - 1; p > BenchPart; p-- {
		if before, text, found := bytes.Cut(b, []byte(p.mark())); found {
			b, out[p] = before, text
		}
	}
	out[BenchPart] = b
	return out
}
