package sampled

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

// O3: at most ten lines a second of one kind are written, and the next one
// tells how many were not.
func TestO3Sampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := New(zerolog.New(&b), 2)
		for range 1000 {
			l.Event(zerolog.WarnLevel, 0).Str("reason", "a").Msg("refused")
		}
		l.Event(zerolog.WarnLevel, 1).Str("reason", "b").Msg("refused")
		if n := strings.Count(b.String(), "\n"); n != PerSecond+1 {
			t.Errorf("%d lines, want %d", n, PerSecond+1)
		}
		b.Reset()
		time.Sleep(time.Second)
		l.Event(zerolog.WarnLevel, 0).Msg("refused")
		var line struct{ Muted int }
		if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Muted != 1000-PerSecond {
			t.Errorf("%q: %v, want %d muted", b.String(), err, 1000-PerSecond)
		}
	})
}

// O3: whatever a client sends, its text is short, printable, and stays one line.
func TestO3Text(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com":          "https://example.com",
		"grün 日本":                      "grün 日本",
		"a\n{\"level\":\"info\"}":      `a\n{"level":"info"}`,
		"\x1b[31mred":                  `\x1b[31mred`,
		"abc\u202edef\u2066":           `abc\u202edef\u2066`,
		"a\u2028b\u00a0":               `a\u2028b\u00a0`,
		"\xff\x00\x9b":                 `\xff\x00\x9b`,
		strings.Repeat("x", 256):       strings.Repeat("x", 256),
		strings.Repeat("x", 257):       strings.Repeat("x", 256) + "...",
		strings.Repeat("x", 255) + "ü": strings.Repeat("x", 255) + "...",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzText: nothing but printable characters comes out, and not much more than went in.
func FuzzText(f *testing.F) {
	f.Add("a\u202e\x1b\n\xff" + strings.Repeat("ü", 200))
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || len(got) > 10*maxText+3 {
			t.Fatalf("%q: %q", s, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q: %q has %q in it", s, got, r)
			}
		}
	})
}

// O3: with the level off an event costs no allocation.
func TestO3Off(t *testing.T) {
	l := New(zerolog.New(&bytes.Buffer{}).Level(zerolog.InfoLevel), 1)
	if n := testing.AllocsPerRun(100, func() { l.Event(zerolog.DebugLevel, 0).Str("reason", "x").Msg("closed") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
