package bench

import (
	"encoding/json"
	"time"
)

// The processes of a run speak JSON, one value a line, over the stdin and stdout
// of the workers. Each line is one of the parts of order or word.

// order is what a worker is told. The end of its stdin tells it to stop as well.
type order struct {
	Start *start   `json:"start,omitempty"` // first, and once
	Met   *meeting `json:"met,omitempty"`   // what all brought to a meeting
	Stop  bool     `json:"stop,omitempty"`  // end early, with what was measured
}

// start is what a worker does: a share of a plan. What a plan does not show in
// a report stands beside it.
type start struct {
	Plan   Plan   `json:"plan"`
	APIKey string `json:"api_key,omitempty"`
	PIDs   []int  `json:"pids,omitempty"`
	GC     string `json:"gc,omitempty"`

	Started  int64         `json:"started"` // of the run, CLOCK_MONOTONIC ns
	Part     int           `json:"part"`
	Others   int           `json:"others"`
	Version  string        `json:"version,omitempty"`
	Interval time.Duration `json:"interval"`
}

// startOf is what worker number part of the plan is told. Only the one that
// leads knows the server's processes, so that each is measured once.
func startOf(p *Plan, s share, o Options) *start {
	out := &start{Plan: *p, APIKey: p.APIKey, Part: s.part, Others: s.others, Version: o.Version, Interval: o.Interval}
	if s.leads() {
		out.PIDs, out.GC = p.PIDs, p.GC
	}
	return out
}

// plan is the plan as it was.
func (s *start) plan() Plan {
	p := s.Plan
	p.APIKey, p.PIDs, p.GC = s.APIKey, s.PIDs, s.GC
	return p
}

// meeting carries what one process (up) or what all (down) brought to it.
type meeting struct {
	Name   string            `json:"name"`
	Values []json.RawMessage `json:"values"`
}

// word is what a worker says.
type word struct {
	Glance *Progress `json:"glance,omitempty"` // at least once in maxSilence
	Meet   *meeting  `json:"meet,omitempty"`
	End    *ending   `json:"end,omitempty"` // last
}

// ending is what a worker hands over. Without a result the run did not begin.
type ending struct {
	Result *Result `json:"result,omitempty"`
	Error  string  `json:"error,omitempty"`
	Tails  []byte  `json:"tails,omitempty"`
}
