package natsbroker

import (
	"slices"
	"testing"
)

// A loss is told once a new connection has taken the place of one that ended, one look later.
func TestRoutes(t *testing.T) {
	type look = map[uint64]string
	both := look{1: "b", 2: "b", 3: "c"}
	tests := map[string]struct {
		looks []look
		want  []bool
	}{
		"servers join":                       {[]look{{}, {1: "b"}, both, both}, []bool{false, false, false, false}},
		"a server is cut off, and back":      {[]look{both, {3: "c"}, {3: "c"}, {3: "c", 4: "b", 5: "b"}, {3: "c", 4: "b", 5: "b"}, {3: "c", 4: "b", 5: "b"}}, []bool{false, false, false, false, true, false}},
		"one of a server's connections":      {[]look{both, {1: "b", 3: "c"}, {1: "b", 3: "c", 4: "b"}, {1: "b", 3: "c", 4: "b"}, {1: "b", 3: "c", 4: "b"}}, []bool{false, false, false, true, false}},
		"between two looks":                  {[]look{both, {1: "b", 2: "b", 4: "c"}, {1: "b", 2: "b", 4: "c"}, {1: "b", 2: "b", 4: "c"}}, []bool{false, false, true, false}},
		"its connections come one by one":    {[]look{both, {3: "c"}, {3: "c", 4: "b"}, {3: "c", 4: "b", 5: "b"}, {3: "c", 4: "b", 5: "b"}, {3: "c", 4: "b", 5: "b"}}, []bool{false, false, false, true, true, false}},
		"a server is started anew":           {[]look{both, {3: "c"}, {3: "c", 4: "b2"}, {3: "c", 4: "b2", 5: "b2"}, {3: "c", 4: "b2", 5: "b2"}}, []bool{false, false, false, false, false}},
		"a server that stays gone":           {[]look{both, {3: "c"}, {3: "c"}, {3: "c"}}, []bool{false, false, false, false}},
		"one more connection than there was": {[]look{both, {1: "b", 2: "b", 3: "c", 4: "b"}, {1: "b", 2: "b", 3: "c", 4: "b"}}, []bool{false, false, false}},
	}
	for name, tt := range tests {
		r := routes{ended: map[string]int{}}
		var got []bool
		for _, l := range tt.looks {
			got = append(got, r.look(l))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
