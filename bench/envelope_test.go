package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// found is what the envelope finds in b, one after the other.
func found(e *envelope, b []byte) (out []string) {
	start, end, ok := e.find(b, 0)
	for ok {
		out = append(out, string(b[start:end]))
		start, end, ok = e.find(b, end)
	}
	return out
}

func TestEnvelope(t *testing.T) {
	const size = 60
	p := string(appendPayload(nil, size, stamp{1, 2, 3}))
	q := string(appendPayload(nil, size, stamp{1, 3, 4}))
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"bare", p, []string{p}},
		{"JSON", `{"push":{"channel":"flood-1","pub":{"data":"` + p + `","offset":44}}}`, []string{p}},
		{"within a string within JSON", `{"data":"{\"x\":\"` + p + `\"}"}`, []string{p}},
		{"a binary head", "\x01\x00\x3c" + p + "\xff", []string{p}},
		{"two", `["` + p + `","` + q + `"]`, []string{p, q}},
		{"two, one a line", p + "\n" + q, []string{p, q}},
		{"letters touch it", "feed" + p + "cafe", []string{p}},
		{"no payload", `{"id":3,"publish":{},"client":"8f2b0c9e-1d1a-4a93-9b27-6ff5bd8a6f31"}`, nil},
		{"a word of 23 letters", strings.Repeat("a", 23), nil},
		{"one byte is wrong", `{"data":"` + p[:20] + "z" + p[21:] + `"}`, []string{p[21:]}},
		{"one letter is wrong", `{"data":"` + p[:59] + string('a'+(p[59]-'a'+1)%16) + `"}`, []string{p[:59] + string('a'+(p[59]-'a'+1)%16)}},
		{"cut short", `{"data":"` + p[:40] + `"}`, []string{p[:40]}},
		{"letters in between", p + p[:9] + q, []string{p, q}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, found(&envelope{size: size}, []byte(tt.in))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Wherever a payload lies, it is found.
func TestEnvelopeAtAnyPlace(t *testing.T) {
	for _, size := range []int{minPayload, 49, 128} {
		p := appendPayload(nil, size, stamp{3, 2, 1})
		for before := range 100 {
			b := slices.Concat(bytes.Repeat([]byte{'"'}, before), p, []byte{'"'})
			if got := found(&envelope{size: size}, b); len(got) != 1 || got[0] != string(p) {
				t.Fatalf("size %d behind %d: %q", size, before, got)
			}
		}
	}
}

// What is remembered is used only where all around the payload is the same.
func TestEnvelopeKnows(t *testing.T) {
	const size = 48
	p, q := appendPayload(nil, size, stamp{1, 1, 1}), appendPayload(nil, size, stamp{2, 2, 2})
	in := func(head string, p []byte, tail string) []byte { return []byte(head + string(p) + tail) }
	e := envelope{size: size}
	if e.known(in("<", p, ">")) != nil {
		t.Error("known before anything was remembered")
	}
	e.remember(in("<", p, ">"), 1, 1+size)
	if got := e.known(in("<", q, ">")); string(got) != string(q) {
		t.Errorf("%q", got)
	}
	for _, other := range [][]byte{in("[", q, ">"), in("<", q, "]"), in("<", q, ">>"), in("<<", q, ">"), in("<", q[1:], ">")} {
		if got := e.known(other); got != nil {
			t.Errorf("%q was known: %q", other, got)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	p := appendPayload(nil, 48, stamp{1, 2, 3})
	f.Add([]byte(`{"data":"`), []byte(`","n":1}`))
	f.Add([]byte("\x00abcdefgh"), []byte("ponmlkji\n"))
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		e := envelope{size: len(p)}
		b := slices.Concat(head, p, tail)
		begun := 0
		for {
			start, end, ok := e.find(b, begun)
			if !ok {
				break
			}
			if start < begun || end-start < fewest || end > len(b) {
				t.Fatalf("found [%d:%d) behind %d of %d", start, end, begun, len(b))
			}
			if start <= len(head) && end >= len(head)+len(p) {
				return // it lies within what was found
			}
			begun = end
		}
		t.Fatalf("nothing holds the payload in %q", b)
	})
}
