package bench

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

// hundred is an open loop of exactly 100 messages to 5 subscribers.
func hundred(url string) Plan {
	return Plan{
		Scenario: "fanout", URLs: []string{url}, Connections: 5,
		PublishRate: 250, Duration: 400 * time.Millisecond,
	}
}

func mustRun(t *testing.T, p Plan) *Result {
	t.Helper()
	r, err := Run(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runUntil ends the run when it has done so many operations within its window.
func runUntil(t *testing.T, p Plan, operations uint64) *Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p.Duration = time.Hour
	r, err := Run(ctx, p, Options{Interval: time.Millisecond, Progress: func(p Progress) {
		if p.Phase == "measuring" && p.Done >= operations {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Operations < operations || r.Window <= 0 {
		t.Errorf("interrupted: %v, %d operations in %v, want at least %d", r.Interrupted, r.Operations, r.Window, operations)
	}
	return r
}

// Each fault of a server is seen, and counted right.
func TestFaultsAreCounted(t *testing.T) {
	plain := func(p []byte) [][]byte { return [][]byte{p} }
	var held []byte
	for _, tt := range []struct {
		name   string
		server *faulty
		want   Faults
	}{
		{"none", &faulty{}, Faults{}},
		{"drops", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			if client == 2 && n%10 == 0 {
				return nil
			}
			return plain(p)
		}}, Faults{Lost: 10}},
		{"drops for everyone", &faulty{mangle: func(_, n int, p []byte) [][]byte {
			if n == 50 {
				return nil
			}
			return plain(p)
		}}, Faults{Lost: 5}},
		{"doubles", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			if client == 0 && n%25 == 0 {
				return [][]byte{p, p}
			}
			return plain(p)
		}}, Faults{Duplicated: 4}},
		{"reorders", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			switch {
			case client == 4 && n == 30:
				held = slices.Clone(p)
				return nil
			case client == 4 && n == 33:
				return [][]byte{p, held}
			}
			return plain(p)
		}}, Faults{Reordered: 1}},
		{"corrupts", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			if client == 1 && n > 97 {
				p = slices.Clone(p)
				p[len(p)-1] ^= 1
			}
			return plain(p)
		}}, Faults{Corrupt: 3, Lost: 3}},
		{"cuts short", &faulty{mangle: func(client, n int, p []byte) [][]byte {
			if client == 1 && n == 7 {
				p = p[:20]
			}
			return plain(p)
		}}, Faults{Corrupt: 1, Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := tt.server.start(t)
			r := mustRun(t, hundred(url))
			if diff := cmp.Diff(tt.want, r.Faults); diff != "" {
				t.Error(diff)
			}
			if r.Published != 100 || r.Undelivered != 0 {
				t.Errorf("%d published, %d undelivered, want 100 and 0", r.Published, r.Undelivered)
			}
			if r.OK() && tt.want.Any() {
				t.Error("the result calls itself OK")
			}
		})
	}
}

// A subscriber that the server cuts off is counted as such, and the others are
// waited for no longer than needed.
func TestLostConnections(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client int
		broken bool
	}{{"a subscriber", 3, false}, {"the publisher", 0, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &faulty{cut: func(client, n int) ws.CloseCode {
				if client == tt.client && n == 20 {
					return 1013
				}
				return 0
			}}
			url, _ := s.start(t)
			p := hundred(url + "?n={index}")
			r, err := Run(t.Context(), p, Options{})
			if (err != nil) != tt.broken {
				t.Fatalf("error: %v", err)
			}
			if err != nil && strings.Count(err.Error(), "publisher 0") != 1 {
				t.Errorf("the publisher's end is told more than once: %q", err)
			}
			if diff := cmp.Diff(map[uint16]int{1013: 1}, r.Codes); diff != "" || r.Lost != 1 {
				t.Errorf("%d lost %s", r.Lost, diff)
			}
			if r.Faults.Any() {
				t.Errorf("%+v: the others lost nothing", r.Faults)
			}
		})
	}
}

// What a server may do with frames changes nothing.
func TestFraming(t *testing.T) {
	fragments := func(op ws.Opcode, p []byte) []byte {
		b := ws.AppendFragment(nil, op, false, p[:5])
		b = ws.AppendFrame(b, ws.Ping, []byte("between"))
		b = ws.AppendFragment(b, ws.Continuation, false, p[5:])
		return ws.AppendFragment(b, ws.Continuation, true, nil)
	}
	for _, tt := range []struct {
		name   string
		server *faulty
		size   int
		binary bool
	}{
		{"one frame", &faulty{}, 48, true},
		{"16-bit length", &faulty{}, 126, false},
		{"64-bit length", &faulty{}, 65536, false},
		{"fragments", &faulty{frame: fragments}, 128, false},
		{"fragments in pieces", &faulty{frame: fragments, chunk: 17}, 300, true},
		{"byte by byte", &faulty{chunk: 1}, 128, false},
		{"large, in pieces", &faulty{chunk: 10_000}, 600_000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := tt.server.start(t)
			p := hundred(url)
			p.Size, p.Binary, p.PublishRate = tt.size, tt.binary, 50
			r := mustRun(t, p)
			if r.Published != 20 || r.Faults.Any() || r.Lost != 0 {
				t.Errorf("%d published, %d connections lost, %+v", r.Published, r.Lost, r.Faults)
			}
			if r.Delivery == nil || r.Delivery.Count != 100 || r.Last.Count != 20 {
				t.Errorf("latencies %+v and %+v, want 100 and 20", r.Delivery, r.Last)
			}
		})
	}
}

// A server that stands still for a second is seen at the right weight, because
// latency counts from the planned time.
func TestPauseShowsInTheTail(t *testing.T) {
	t.Parallel()
	s := &faulty{mangle: func(client, n int, p []byte) [][]byte {
		if client == 0 && n == 100 {
			time.Sleep(time.Second)
		}
		return [][]byte{p}
	}}
	url, _ := s.start(t)
	r := mustRun(t, Plan{Scenario: "fanout", URLs: []string{url}, Connections: 2, PublishRate: 200, Duration: 2 * time.Second})
	// Half of the messages were planned within the pause; their latencies fall from 1 s to 0.
	for _, tt := range []struct {
		name      string
		got       time.Duration
		low, high time.Duration
	}{
		{"p50", r.Delivery.P50, 0, 700 * time.Millisecond},
		{"p90", r.Delivery.P90, 600 * time.Millisecond, time.Minute},
		{"p99", r.Delivery.P99, 900 * time.Millisecond, time.Minute},
	} {
		if tt.got < tt.low || tt.got > tt.high {
			t.Errorf("%s is %v, want %v to %v", tt.name, tt.got, tt.low, tt.high)
		}
	}
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	r := runUntil(t, Plan{Scenario: "fanout", URLs: []string{url}, Connections: 6, Channels: 3, Window: 8}, 100)
	if r.Faults.Any() || r.Published < 50 || r.PerSecond() == 0 || r.Delivery == nil || r.Last == nil {
		t.Errorf("%d published, %d deliveries, %+v", r.Published, r.Operations, r.Faults)
	}
}

func TestPublishOverTheAPI(t *testing.T) {
	t.Parallel()
	url, api := (&faulty{}).start(t)
	p := hundred(url)
	p.Channels, p.API, p.APIKey = 2, api, "secret"
	r := mustRun(t, p)
	if r.Published != 100 || r.Faults.Any() || r.Last.Count != 100 {
		t.Errorf("%d published, %d completed, %+v", r.Published, r.Last.Count, r.Faults)
	}
	p.APIKey = "wrong"
	if _, err := Run(t.Context(), p, Options{}); err == nil || !strings.Contains(err.Error(), "100 publishes failed") {
		t.Errorf("with a wrong key: %v", err)
	}
}

func TestConnectAndChurn(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	r := mustRun(t, Plan{
		Scenario: "connect", URLs: []string{url, url}, Connections: 40, ConnectRate: 400, Steps: []int{10, 30},
		Sources: []string{"127.0.0.1", "127.0.0.2"}, Hold: 50 * time.Millisecond, PIDs: []int{pid()},
	})
	if r.Opened != 40 || r.Handshake.Count != 40 || r.ServerCPU == 0 {
		t.Errorf("%d opened, server CPU %v", r.Opened, r.ServerCPU)
	}
	var at []int
	for _, m := range r.Memory {
		at = append(at, m.Connections)
	}
	if diff := cmp.Diff([]int{10, 30, 40}, at); diff != "" {
		t.Error(diff)
	}

	r = runUntil(t, Plan{Scenario: "churn", URLs: []string{url}, Connections: 4}, 20)
	if !r.OK() || r.Cycle == nil {
		t.Errorf("%+v", r)
	}
	r = runUntil(t, Plan{Scenario: "churn", URLs: []string{url}, Connections: 4, Channels: 1, PublishRate: 500, Messages: 3}, 20)
	if r.Faults.Any() || r.Published == 0 {
		t.Errorf("with messages: %+v", r)
	}
}

func TestRefusedConnections(t *testing.T) {
	_, err := Run(t.Context(), Plan{Scenario: "fanout", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 3, Window: 1}, Options{})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	_, err = Run(t.Context(), Plan{Scenario: "connect", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 1 << 30}, Options{})
	if err == nil || !strings.Contains(err.Error(), "this host can open") {
		t.Errorf("%v", err)
	}
}

// stalling stands still for a while in the middle of the loop, as a generator
// on a crowded machine does.
type stalling struct {
	*fanout
	left int
}

func (s *stalling) message(i int, b []byte, now int64) {
	if s.left > 0 {
		s.left--
		time.Sleep(60 * time.Millisecond)
	}
	s.fanout.message(i, b, now)
}

func TestStalledGeneratorIsInvalid(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	p := hundred(url)
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	r := &run{plan: &p, clock: newClock(), result: &Result{Plan: p}, server: newCPUMeter(), client: newCPUMeter()}
	f := newFanout(r)
	var err error
	if f.swarm, err = newSwarm(&p, r.clock, p.Connections, &stalling{f, 4}); err != nil {
		t.Fatal(err)
	}
	defer f.swarm.stop()
	if err := f.mustDialAll(0, p.Connections); err != nil {
		t.Fatal(err)
	}
	if err := f.openLoop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.result.Invalid, "sent late") {
		t.Fatalf("invalid is %q", r.result.Invalid)
	}
	var text, line bytes.Buffer
	if err := r.result.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.result.WriteJSON(&line); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "INVALID: ") || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("the report is %q", text.String())
	}
	if strings.Contains(line.String(), "p99_ns") || !strings.Contains(line.String(), `"operations":0`) {
		t.Errorf("the JSON has figures: %s", line.String())
	}
}

func TestInvalidWhenBusy(t *testing.T) {
	f := &fanout{}
	if s := f.invalid(0.5); s != "" {
		t.Errorf("half a core: %q", s)
	}
	if s := f.invalid(0.95); !strings.Contains(s, "95 % of a core") {
		t.Errorf("a core: %q", s)
	}
}
