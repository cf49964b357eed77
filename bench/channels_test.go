package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sizes counts the connections of each channel.
func sizes(p *Plan) []int {
	c := channelsOf(p)
	n := make([]int, c.n)
	for i := range p.Connections {
		n[c.of(i)]++
	}
	return n
}

func TestChannelSizes(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan Plan
		want []int
	}{
		{"none", Plan{Connections: 7}, []int{7}},
		{"in turns", Plan{Connections: 8, Channels: 3}, []int{3, 3, 2}},
		{"Zipf 1", Plan{Connections: 110, Channels: 3, Zipf: 1}, []int{60, 30, 20}},
		{"Zipf 2", Plan{Connections: 490, Channels: 3, Zipf: 2}, []int{360, 90, 40}},
		{"Zipf of one", Plan{Connections: 9, Channels: 1, Zipf: 1}, []int{9}},
		{"nobody is left alone", Plan{Connections: 10, Channels: 4, Zipf: 8}, []int{7, 1, 1, 1}},
		{"as many as channels", Plan{Connections: 4, Channels: 4, Zipf: 1}, []int{1, 1, 1, 1}},
		{"publishers stay where they are", Plan{Connections: 12, Channels: 2, Publishers: 8, Zipf: 9}, []int{8, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, sizes(&tt.plan)); diff != "" {
				t.Error(diff)
			}
			c := channelsOf(&tt.plan)
			for p := range max(c.n, tt.plan.Publishers) {
				if p < tt.plan.Connections && c.of(p) != c.target(p) {
					t.Errorf("publisher %d publishes to channel %d and is in %d", p, c.target(p), c.of(p))
				}
			}
		})
	}
}

func TestZipfDependsOnTheSeed(t *testing.T) {
	deal := func(seed uint64) []uint32 {
		return channelsOf(&Plan{Connections: 1000, Channels: 10, Zipf: 1, Seed: seed}).zipf
	}
	if !slices.Equal(deal(1), deal(1)) {
		t.Error("one seed, two deals")
	}
	if slices.Equal(deal(1), deal(2)) {
		t.Error("two seeds, one deal")
	}
}

func TestColumns(t *testing.T) {
	if c := channelsOf(&Plan{Channels: 3, Publishers: 7}); c.columns != 3 || c.column(6) != 2 {
		t.Errorf("seven publishers of three channels need %d columns, want 3", c.columns)
	}
}
