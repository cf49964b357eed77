package main

import (
	"testing"

	"sluice/bench"
)

func TestProcs(t *testing.T) {
	for in, want := range map[string]procs{"auto": 0, "1": 1, "256": 256, "0": -1, "257": -1, "-2": -1, "": -1, "two": -1} {
		p := procs(-1)
		if err := p.UnmarshalText([]byte(in)); p != want || (err == nil) != (want >= 0) {
			t.Errorf("%q is %d, %v, want %d", in, p, err, want)
		}
	}
	limits := bench.Capacity{Files: 1000}
	for _, tt := range []struct {
		p    procs
		plan bench.Plan
		want int
	}{
		{1, bench.Plan{Connections: 5000}, 1},
		{7, bench.Plan{Connections: 5}, 7},
		{0, bench.Plan{Connections: 1000}, 1},
		{0, bench.Plan{Connections: 1001}, 2},
		{0, bench.Plan{Connections: 1000, PublishRate: 1}, 2}, // its publishers may be connections as well
		{0, bench.Plan{Connections: 1 << 30}, maxProcs},
	} {
		if n := tt.p.of(&tt.plan, limits); n != tt.want {
			t.Errorf("--procs %d of %+v: %d processes, want %d", tt.p, tt.plan, n, tt.want)
		}
	}
}
