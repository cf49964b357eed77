package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

// aDay are 20 clients of two channels, of which four publish, one at least reads
// in pauses, and a dozen leave.
func aDay(url string) Plan {
	return Plan{
		Scenario: "mix", URLs: []string{url + "?n={index}"}, Connections: 20, Channels: 2, Publishers: 4, PublishRate: 200, PIDs: []int{pid()},
		Leaves: 20, Slow: 0.1, Pause: 50 * time.Millisecond, Jitter: 50 * time.Millisecond, Duration: 600 * time.Millisecond,
	}
}

func TestMix(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	r := mustRun(t, aDay(url))
	if r.Lost+r.Failed > 0 || r.Faults.Any() || len(r.Problems) > 0 || r.Operations == 0 {
		t.Errorf("%d lost, %d failed, %+v, %q", r.Lost, r.Failed, r.Faults, r.Problems)
	}
	for _, name := range []string{"left", "came back", "pauses in reading", "highest"} {
		if n, _ := factOf(r, name); n == 0 {
			t.Errorf("%s: none", name)
		}
	}
	wantFacts(t, r, map[string]float64{"clients": 20, "messages that slow readers skipped": 0, "messages not published": -1})
	if r.Delivery == nil || r.Handshake == nil {
		t.Error("there are no latencies")
	}
}

// Every fault is counted, also at those who came in the middle.
func TestMixCountsFaults(t *testing.T) {
	t.Parallel()
	var seen, dropped, doubled [10_000]int
	s := &faulty{mangle: func(client, _ int, p []byte) [][]byte {
		seen[client]++
		switch {
		case client < 4 && seen[client] == 5: // publishers stay, so what they miss shows
			dropped[client]++
			return nil
		case client >= 100 && seen[client] == 3: // this one came later
			doubled[client]++
			return [][]byte{p, p}
		}
		return [][]byte{p}
	}}
	s.cut = func(client, n int) ws.CloseCode {
		if client >= 10 && client < 16 && n >= 30 {
			return 1012 // they come back, and stay
		}
		return 0
	}
	url, _ := s.start(t)
	p := aDay(url)
	p.Slow, p.Leaves = 0, 0
	r := mustRun(t, p)
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := func(n [10_000]int) (all uint64) {
		for _, n := range n {
			all += uint64(n)
		}
		return all
	}
	if diff := cmp.Diff(Faults{Lost: 4, Duplicated: sum(doubled)}, r.Faults); diff != "" || sum(dropped) != 4 || sum(doubled) != 6 {
		t.Errorf("%d dropped, %d doubled: %s", sum(dropped), sum(doubled), diff)
	}
}

// Those who are cut come back, a publisher too, and nobody is owed what it had on
// the way.
func TestMixBringsBackWhoIsCut(t *testing.T) {
	t.Parallel()
	s := &faulty{cut: func(client, n int) ws.CloseCode {
		if (client == 1 || client == 15) && n >= 60 {
			return 1012
		}
		return 0
	}}
	url, _ := s.start(t)
	p := aDay(url)
	p.Leaves, p.Slow = 0, 0
	r := mustRun(t, p)
	if diff := cmp.Diff(map[uint16]int{1012: 2}, r.Codes); diff != "" || r.Lost != 2 {
		t.Errorf("%d lost %s", r.Lost, diff)
	}
	if r.Faults.Any() {
		t.Errorf("%+v: nobody lost anything", r.Faults)
	}
	wantFacts(t, r, map[string]float64{"came back": 2, "left": 0})
}

// What the policy for slow consumers does to slow readers is told apart.
func TestMixWithAPolicy(t *testing.T) {
	t.Parallel()
	s := &faulty{}
	p := aDay("ws://127.0.0.1:1/")
	p.Leaves = 0
	same := p
	m := newMix(bareRun(t, &same))
	if m.slows != 2 {
		t.Fatalf("%d are slow, want 2", m.slows)
	}
	skipped := 0
	s.mangle = func(client, n int, p []byte) [][]byte {
		if client < 20 && m.skipper[client] && n > 20 && n <= 40 {
			skipped++
			return nil
		}
		return [][]byte{p}
	}
	s.cut = func(client, n int) ws.CloseCode {
		if client < 20 && m.skipper[client] && n >= 100 {
			return 1013
		}
		return 0
	}
	url, _ := s.start(t)
	p.URLs = []string{url + "?n={index}"}
	r := mustRun(t, p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Lost > 0 || r.Faults.Any() || len(r.Problems) > 0 {
		t.Errorf("%d lost, %+v, %q", r.Lost, r.Faults, r.Problems)
	}
	wantFacts(t, r, map[string]float64{"messages that slow readers skipped": float64(skipped), "slow readers closed with 1013": 2, "came back": 2})
}

// A soak that is ended early says what it has seen.
func TestInterruptedMix(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	r := runUntil(t, aDay(url), 500)
	if r.Faults.Any() || r.Published == 0 {
		t.Errorf("%d published, %+v", r.Published, r.Faults)
	}
	wantFacts(t, r, map[string]float64{"clients": 20})
}
