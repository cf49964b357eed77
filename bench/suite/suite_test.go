package suite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   string
	}{
		{[]float64{3}, "3"},
		{[]float64{9.5, 1.25, 7.7777}, "7.78 (1.25-9.5)"},
		{[]float64{1, 2, 3, 10}, "2.5 (1-10)"},
		{[]float64{8_630_000, 8_000_000, 9_123_000}, "8.63 M (8.00 M-9.12 M)"},
		{[]float64{132_400, 131_000}, "131,700 (131,000-132,400)"},
	} {
		var rounds [][]float64
		for _, v := range tt.values {
			rounds = append(rounds, []float64{0, v})
		}
		if got := spread(rounds, 1).String(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.values, got, tt.want)
		}
	}
}

// fixed is a row whose values are known.
func fixed(m Metric, sluice, floor float64) Outcome {
	return Outcome{
		Row: Row{
			Name: "r", Title: func(Scale) string { return "a row" }, Servers: []string{Sluice, Floor},
			Metrics: []Metric{m}, Command: func(s Scale) []string { return s.fanout(s.Many) },
		},
		Values: map[string][][]float64{Sluice: {{sluice}}, Floor: {{floor}}},
	}
}

func TestBars(t *testing.T) {
	for _, tt := range []struct {
		name          string
		metric        Metric
		sluice, floor float64
		holds         bool
	}{
		{"ratio at most, just", serverCPU(1.25, 1), 10, 8, true},
		{"ratio at most, missed", serverCPU(1.25, 1), 10.1, 8, false},
		{"ratio at least, just", throughput(0.75, 1), 75, 100, true},
		{"ratio at least, missed", throughput(0.75, 1), 74, 100, false},
		{"value at most", Metric{AtMost: true, Bar: 800}, 800, 44, true},
		{"value at least, missed", Metric{Bar: 60}, 59, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := fixed(tt.metric, tt.sluice, tt.floor)
			if got := Holds([]Outcome{o}); got != tt.holds {
				t.Errorf("holds: %v, judged %v", got, o.judged(0))
			}
			var b bytes.Buffer
			s := &Suite{Scale: Full, Rounds: 3}
			if err := s.Write(&b, []Outcome{o}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "**missed**") == tt.holds || !strings.Contains(b.String(), "| a row |") {
				t.Error(b.String())
			}
		})
	}
}

func TestRowsAreComplete(t *testing.T) {
	names := map[string]bool{}
	for _, r := range Rows() {
		if names[r.Name] {
			t.Errorf("two rows are called %s", r.Name)
		}
		names[r.Name] = true
		if r.Title(Full) == "" || len(r.Command(Full)) == 0 || len(r.Servers) == 0 || len(r.Metrics) == 0 {
			t.Errorf("row %s is not complete", r.Name)
		}
		for _, m := range r.Metrics {
			if m.Ratio && len(r.Servers) < 2 {
				t.Errorf("row %s: %s has nothing to be compared with", r.Name, m.Name)
			}
			if m.Value == nil && r.Measure == nil {
				t.Errorf("row %s: no way to get %s", r.Name, m.Name)
			}
			if m.AtMost && m.Aim > m.Bar || !m.AtMost && m.Aim < m.Bar {
				t.Errorf("row %s: the aim of %s is weaker than its bar", r.Name, m.Name)
			}
		}
	}
}

func TestRunInterleavesAndRepeats(t *testing.T) {
	var order []string
	invalid := 2
	row := fixed(serverCPU(1, 1), 0, 0).Row
	row.Measure = func(_ context.Context, _ *Suite, server string) ([]float64, error) {
		if invalid > 0 {
			invalid--
			return nil, fmt.Errorf("%w: busy", errInvalid)
		}
		order = append(order, server)
		return []float64{float64(len(order))}, nil
	}
	s := &Suite{Rounds: 3, Log: io.Discard}
	out, err := s.Run(t.Context(), []Row{row})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{Sluice, Floor, Floor, Sluice, Sluice, Floor}, order); diff != "" {
		t.Error(diff)
	}
	if got := spread(out[0].Values[Sluice], 0); got != (Spread{4, 1, 5}) {
		t.Errorf("%+v", got)
	}
	invalid = 3
	if _, err := s.Run(t.Context(), []Row{row}); err == nil || !strings.Contains(err.Error(), "INVALID: busy") {
		t.Errorf("%v", err)
	}
	s.Scale.Tolerant, invalid = true, 1
	if _, err := s.Run(t.Context(), []Row{row}); err != nil {
		t.Error(err)
	}
}
