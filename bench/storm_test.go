package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

// eightInAStorm are 8 subscribers; the ninth connection is the publisher's.
func eightInAStorm(url string) Plan {
	return Plan{
		Scenario: "storm", URLs: []string{url}, Connections: 8, PublishRate: 100, PIDs: []int{pid()},
		Duration: 200 * time.Millisecond, Settle: 300 * time.Millisecond, Limit: 20 * time.Second,
	}
}

func TestStorm(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server *faulty
		change func(*Plan)
		want   map[string]float64
	}{
		{"reset", &faulty{}, nil, map[string]float64{"reset by the client": 8, "dials": 8, "lost once more": -1}},
		{"closed", &faulty{}, func(p *Plan) { p.Cut = "close" }, map[string]float64{"closed with 1000": 8, "dials": 8}},
		{"with jitter", &faulty{}, func(p *Plan) { p.Jitter = 100 * time.Millisecond }, map[string]float64{"reset by the client": 8, "dials": 8}},
		{"without a publisher", &faulty{}, func(p *Plan) { p.PublishRate = 0 }, map[string]float64{"reset by the client": 8, "dials": 8}},
		{"503 for a while", &faulty{refuse: func(n int) int {
			if n >= 10 && n < 15 {
				return 503
			}
			return 0
		}}, nil, map[string]float64{"dials": 13, "failed dials: HTTP 503": 5}},
		{"no answer", &faulty{refuse: func(n int) int {
			if n == 12 {
				return silent
			}
			return 0
		}}, func(p *Plan) { p.DialTimeout = 2 * time.Second }, map[string]float64{"dials": 9, "failed dials: timeout": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := tt.server.start(t)
			p := eightInAStorm(url)
			if tt.change != nil {
				tt.change(&p)
			}
			r := mustRun(t, p)
			if r.Failed+r.Lost > 0 || r.Faults.Any() || len(r.Problems) > 0 || r.Operations != 8 {
				t.Errorf("%d failed, %d lost, %d handshakes, %+v, %q", r.Failed, r.Lost, r.Operations, r.Faults, r.Problems)
			}
			wantFacts(t, r, tt.want)
			last, _ := factOf(r, "the last of them after")
			if q := latencyOf(r, "back after the cut"); q == nil || q.Count != 8 || q.P50 > q.Max || float64(q.Max) != last {
				t.Errorf("back after %+v, the last one after %v", q, last)
			}
			if peak, _ := factOf(r, "highest"); peak <= 0 {
				t.Error("the server's memory was not read")
			}
		})
	}
}

// Those who do not come back are a problem, and the run ends all the same.
func TestStormThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := &faulty{refuse: func(n int) int {
		if n > 14 { // nine at first, and five of the eight
			return 500
		}
		return 0
	}}
	url, _ := s.start(t)
	p := eightInAStorm(url)
	p.Limit = 3 * time.Second // the five are back long before
	r := mustRun(t, p)
	if diff := cmp.Diff([]string{"3 of 8 clients were not back within 3s"}, r.Problems); diff != "" || r.OK() {
		t.Error(diff)
	}
	wantFacts(t, r, map[string]float64{"clients that came back": 5})
}

// What those miss who are back is counted exactly.
func TestStormCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	dropped, seen := uint64(0), 0
	s := &faulty{mangle: func(client, _ int, p []byte) [][]byte {
		if client == 12 { // one of those who came back
			if seen++; seen >= 3 {
				dropped++
				return nil
			}
		}
		return [][]byte{p}
	}}
	url, _ := s.start(t)
	r := mustRun(t, eightInAStorm(url))
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(Faults{Lost: dropped}, r.Faults); diff != "" || dropped == 0 {
		t.Errorf("%d dropped: %s", dropped, diff)
	}
}

// With the cut left to the server, its first one is the storm's beginning.
func TestStormOfTheServer(t *testing.T) {
	t.Parallel()
	s := &faulty{}
	s.cut = func(client, n int) ws.CloseCode {
		if client < 9 && n == 15 { // all, the publisher among them
			return 1012
		}
		return 0
	}
	url, _ := s.start(t)
	p := eightInAStorm(url)
	p.Cut = "server"
	r := mustRun(t, p)
	wantFacts(t, r, map[string]float64{"closed with 1012": 8, "dials": 9})
	if r.Faults.Any() || len(r.Problems) > 0 || r.Lost > 0 {
		t.Errorf("%d lost, %+v, %q", r.Lost, r.Faults, r.Problems)
	}
	url, _ = (&faulty{}).start(t)
	p.URLs, p.Limit = []string{url}, 100*time.Millisecond
	if r := mustRun(t, p); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "cut nobody") {
		t.Errorf("%q", r.Problems)
	}
}
