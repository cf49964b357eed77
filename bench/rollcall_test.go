package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

// called is a connect run of 6 connections in 3 channels that ends with 2 messages to each.
func called(url string) Plan {
	return Plan{
		Scenario: "connect", URLs: []string{url + "?n={index}"}, Connections: 6, Channels: 3, RollCall: true, Messages: 2,
		Patience: 2 * time.Second,
	}
}

// A roll call tells a connection that did not get its messages exactly once.
func TestRollCall(t *testing.T) {
	// only does to the nth message of one client what is to be done.
	only := func(client, nth int, do func(p []byte) [][]byte) func(int, int, []byte) [][]byte {
		had := 0
		return func(to, _ int, p []byte) [][]byte {
			if to == client {
				if had++; had == nth {
					return do(p)
				}
			}
			return [][]byte{p}
		}
	}
	for _, tt := range []struct {
		name      string
		server    *faulty
		want      Faults
		delivered uint64
	}{
		{"everyone answers", &faulty{}, Faults{}, 12},
		{"one did not get one", &faulty{mangle: only(4, 1, func([]byte) [][]byte { return nil })}, Faults{Lost: 1}, 11},
		{"one got one twice", &faulty{mangle: only(5, 2, func(p []byte) [][]byte { return [][]byte{p, p} })}, Faults{Duplicated: 1}, 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, _ := tt.server.start(t)
			r := mustRun(t, called(url))
			if diff := cmp.Diff(tt.want, r.Faults); diff != "" {
				t.Error(diff)
			}
			c := r.RollCall
			if c == nil || c.Channels != 3 || c.Messages != 2 || c.Delivered != tt.delivered || r.Opened != 6 {
				t.Fatalf("%+v of %d connections, want %d deliveries", c, r.Opened, tt.delivered)
			}
			if ok := !tt.want.Any(); r.OK() != ok || (c.Delivered == c.Expected) != (tt.want.Lost == 0) {
				t.Errorf("OK is %v; %d of %d deliveries", r.OK(), c.Delivered, c.Expected)
			}
			if r.Operation != "handshake" || r.Operations != 6 {
				t.Errorf("the rate is of %d %s, want 6 handshakes", r.Operations, r.Operation)
			}
		})
	}
}

func TestRollCallOverTheAPI(t *testing.T) {
	t.Parallel()
	url, api := (&faulty{}).start(t)
	p := called(url)
	p.API, p.APIKey = api, "secret"
	if r := mustRun(t, p); !r.OK() || r.RollCall.Delivered != 12 || r.Published != 6 {
		t.Errorf("%+v, %d published, %+v", r.RollCall, r.Published, r.Faults)
	}
	p.APIKey, p.Patience = "wrong", time.Hour // it ends with the first failure
	if _, err := Run(t.Context(), p, Options{}); err == nil || !strings.Contains(err.Error(), "publishes failed") {
		t.Errorf("with a wrong key: %v", err)
	}
}

// Who is cut off in the middle of a roll call is not waited for, but does not pass.
func TestRollCallLosesConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		client int
		broken bool
	}{{"a subscriber", 4, false}, {"a publisher", 1, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &faulty{cut: func(client, _ int) ws.CloseCode {
				if client == tt.client {
					return 1013
				}
				return 0
			}}
			url, _ := s.start(t)
			p := called(url)
			p.Patience = time.Hour // not by its end
			r, err := Run(t.Context(), p, Options{})
			if (err != nil) != tt.broken || r.Lost != 1 || r.OK() {
				t.Errorf("%v; %d lost, OK is %v", err, r.Lost, r.OK())
			}
		})
	}
}

func TestRollCallPlan(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"as many connections":   func(p *Plan) { p.Channels = 7 },
		"one publisher for":     func(p *Plan) { p.Publishers = 2 },
		"must not be negative":  func(p *Plan) { p.Patience = -1 },
		"counts must not be ne": func(p *Plan) { p.Messages = -1 },
	} {
		p := called("ws://h/")
		change(&p)
		if err := p.normalise(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
