package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/bench"
)

// Row is one line of the table: what is measured, on which servers, and what is
// expected of the first of them.
type Row struct {
	Name    string
	Title   func(Scale) string
	Servers []string // the first is judged against the last
	Metrics []Metric
	Command func(Scale) []string // flood's arguments after "run"
	// Measure is for rows that need more than one run; nil: Command once.
	Measure func(ctx context.Context, s *Suite, server string) ([]float64, error)
}

// Metric is one figure of a row.
type Metric struct {
	Name   string
	Unit   string
	Value  func(*bench.Result) float64
	Ratio  bool    // the bar is for the ratio to the last server, else for the value
	AtMost bool    // else at least
	Bar    float64 // what must hold
	Aim    float64 // what is wished for
}

func (r Row) measure(ctx context.Context, s *Suite, server string) ([]float64, error) {
	if r.Measure != nil {
		return r.Measure(ctx, s, server)
	}
	result, err := s.flood(ctx, server, r.Command(s.Scale)...)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(r.Metrics))
	for i, m := range r.Metrics {
		values[i] = m.Value(result)
	}
	return values, nil
}

func (r Row) format(values []float64) string {
	out := ""
	for i, m := range r.Metrics {
		if i > 0 {
			out += ", "
		}
		out += figure(values[i]) + " " + m.Unit
	}
	return out
}

func serverCPU(bar, aim float64) Metric {
	return Metric{Name: "CPU per delivery", Unit: "us", Value: (*bench.Result).ServerMicros, Ratio: true, AtMost: true, Bar: bar, Aim: aim}
}

func throughput(bar, aim float64) Metric {
	return Metric{Name: "deliveries/s", Unit: "/s", Value: (*bench.Result).PerSecond, Ratio: true, Bar: bar, Aim: aim}
}

func millis(q *bench.Quantiles) float64 {
	if q == nil {
		return 0
	}
	return float64(q.P99) / 1e6
}

func lastP99(bar, aim float64) Metric {
	return Metric{
		Name: "last subscriber's p99", Unit: "ms", Ratio: true, AtMost: true, Bar: bar, Aim: aim,
		Value: func(r *bench.Result) float64 { return millis(r.Last) },
	}
}

// fanout is the flood's command line for n subscribers.
func (s Scale) fanout(n int, flags ...string) []string {
	return append([]string{
		"fanout", "-n", fmt.Sprint(n), "--channels", "1",
		"--warmup", s.Warmup.String(), "--duration", s.Window.String(),
	}, flags...)
}

func openLoop(n func(Scale) int, rate float64, flags ...string) (func(Scale) string, func(Scale) []string) {
	return func(s Scale) string {
			return fmt.Sprintf("open loop, %s subscribers at %g msg/s", Thousands(n(s)), rate)
		},
		func(s Scale) []string {
			return s.fanout(n(s), append([]string{"--publish-rate", fmt.Sprint(rate)}, flags...)...)
		}
}

func closedLoop(n func(Scale) int, window int) (func(Scale) string, func(Scale) []string) {
	return func(s Scale) string { return fmt.Sprintf("%d in flight, %s subscribers", window, Thousands(n(s))) },
		func(s Scale) []string { return s.fanout(n(s), "--window", fmt.Sprint(window)) }
}

func few(s Scale) int  { return s.Few }
func many(s Scale) int { return s.Many }

// Rows is the whole table.
func Rows() []Row {
	row := func(name string, servers []string, metrics ...Metric) func(func(Scale) string, func(Scale) []string) Row {
		return func(title func(Scale) string, command func(Scale) []string) Row {
			return Row{Name: name, Title: title, Servers: servers, Metrics: metrics, Command: command}
		}
	}
	plain, batching := []string{Sluice, Floor}, []string{Sluice, FloorBatch}
	return []Row{
		row("open1k", plain, serverCPU(1.30, 1.06))(openLoop(few, 50)),
		row("open15k", plain, serverCPU(1.30, 1.06))(openLoop(many, 3)),
		row("one1k", plain, throughput(0.75, 0.95))(closedLoop(few, 1)),
		row("one15k", plain, throughput(0.75, 0.95))(closedLoop(many, 1)),
		// The generator looks at its sockets every 10 ms only: else it is the limit.
		row("hot1k", batching, serverCPU(1.2, 1.0), Metric{
			Name: "p99", Unit: "ms", Ratio: true, AtMost: true, Bar: 1.5, Aim: 1.1,
			Value: func(r *bench.Result) float64 { return millis(r.Delivery) },
		})(openLoop(few, 400, "--gather", "10ms")),
		row("flight1k", batching, throughput(0.60, 0.85))(closedLoop(few, 64)),
		row("flight15k", batching, throughput(0.60, 0.85))(closedLoop(many, 64)),
		ceilingRow(),
		memoryRow(),
		handshakeRow(),
		churnRow(),
		row("shards", []string{SluiceShards, Sluice}, serverCPU(1.15, 1.05))(openLoop(few, 50)),
		row("last15k", plain, lastP99(1.3, 1.0))(openLoop(many, 4)),
	}
}

func memoryRow() Row {
	return Row{
		Name: "memory",
		Title: func(s Scale) string {
			return fmt.Sprintf("memory per idle subscriber, %s to %s", Thousands(s.MemoryLow), Thousands(s.Many))
		},
		Servers: []string{Sluice, Floor},
		Metrics: []Metric{{Name: "anonymous RSS", Unit: "B", Value: (*bench.Result).BytesPerConnection, AtMost: true, Bar: 800, Aim: 458}},
		Command: func(s Scale) []string {
			return []string{"connect", "-n", fmt.Sprint(s.Many), "--channels", "1", "--steps", fmt.Sprintf("%d,%d", s.MemoryLow, s.Many), "--settle", "2s"}
		},
	}
}

func handshakeRow() Row {
	return Row{
		Name:    "handshake",
		Title:   func(s Scale) string { return fmt.Sprintf("handshakes, %s connections", Thousands(s.Many)) },
		Servers: []string{Sluice, Floor},
		Metrics: []Metric{{Name: "CPU per handshake", Unit: "us", Value: (*bench.Result).ServerMicros, Ratio: true, AtMost: true, Bar: 2, Aim: 1.2}},
		Command: func(s Scale) []string {
			return []string{"connect", "-n", fmt.Sprint(s.Many), "--channels", "1", "--settle", "0s"}
		},
	}
}

func churnRow() Row {
	return Row{
		Name:    "churn",
		Title:   func(Scale) string { return "churn, 100 clients at a time: connect, join, leave" },
		Servers: []string{Sluice, Floor},
		Metrics: []Metric{{Name: "CPU per cycle", Unit: "us", Value: (*bench.Result).ServerMicros, Ratio: true, AtMost: true, Bar: 2, Aim: 1.2}},
		Command: func(s Scale) []string {
			return []string{"churn", "-n", "100", "--channels", "1", "--warmup", s.Warmup.String(), "--duration", s.Window.String()}
		},
	}
}

// ceilingRow looks for the highest rate of an open loop that the server keeps,
// in coarse steps: a run at each costs ten seconds.
func ceilingRow() Row {
	const lowest, step = 80, 4
	kept := func(ctx context.Context, s *Suite, server string, rate int) (bool, error) {
		r, err := s.flood(ctx, server, s.Scale.fanout(s.Scale.Many, "--publish-rate", fmt.Sprint(rate), "--gather", "10ms")...)
		switch {
		case errors.Is(err, errFaulty):
			return false, nil // slow subscribers were cut off, or messages stayed on the way
		case err != nil:
			return false, err
		}
		return r.Undelivered == 0 && r.Last != nil && r.Last.P99 < time.Second, nil
	}
	return Row{
		Name: "ceiling15k",
		Title: func(s Scale) string {
			return fmt.Sprintf("highest open-loop rate, %s subscribers, last p99 < 1 s; in steps of x %d", Thousands(s.Many), step)
		},
		Servers: []string{Sluice},
		Metrics: []Metric{{Name: "messages/s", Unit: "msg/s", Bar: 60, Aim: 300}},
		Command: func(s Scale) []string { return s.fanout(s.Many, "--publish-rate", "R", "--gather", "10ms") },
		Measure: func(ctx context.Context, s *Suite, server string) ([]float64, error) {
			best, highest := 0, s.Scale.Highest
			for rate := min(lowest, highest); rate <= highest; rate *= step {
				ok, err := kept(ctx, s, server, rate)
				if errors.Is(err, errInvalid) && best > 0 {
					break // the generator's own ceiling: at least this
				}
				if err != nil {
					return nil, err
				}
				if !ok {
					break
				}
				best = rate
			}
			return []float64{float64(best)}, nil
		},
	}
}
