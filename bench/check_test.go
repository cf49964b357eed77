package bench

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChecker(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first uint64
		seen  []uint64
		last  uint64 // published
		want  Faults
	}{
		{"in order", 1, []uint64{1, 2, 3}, 3, Faults{}},
		{"none came", 1, nil, 3, Faults{Lost: 3}},
		{"a gap", 1, []uint64{1, 4}, 4, Faults{Lost: 2}},
		{"the beginning", 1, []uint64{3}, 3, Faults{Lost: 2}},
		{"the end", 1, []uint64{1, 2}, 5, Faults{Lost: 3}},
		{"twice", 1, []uint64{1, 1, 2}, 2, Faults{Duplicated: 1}},
		{"twice, later", 1, []uint64{1, 2, 3, 2}, 3, Faults{Duplicated: 1}},
		{"exchanged", 1, []uint64{2, 1, 3}, 3, Faults{Reordered: 1}},
		{"exchanged, then twice", 1, []uint64{2, 1, 1, 3}, 3, Faults{Reordered: 1, Duplicated: 1}},
		{"out of the middle of a gap", 1, []uint64{1, 6, 4}, 6, Faults{Lost: 3, Reordered: 1}},
		{"the edges of a gap", 1, []uint64{1, 6, 2, 5}, 6, Faults{Lost: 2, Reordered: 2}},
		{"two gaps, filled backwards", 1, []uint64{1, 3, 5, 4, 2}, 5, Faults{Reordered: 2}},
		{"joined in the middle", 0, []uint64{7, 8, 9}, 9, Faults{}},
		{"joined in the middle, with a gap", 0, []uint64{7, 9}, 9, Faults{Lost: 1}},
		{"joined, nothing came", 0, nil, 9, Faults{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newChecker(2, tt.first)
			for _, seq := range tt.seen {
				c.see(1, seq)
			}
			c.finish(1, tt.last)
			if diff := cmp.Diff(tt.want, c.faults); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckerForgets(t *testing.T) {
	c := newChecker(1, 0)
	for _, seq := range []uint64{5, 7} {
		c.see(0, seq)
	}
	c.forget(0)
	if !c.see(0, 100) || c.faults != (Faults{Lost: 1}) || len(c.missing) != 0 {
		t.Errorf("%+v, missing %v: the visit before counts on", c.faults, c.missing)
	}
}

func TestFlight(t *testing.T) {
	f := newFlight()
	const n = 1000 // many times the ring it begins with
	for seq := uint64(1); seq <= n; seq++ {
		f.launch(seq, 2)
	}
	for range 2 {
		if f.open != n {
			t.Fatalf("%d messages on the way, want %d", f.open, n)
		}
		for seq := uint64(n); seq >= 1; seq-- {
			if done := f.arrived(seq); done != (f.ring[seq&uint64(len(f.ring)-1)].left == 0) {
				t.Fatalf("message %d: done is %v", seq, done)
			}
		}
		if f.open == 0 {
			break
		}
	}
	if f.open != 0 || f.arrived(5) || f.arrived(n+1) {
		t.Errorf("%d messages on the way at the end, or one completed twice", f.open)
	}
}
