package bench

import (
	"encoding/json"
	"fmt"
	"time"
)

// meet is where the processes of a run wait for each other: each hands in a
// small value, and each gets those of all, by process. All must come to the same
// meetings in the same order, whatever they saw, unless they end with an error,
// which ends the run of all. Meanwhile the swarm turns. Alone, it returns at once.
func meet[T any](r *run, name string, mine T) ([]T, error) {
	if r.crew == nil {
		return []T{mine}, nil
	}
	b, err := json.Marshal(mine)
	if err != nil {
		return nil, fmt.Errorf("bench: meet %s: %w", name, err)
	}
	values, err := r.gatherAll(name, b)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(values))
	for i, v := range values {
		if err := json.Unmarshal(v, &all[i]); err != nil {
			return nil, fmt.Errorf("bench: meet %s: %w", name, err)
		}
	}
	return all, nil
}

// meetTime is a time that is not before any of the processes came here:
// CLOCK_MONOTONIC is one clock for all of them.
func (r *run) meetTime(name string) (int64, error) {
	all, err := meet(r, name, r.clock.now())
	if err != nil {
		return 0, err
	}
	latest := all[0]
	for _, at := range all[1:] {
		latest = max(latest, at)
	}
	return latest, nil
}

// arrive is a meeting that is not waited for: the returned function says whether
// all have come, while the loop goes on.
func (r *run) arrive(name string) (all func() bool, err error) {
	if r.crew == nil {
		return func() bool { return true }, nil
	}
	if err := r.crew.bring(name, json.RawMessage("null")); err != nil {
		return nil, fmt.Errorf("bench: meet %s: %w", name, err)
	}
	return func() bool {
		_, ok := r.crew.met(name)
		return ok
	}, nil
}

// crew carries the values of a meeting between the processes of a run.
type crew interface {
	// bring hands in the value of this process; it does not block.
	bring(name string, value json.RawMessage) error
	// met returns the values of all; ok is false as long as some are missing.
	met(name string) (values []json.RawMessage, ok bool)
}

func (r *run) gatherAll(name string, mine json.RawMessage) (values []json.RawMessage, err error) {
	if err := r.crew.bring(name, mine); err != nil {
		return nil, fmt.Errorf("bench: meet %s: %w", name, err)
	}
	begun := r.clock.now()
	err = r.loop(func(now int64) (bool, time.Duration) {
		all, ok := r.crew.met(name)
		values = all
		// Looks become rare when others take long, so that to wait costs nothing.
		return ok, max(time.Millisecond, time.Duration(now-begun)/16)
	})
	return values, err
}
