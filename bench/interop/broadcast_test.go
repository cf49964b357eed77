package interop

import (
	"net/http"
	"testing"
	"time"

	"sluice/bench"
)

// broadcasters are servers in which everyone gets everything.
func broadcasters() map[string]func() http.Handler {
	return map[string]func() http.Handler{
		"gorilla": func() http.Handler { return &gorilla{} },
		"gws":     func() http.Handler { return new(gwsRoom).handler() },
	}
}

func TestBroadcastServers(t *testing.T) {
	for name, server := range broadcasters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBroadcast(t, func(t *testing.T) string { return serve(t, server()) })
		})
	}
}

// testBroadcast runs what a broadcast server is held to; start begins one and
// says where it is.
func testBroadcast(t *testing.T, start func(*testing.T) (url string)) {
	t.Run("open loop", func(t *testing.T) {
		r := mustRun(t, bench.Plan{
			Scenario: "fanout", Preset: "broadcast", URLs: []string{start(t)}, Connections: 30,
			Publishers: 3, PublishRate: 200, Duration: 500 * time.Millisecond,
		})
		delivered(t, r, 100, 30)
	})
	t.Run("binary", func(t *testing.T) {
		r := mustRun(t, bench.Plan{
			Scenario: "fanout", Preset: "broadcast", URLs: []string{start(t)}, Connections: 3,
			Size: 70_000, Binary: true, PublishRate: 50, Duration: 200 * time.Millisecond,
		})
		delivered(t, r, 10, 3)
	})
	t.Run("closed loop", func(t *testing.T) {
		flawless(t, until(t, bench.Plan{
			Scenario: "fanout", Preset: "broadcast", URLs: []string{start(t)}, Connections: 20, Window: 16,
		}, 2000))
	})
	t.Run("churn", func(t *testing.T) {
		r := until(t, bench.Plan{
			Scenario: "churn", Preset: "broadcast", URLs: []string{start(t)}, Connections: 5,
			PublishRate: 500, Messages: 2,
		}, 50)
		flawless(t, r)
	})
	t.Run("connect", func(t *testing.T) {
		r := mustRun(t, bench.Plan{Scenario: "connect", URLs: []string{start(t)}, Connections: 50})
		if flawless(t, r); r.Opened != 50 {
			t.Errorf("%d opened", r.Opened)
		}
	})
}

// The other usual loop leaves out the sender.
func TestSenderIsLeftOut(t *testing.T) {
	t.Parallel()
	p := bench.Plan{
		Scenario: "fanout", Preset: "broadcast", Dialect: bench.Dialect{NoEcho: true},
		URLs: []string{serve(t, &gorilla{others: true})}, Connections: 10, Publishers: 2,
		PublishRate: 250, Duration: 400 * time.Millisecond,
	}
	delivered(t, mustRun(t, p), 100, 9)

	p.URLs = []string{serve(t, &gorilla{})} // which does echo
	if r := mustRun(t, p); r.Faults != (bench.Faults{Misrouted: 100}) {
		t.Errorf("%+v, want each message misrouted once", r.Faults)
	}

	p.Dialect, p.URLs = bench.Dialect{}, []string{serve(t, &gorilla{others: true})}
	if r := mustRun(t, p); r.Faults != (bench.Faults{Lost: 100}) {
		t.Errorf("%+v, want each message lost once", r.Faults)
	}
}

// A server that answers the upgrade before it enters the client, as the usual
// examples do, loses what is said in between, with or without TLS.
func TestLateEntryLoses(t *testing.T) {
	t.Parallel()
	r := until(t, bench.Plan{
		Scenario: "fanout", Preset: "broadcast", URLs: []string{serve(t, &gorilla{late: 8})}, Connections: 3, Publishers: 2, Window: 16,
	}, 100)
	if r.Faults != (bench.Faults{Lost: 8}) {
		t.Errorf("%+v, want the first 8 messages lost once", r.Faults)
	}
}
