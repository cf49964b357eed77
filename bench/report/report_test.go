package report

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench"
)

// sample is a result as a fan-out of some seconds leaves it.
func sample(t *testing.T) *bench.Result {
	t.Helper()
	h := hdrhistogram.New(1, int64(time.Hour), 3)
	for i := range int64(10_000) {
		if err := h.RecordValue(1000 * (i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	hdr, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	q := &bench.Quantiles{Count: 10_000, P50: 5 * time.Millisecond, P90: 9 * time.Millisecond, P99: 10 * time.Millisecond, P999: 10 * time.Millisecond, Max: 10 * time.Millisecond, HDR: hdr}
	r := &bench.Result{
		Plan:    bench.Plan{Scenario: "fanout", URLs: []string{"ws://127.0.0.1:8080/"}, Connections: 1000, PublishRate: 50, Size: 128, Duration: 4 * time.Second},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Opened:  1000, Window: 4 * time.Second, Operation: "delivery", Operations: 200_000, Published: 200,
		ServerCPU: time.Second, ClientCPU: time.Second / 2, Handshake: q, Delivery: q,
		Series: &bench.Series{Interval: time.Second, Marks: []bench.Mark{{At: 2 * time.Second, Name: "the cut"}}},
	}
	for i, phase := range []string{"connecting", "measuring", "measuring", "measuring", "draining"} {
		r.Series.Samples = append(r.Series.Samples, bench.Sample{
			Index: i, Phase: phase, Took: time.Second, Open: 1000, Operations: uint64(40_000 * i), P50: time.Millisecond, P99: 20 * time.Millisecond,
			ServerCPU: time.Second / 4, ClientCPU: time.Second / 8, Memory: 8 << 20,
		})
	}
	return r
}

func TestHTML(t *testing.T) {
	r := sample(t)
	var b bytes.Buffer
	if err := HTML(&b, Named{"a run", r}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"<title>flood fanout</title>", "2026-01-02 03:04:05 UTC", "everything arrived, once, in order",
		"Connections", "Throughput, deliveries per second", "Latency by percentile", "CPU, % of a core", "Memory of the server",
		"each subscriber", "measuring", "the cut", "50 k", "10 ms", "5 us",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, never := range []string{"Errors per second", "NaN", "Inf", "ZgotmplZ", "<script", "http:/" + "/", "https:/" + "/"} {
		if strings.Contains(page, never) {
			t.Errorf("%q in the page", never)
		}
	}
	b.Reset()
	if err := HTML(&b, Named{"one", r}, Named{"<two>", r}); err != nil {
		t.Fatal(err)
	}
	if page := b.String(); strings.Count(page, "&lt;two&gt;") < 6 || strings.Contains(page, "<two>") {
		t.Error("the second run is not named at its curves")
	}
}

// Of an INVALID run no figure is shown, here as elsewhere.
func TestInvalidHasNoFigures(t *testing.T) {
	r := sample(t)
	r.Invalid = "the generator sent late"
	var b bytes.Buffer
	if err := HTML(&b, Named{"a run", r}); err != nil {
		t.Fatal(err)
	}
	if page := b.String(); !strings.Contains(page, "INVALID: the generator sent late") || strings.Contains(page, "<svg") || strings.Contains(page, "each subscriber") {
		t.Errorf("%s", page)
	}
}

func TestCompare(t *testing.T) {
	a, b := sample(t), sample(t)
	b.Plan.URLs = []string{"ws://127.0.0.2:9/"}
	b.ServerCPU *= 2
	b.Faults.Lost = 3
	var out bytes.Buffer
	if err := Compare(&out, Named{"a", a}, Named{"b-with-quite-a-long-name", b}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server CPU per delivery", "5 us", "10 us", "2.00 x", "messages lost", "1.00 x", "…quite-a-long-name"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 101 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*bench.Result)
	}{
		{"INVALID: busy", func(r *bench.Result) { r.Invalid = "busy" }},
		{"connections (1000 and 999)", func(r *bench.Result) { r.Plan.Connections = 999 }},
		{"zipf (none and 1.5)", func(r *bench.Result) { r.Plan.Zipf = 1.5 }},
		{"publish rate (50 and none)", func(r *bench.Result) { r.Plan.PublishRate = 0 }},
		{"duration (4 s and 5 s)", func(r *bench.Result) { r.Plan.Duration = 5 * time.Second }},
	} {
		b := sample(t)
		tt.change(b)
		var out bytes.Buffer
		err := Compare(&out, Named{"a", sample(t)}, Named{"b", b})
		if !errors.Is(err, ErrDifferent) || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	if err := Compare(nil, Named{"a", sample(t)}); err == nil {
		t.Error("one result was compared")
	}
}

func TestScales(t *testing.T) {
	for _, tt := range []struct {
		scale scale
		write func(float64) string
		want  string
	}{
		{linear(0), plain, "0 0.5 1"},
		{linear(1000), plain, "0 500 1,000"},
		{linear(15_000), plain, "0 5,000 10 k 15 k"},
		{linear(36), percent, "0 % 10 % 20 % 30 % 40 %"},
		{mebi(7 << 20), mebibytes, "0 MiB 2 MiB 4 MiB 6 MiB 8 MiB"},
		{logarithmic(2e5, 3e8), duration, "100 us 1 ms 10 ms 100 ms 1 s"},
		{logarithmic(math.Inf(1), 0), duration, "1 ns 10 ns"},
		{between(12.3), clock, "0 s 5 s 10 s"},
		{between(3600), clock, "0 s 15m 30m 45m 1h"},
		{logarithmic(1, 1e5), nines, "0 90 99 99.9 99.99 99.999"},
	} {
		var got []string
		for _, v := range tt.scale.ticks {
			got = append(got, tt.write(v))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%+v: %s, want %s", tt.scale, s, tt.want)
		}
	}
}

// Labels never cover each other, and stay within the picture.
func TestSpread(t *testing.T) {
	labels := []label{{Y: 200}, {Y: 30}, {Y: 31}, {Y: 199}, {Y: 201}, {Y: 32}}
	spread(labels, 30, 201)
	for i, a := range labels {
		if a.Y < 30 || a.Y > 201 {
			t.Errorf("label %d is at %g", i, a.Y)
		}
		for _, b := range labels[:i] {
			if math.Abs(a.Y-b.Y) < lineHeight-1e-9 {
				t.Errorf("labels at %g and %g", a.Y, b.Y)
			}
		}
	}
}
