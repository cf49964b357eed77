package natsbroker

import (
	"context"
	"slices"
	"testing"

	"sluice/gateway/broker/enginetest"
)

// A node says how many others' servers its own has routes to, where there may be some.
func TestRoutesOfNode(t *testing.T) {
	at := enginetest.FreeAddresses(t, 2)
	a := startAt(t, at, 0, nil).link
	o := options("b", 1<<20)
	o.Embedded = &Embedded{MaxPayload: 1 << 20, ClusterName: "test", Secret: "secret", ClusterListen: at[1], Routes: at, StoreDir: t.TempDir()}
	b := begun(t, o)
	for _, l := range []*Link{a, b} {
		enginetest.Eventually(t, "a route to the other node", func() bool { n, known := l.Routes(); return n == 1 && known })
	}
	ctx, cancel := context.WithTimeout(context.Background(), enginetest.Patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
	enginetest.Eventually(t, "no route to a node that is gone", func() bool { n, known := a.Routes(); return n == 0 && known })

	o.Embedded = &Embedded{MaxPayload: 1 << 20}
	if n, known := linked(t, o).Routes(); known {
		t.Errorf("a server without a cluster has %d routes", n)
	}
}

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
