package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// factOf is the value of a fact; ok is false when there is none of that name.
func factOf(r *Result, name string) (v float64, ok bool) {
	for _, s := range r.Sections {
		for _, f := range s.Facts {
			if f.Name == name {
				return f.Value, true
			}
		}
	}
	return 0, false
}

// wantFacts compares counts; -1 wants that there is none of the name.
func wantFacts(t *testing.T, r *Result, want map[string]float64) {
	t.Helper()
	for name, n := range want {
		got, ok := factOf(r, name)
		if ok != (n >= 0) || ok && got != n {
			t.Errorf("%q is %v (there: %v), want %v", name, got, ok, n)
		}
	}
	if t.Failed() {
		var b bytes.Buffer
		shown := *r
		shown.Invalid = ""
		if err := shown.WriteText(&b); err != nil {
			t.Error(err)
		}
		t.Logf("invalid: %q\n%s", r.Invalid, b.String())
	}
}

// latencyOf is a row of the result's latencies; nil: there is none.
func latencyOf(r *Result, name string) *Quantiles {
	for _, l := range r.Latencies {
		if l.Name == name {
			return l.Quantiles
		}
	}
	return nil
}

func TestSections(t *testing.T) {
	var c counter
	c.add(int64(3 * time.Millisecond))
	r := &Result{Operation: "delivery"}
	var s section
	s.Title = "the storm"
	s.counts(map[string]uint64{"b": 2, "a": 1})
	s.time("all were back after", 1234*time.Millisecond)
	s.note("of %d", 5)
	s.bytes("highest", 5<<20)
	r.report(s)
	r.report(section{})
	r.latency("round trip", &c)
	r.latency("none", &counter{})
	r.problem("%d clients got no close frame", 2)
	var text, line bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := "\nthe storm\n" +
		"  a                    1\n" +
		"  b                    2\n" +
		"  all were back after  1.234s  of 5\n" +
		"  highest              5.0 MiB\n"
	if !strings.Contains(text.String(), want) {
		t.Errorf("%s\nwant in it\n%s", text.String(), want)
	}
	for _, in := range []string{"problem", "2 clients got no close frame", "round trip  3ms"} {
		if !strings.Contains(text.String(), in) {
			t.Errorf("no %q in\n%s", in, text.String())
		}
	}
	if r.OK() {
		t.Error("a result with a problem calls itself OK")
	}
	if err := r.WriteJSON(&line); err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(line.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Sections, got.Sections); diff != "" {
		t.Error(diff)
	}
	if q := latencyOf(&got, "round trip"); q == nil || q.P99 != 3*time.Millisecond || q.HDR != nil {
		t.Errorf("the line's latency is %+v", q)
	}
	if len(latencyOf(r, "round trip").HDR) == 0 {
		t.Error("writing the line took the histogram from the result")
	}
}

// What processes counted adds up, and the latest of their times counts.
func TestFoundIsMerged(t *testing.T) {
	part := func(n float64, ms int, problem string) *Result {
		var c counter
		c.add(int64(ms) * int64(time.Millisecond))
		r := &Result{Problems: []string{"one", problem}}
		r.latency("round trip", &c)
		var s section
		s.Title = "the storm"
		s.fact("dials", n, Count)
		s.time("the last of them after", time.Duration(ms))
		r.report(s)
		return r
	}
	a, b := part(2, 7, "two"), part(3, 5, "three")
	var s section
	s.Title = "more"
	s.count("x", 1)
	b.report(s)
	if err := a.merge(b); err != nil {
		t.Fatal(err)
	}
	want := []Section{
		{"the storm", []Fact{{"dials", 5, Count, ""}, {"the last of them after", 7, Nanoseconds, ""}}},
		{"more", []Fact{{"x", 1, Count, ""}}},
	}
	if diff := cmp.Diff(want, a.Sections); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, a.Problems); diff != "" {
		t.Error(diff)
	}
	if q := latencyOf(a, "round trip"); q.Count != 2 || q.Max != 7*time.Millisecond {
		t.Errorf("%+v", q)
	}
}
