package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

// tenWithTwoSlow are 10 subscribers, of which two stop reading.
func tenWithTwoSlow(t *testing.T) (p Plan, slow []bool) {
	t.Helper()
	p = Plan{
		Scenario: "slow", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 10, PublishRate: 50, PIDs: []int{pid()},
		Duration: time.Second, ReceiveBuffer: 64 << 10,
	}
	same := p
	s := newSlow(bareRun(t, &same))
	if s.slows != 2 {
		t.Fatalf("%d of 10 are slow, want 2", s.slows)
	}
	return p, s.skipper
}

func TestSlow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mangle func(slow bool, client, n int, p []byte) [][]byte
		cut    func(slow bool, n int) ws.CloseCode
		want   map[string]float64
		faults Faults
	}{
		{"all is kept for them", nil, nil, map[string]float64{"still connected at the end": 2, "messages skipped": 0}, Faults{}},
		{"they miss some", func(slow bool, _, n int, p []byte) [][]byte {
			if slow && n > 60 && n <= 70 || slow && n == 100 {
				return nil
			}
			return [][]byte{p}
		}, nil, map[string]float64{"still connected at the end": 2, "messages skipped": 22}, Faults{}},
		{"they get some twice", func(slow bool, _, n int, p []byte) [][]byte {
			if slow && n == 70 {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, nil, map[string]float64{"messages skipped": 0}, Faults{Duplicated: 2}},
		{"they are closed", nil, func(slow bool, n int) ws.CloseCode {
			if slow && n == 75 {
				return 1013
			}
			return 0
		}, map[string]float64{"still connected at the end": 0, "closed with 1013": 2, "messages skipped": 0}, Faults{}},
		{"another one loses", func(_ bool, client, n int, p []byte) [][]byte {
			if client == 10 && n == 80 { // the publisher, which reads as well
				return nil
			}
			return [][]byte{p}
		}, nil, map[string]float64{"messages skipped": 0}, Faults{Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &faulty{}
			p, slow := tenWithTwoSlow(t)
			if tt.mangle != nil {
				s.mangle = func(client, n int, p []byte) [][]byte { return tt.mangle(slow[client], client, n, p) }
			}
			if tt.cut != nil {
				s.cut = func(client, n int) ws.CloseCode { return tt.cut(slow[client], n) }
			}
			url, _ := s.start(t)
			p.URLs = []string{url + "?n={index}"}
			r := mustRun(t, p)
			if diff := cmp.Diff(tt.faults, r.Faults); diff != "" || r.Lost+r.Failed > 0 || len(r.Problems) > 0 {
				t.Errorf("%d connections lost, problems %q: %s", r.Lost, r.Problems, diff)
			}
			wantFacts(t, r, tt.want)
			before, during := latencyOf(r, "the others, before"), latencyOf(r, "the others, meanwhile")
			if before == nil || during == nil || before.Count%9 != 0 && tt.faults.Lost == 0 {
				t.Errorf("before %+v, meanwhile %+v: nine of eleven connections read", before, during)
			}
			if _, closed := tt.want["closed with 1013"]; closed && latencyOf(r, "slow one closed after").Count != 2 {
				t.Error("their end was not seen before they read on")
			}
		})
	}
}

// The end of a reader that is not slow is a loss.
func TestSlowKeepsAnEyeOnTheOthers(t *testing.T) {
	t.Parallel()
	s := &faulty{}
	p, slow := tenWithTwoSlow(t)
	victim := 0
	for slow[victim] {
		victim++
	}
	s.cut = func(client, n int) ws.CloseCode {
		if client == victim && n == 70 {
			return 1013
		}
		return 0
	}
	url, _ := s.start(t)
	p.URLs = []string{url + "?n={index}"}
	r := mustRun(t, p)
	if diff := cmp.Diff(map[uint16]int{1013: 1}, r.Codes); diff != "" || r.Lost != 1 || r.OK() {
		t.Errorf("%d lost %s", r.Lost, diff)
	}
}
