// Package suite measures Sluice beside the floor servers on one machine: each
// server pinned to one core and the generator to another, servers interleaved,
// several rounds, medians.
package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"sluice/bench"
)

// Suite is how to measure.
type Suite struct {
	SluiceBin, FloorBin, FloodBin string
	ServerCore, ClientCore        string // for taskset
	Rounds                        int
	Scale                         Scale
	Log                           io.Writer // what happens, a line each; and what servers say on stderr
	// Runs is a directory in which the last run of each row and server is kept,
	// for Page; "": none is.
	Runs string

	row string // that is being measured
}

// Scale is how large and long the measurements are.
type Scale struct {
	Few, Many int // connections: "1,000" and "15,000"
	MemoryLow int // connections at the first reading of memory
	Highest   int // rate at which the search for the highest one ends, msg/s
	Window    time.Duration
	Warmup    time.Duration
	// Tolerant: what the generator could not keep up with is 0, not an error.
	Tolerant bool
}

// Full is the scale of the published figures; Smoke shows that every row works.
var (
	Full  = Scale{Few: 1000, Many: 15000, MemoryLow: 2000, Highest: 1280, Window: 4 * time.Second, Warmup: time.Second}
	Smoke = Scale{Few: 200, Many: 800, MemoryLow: 200, Highest: 40, Window: 500 * time.Millisecond, Warmup: 100 * time.Millisecond, Tolerant: true}
)

// errInvalid: the generator was the limit.
var errInvalid = errors.New("INVALID")

// Run measures the rows, and returns what it has also when there is an error.
func (s *Suite) Run(ctx context.Context, rows []Row) ([]Outcome, error) {
	var out []Outcome
	if s.Runs != "" {
		if err := os.MkdirAll(s.Runs, 0o755); err != nil {
			return nil, fmt.Errorf("suite: %w", err)
		}
	}
	for _, row := range rows {
		s.row = row.Name
		o := Outcome{Row: row, Values: make(map[string][][]float64)}
		for round := range s.Rounds {
			for _, name := range turned(row.Servers, round) {
				begun := time.Now()
				values, err := s.measure(ctx, row, name)
				if err != nil {
					return out, fmt.Errorf("%s, %s: %w", row.Name, name, err)
				}
				o.Values[name] = append(o.Values[name], values)
				fmt.Fprintf(s.Log, "%-14s round %d  %-20s %s (%.1f s)\n", row.Name, round+1, name, row.format(values), time.Since(begun).Seconds())
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// turned lets another server begin in each round.
func turned(names []string, round int) []string {
	k := round % len(names)
	return append(slices.Clone(names[k:]), names[:k]...)
}

// measure repeats what was INVALID twice, because a neighbour on the machine may
// have been the reason.
func (s *Suite) measure(ctx context.Context, row Row, name string) (values []float64, err error) {
	for range 3 {
		values, err = row.measure(ctx, s, name)
		if !errors.Is(err, errInvalid) {
			return values, err
		}
		fmt.Fprintf(s.Log, "%-14s %-20s %v\n", row.Name, name, err)
		if s.Scale.Tolerant {
			return make([]float64, len(row.Metrics)), nil
		}
	}
	return nil, err
}

// flood starts the server, runs the generator against it, and stops it.
func (s *Suite) flood(ctx context.Context, name string, args ...string) (*bench.Result, error) {
	srv, err := s.start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	args = append([]string{
		"-c", s.ClientCore, s.FloodBin, "run", "--quiet", "--json",
		"--url", srv.url(), "--pid", fmt.Sprint(srv.cmd.Process.Pid),
	}, args...)
	if s.Runs != "" {
		args = append(args, "--out", s.kept(name))
	}
	if slices.Contains(args, "--steps") && srv.admin != 0 {
		args = append(args, "--gc", srv.gcURL())
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) {
		return nil, fmt.Errorf("suite: flood: %w", runErr)
	}
	var result bench.Result
	if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
		return nil, fmt.Errorf("suite: flood %s: %s", strings.Join(args[3:], " "), bytes.TrimSpace(stderr.Bytes()))
	}
	if result.Invalid != "" {
		return nil, fmt.Errorf("%w: %s", errInvalid, result.Invalid)
	}
	if !result.OK() || result.Interrupted || runErr != nil {
		return &result, fmt.Errorf("%w: %d connections failed, %d lost, %+v; %s", errFaulty, result.Failed, result.Lost, result.Faults, bytes.TrimSpace(stderr.Bytes()))
	}
	return &result, nil
}

// errFaulty: messages or connections were lost.
var errFaulty = errors.New("suite: not everything arrived")
