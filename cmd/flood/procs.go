package main

import (
	"fmt"
	"strconv"

	"sluice/bench"
)

// procs is a number of processes; 0: as many as the file limit asks for.
type procs int

const maxProcs = 256

// UnmarshalText is for kong.
func (p *procs) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*p = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > maxProcs {
		return fmt.Errorf("must be auto, or 1 to %d", maxProcs)
	}
	*p = procs(n)
	return nil
}

// of is how many processes the plan runs in.
func (p procs) of(plan *bench.Plan, limits bench.Capacity) int {
	if p > 0 {
		return int(p)
	}
	return min(limits.ProcsFor(plan), maxProcs)
}
