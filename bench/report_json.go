package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// WriteJSON writes the result as one line of JSON, without the histograms and
// the series.
func (r *Result) WriteJSON(w io.Writer) error {
	line := *r
	line.Series = nil
	for _, q := range []**Quantiles{&line.Handshake, &line.Delivery, &line.Last, &line.Cycle, &line.SendLag} {
		if *q != nil {
			bare := **q
			bare.HDR = nil
			*q = &bare
		}
	}
	line.Latencies = slices.Clone(r.Latencies)
	for i := range line.Latencies {
		bare := *line.Latencies[i].Quantiles
		bare.HDR = nil
		line.Latencies[i].Quantiles = &bare
	}
	if r.Invalid != "" { // no figures
		line = Result{Plan: r.Plan, Version: r.Version, Started: r.Started, Invalid: r.Invalid}
	}
	return json.NewEncoder(w).Encode(&line)
}

// Load reads what Save wrote.
func Load(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bench: load: %w", err)
	}
	r := new(Result)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("bench: load: %s is not a result that --out saved: %w", path, err)
	}
	if r.Plan.Scenario == "" || r.Started.IsZero() {
		return nil, fmt.Errorf("bench: load: %s is not a result that --out saved", path)
	}
	if r.Series != nil {
		if err := r.Series.validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r, nil
}

// Save writes the whole result, with its histograms and its series, to a file.
func (r *Result) Save(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: save: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("bench: save: %w", err)
	}
	return nil
}
