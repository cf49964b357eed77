package bench

import (
	"testing"
	"time"
)

// Each scenario in three processes finds what it finds in one.
func TestScenariosInThreeProcesses(t *testing.T) {
	for _, tt := range []struct {
		change func(*Plan)
		want   map[string]float64
	}{
		{func(p *Plan) { p.Scenario = "echo" }, nil},
		{
			func(p *Plan) { p.Scenario, p.Settle = "storm", 100*time.Millisecond },
			map[string]float64{"reset by the client": 12, "clients that came back": 12, "dials": 12},
		},
		{
			func(p *Plan) { p.Scenario = "slow" },
			map[string]float64{"subscribers": 2, "still connected at the end": 2, "messages skipped": 0},
		},
		{
			func(p *Plan) { p.Scenario, p.Leaves, p.Publishers, p.Jitter = "mix", 40, 5, 50*time.Millisecond },
			map[string]float64{"clients": 12},
		},
	} {
		var p Plan
		tt.change(&p)
		t.Run(p.Scenario, func(t *testing.T) {
			url, _ := (&faulty{}).start(t)
			p.URLs, p.Connections, p.PublishRate, p.PIDs = []string{url}, 12, 150, []int{pid()}
			p.Duration = 400 * time.Millisecond
			r, err := Run(t.Context(), p, inThree())
			if err != nil {
				t.Fatal(err)
			}
			if r.Faults.Any() || r.Lost+r.Failed > 0 || len(r.Problems) > 0 || r.Operations == 0 || r.Published == 0 {
				t.Errorf("%d operations, %d published, %d lost, %d failed, %+v, %q", r.Operations, r.Published, r.Lost, r.Failed, r.Faults, r.Problems)
			}
			wantFacts(t, r, tt.want)
		})
	}
	t.Run("drain", func(t *testing.T) {
		s := &faulty{}
		url, _ := s.start(t)
		r, err := Run(t.Context(), drainOf(url, ended(t, func() {
			for i := range 11 {
				time.Sleep(5 * time.Millisecond)
				s.end(i, 1001)
			}
		})), inThree())
		if err != nil {
			t.Fatal(err)
		}
		if r.Faults.Any() || len(r.Problems) > 0 {
			t.Errorf("%+v, %q", r.Faults, r.Problems)
		}
		wantFacts(t, r, map[string]float64{"closed with 1001": 10, "connections of publishers that ended": 1})
	})
}
