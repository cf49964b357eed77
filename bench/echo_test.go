package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fiveEchoes is an open loop of exactly 100 round trips of 5 connections.
func fiveEchoes(url string) Plan {
	return Plan{
		Scenario: "echo", URLs: []string{url}, Connections: 5,
		PublishRate: 250, Duration: 400 * time.Millisecond,
	}
}

func TestEchoFaultsAreCounted(t *testing.T) {
	var first []byte
	for _, tt := range []struct {
		name   string
		server *faulty
		preset string
		want   Faults
	}{
		{"none", &faulty{}, "", Faults{}},
		{"drops", &faulty{mangle: func(_, n int, p []byte) [][]byte {
			if n == 7 || n == 100 {
				return nil
			}
			return [][]byte{p}
		}}, "", Faults{Lost: 2}},
		{"doubles", &faulty{mangle: func(_, n int, p []byte) [][]byte {
			if n%50 == 0 {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}}, "", Faults{Duplicated: 2}},
		{"corrupts", &faulty{mangle: func(_, n int, p []byte) [][]byte {
			if n == 20 {
				p = bytes.Replace(p, p[40:41], []byte("z"), 1)
			}
			return [][]byte{p}
		}}, "", Faults{Corrupt: 1, Lost: 1}},
		{"answers with another's", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			if client == 0 && first == nil {
				first = slices.Clone(p)
			}
			if client == 1 && first != nil {
				other := first
				first = []byte{}
				if len(other) > 0 {
					return [][]byte{other, p}
				}
			}
			return [][]byte{p}
		}}, "", Faults{Misrouted: 1}},
		{"sends to everyone", &faulty{}, "broadcast", Faults{Misrouted: 400}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := tt.server.start(t)
			p := fiveEchoes(url)
			p.Preset = tt.preset
			r := mustRun(t, p)
			if diff := cmp.Diff(tt.want, r.Faults); diff != "" {
				t.Error(diff)
			}
			if trips := 100 - tt.want.Lost; r.Published != 100 || latencyOf(r, "round trip").Count != trips {
				t.Errorf("%d published, %d came back, want 100 and %d", r.Published, latencyOf(r, "round trip").Count, trips)
			}
		})
	}
}

func TestEchoClosedLoop(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	r := runUntil(t, Plan{Scenario: "echo", URLs: []string{url}, Connections: 4, Window: 3}, 100)
	if r.Faults.Any() || latencyOf(r, "round trip") == nil || r.Operation != "round trip" {
		t.Errorf("%+v", r)
	}
}

// A closed loop whose answer does not come stands still; the message is lost.
func TestEchoThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := &faulty{mangle: func(_, n int, p []byte) [][]byte {
		if n == 10 {
			return nil
		}
		return [][]byte{p}
	}}
	url, _ := s.start(t)
	r := mustRun(t, Plan{Scenario: "echo", URLs: []string{url}, Connections: 3, Duration: 200 * time.Millisecond})
	if diff := cmp.Diff(Faults{Lost: 1}, r.Faults); diff != "" {
		t.Error(diff)
	}
}

// A server that stands still for a second is seen at the right weight.
func TestEchoPauseShowsInTheTail(t *testing.T) {
	t.Parallel()
	s := &faulty{mangle: func(_, n int, p []byte) [][]byte {
		if n == 100 {
			time.Sleep(time.Second)
		}
		return [][]byte{p}
	}}
	url, _ := s.start(t)
	r := mustRun(t, Plan{Scenario: "echo", URLs: []string{url}, Connections: 2, PublishRate: 200, Duration: 2 * time.Second})
	q := latencyOf(r, "round trip")
	// Half of the messages were due within the pause; their latencies fall from 1 s to 0.
	if q.P90 < 600*time.Millisecond || q.P99 < 900*time.Millisecond {
		t.Errorf("p90 %v, p99 %v: want the pause in it", q.P90, q.P99)
	}
}

// stallingEcho stands still in the middle of the loop, as a generator on a
// crowded machine does.
type stallingEcho struct {
	*echo
	left int
}

func (s *stallingEcho) message(i int, b []byte, now int64) {
	if s.left > 0 {
		s.left--
		time.Sleep(60 * time.Millisecond)
	}
	s.echo.message(i, b, now)
}

func TestStalledEchoIsInvalid(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	p := fiveEchoes(url)
	e := newEcho(bareRun(t, &p))
	if err := e.assemble(p.Connections, &stallingEcho{e, 4}); err != nil {
		t.Fatal(err)
	}
	defer e.swarm.stop()
	if err := e.mustDialAll(0, p.Connections); err != nil {
		t.Fatal(err)
	}
	begun := e.clock.now()
	e.from, e.to = begun, begun+int64(p.Duration)
	if err := firstOf(e.trade(begun), e.figures()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(e.result.Invalid, "sent late") {
		t.Errorf("invalid is %q", e.result.Invalid)
	}
}

// bareRun is a run of the plan that a test executes step by step.
func bareRun(t *testing.T, p *Plan) *run {
	t.Helper()
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	return &run{plan: p, clock: newClock(), result: &Result{Plan: *p}, server: newCPUMeter(), client: newCPUMeter()}
}
