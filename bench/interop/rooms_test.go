package interop

import (
	"strings"
	"testing"
	"time"

	"sluice/bench"
)

// roomsDialect is what rooms wants to hear.
func roomsDialect() bench.Dialect {
	return bench.Dialect{
		Greeting: 1,
		Join:     []string{`{"type":"hello","user":1{index}}`, `{"type":"join","room":"{channel}"}`},
		Ready:    1,
		Publish:  `{"type":"publish","room":"{channel}","body":"{payload}"}`,
		Answers:  []bench.Answer{{To: `{"type":"ping"`, Say: `{"type":"pong"}`}},
		Refusals: []string{`"type":"no"`},
	}
}

// A server that nobody made a preset for, by templates.
func TestOwnProtocol(t *testing.T) {
	t.Parallel()
	p := bench.Plan{
		Scenario: "fanout", Dialect: roomsDialect(), URLs: []string{serve(t, &rooms{t: t})},
		Connections: 30, Channels: 3, PublishRate: 250, Duration: 400 * time.Millisecond,
	}
	delivered(t, mustRun(t, p), 100, 10)

	p.URLs, p.PublishRate, p.Window = []string{serve(t, &rooms{t: t})}, 0, 5
	flawless(t, until(t, p, 1000))

	p.Scenario, p.Connections, p.Window = "churn", 6, 0
	p.PublishRate, p.Messages = 500, 2
	flawless(t, until(t, p, 30))
}

// With a Zipf distribution of subscribers each message reaches as many as its
// channel has.
func TestZipf(t *testing.T) {
	t.Parallel()
	r := mustRun(t, bench.Plan{
		Scenario: "fanout", Dialect: roomsDialect(), URLs: []string{serve(t, &rooms{t: t})},
		Connections: 110, Channels: 3, Zipf: 1, Seed: 7, PublishRate: 150, Duration: 400 * time.Millisecond,
	})
	flawless(t, r)
	// 60, 30 and 20 subscribers, 20 messages each.
	if r.Published != 60 || r.Delivery == nil || r.Delivery.Count != 20*110 {
		t.Errorf("%d published, deliveries %+v", r.Published, r.Delivery)
	}
}

// What the server says stands in the error.
func TestRefusal(t *testing.T) {
	t.Parallel()
	d := roomsDialect()
	d.Join = []string{`{"type":"hello","user":0}`, `{"type":"pong"}`}
	d.Refusals = []string{`"type":"welcome"`}
	_, err := bench.Run(t.Context(), bench.Plan{
		Scenario: "fanout", Dialect: d, URLs: []string{serve(t, &rooms{t: t})}, Connections: 2, Window: 1,
	}, bench.Options{})
	if err == nil || !strings.Contains(err.Error(), `the server refused: {"type":"welcome"}`) {
		t.Errorf("%v", err)
	}
}
