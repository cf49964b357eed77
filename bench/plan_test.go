package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlanIsChecked(t *testing.T) {
	good := func(change func(*Plan)) Plan {
		p := Plan{Scenario: "fanout", URLs: []string{"ws://h/"}, Connections: 10, Window: 1}
		change(&p)
		return p
	}
	for _, tt := range []struct {
		want string // within the error; "" for none
		plan Plan
	}{
		{"", good(func(*Plan) {})},
		{"no url", good(func(p *Plan) { p.URLs = nil })},
		{"at least 1", good(func(p *Plan) { p.Connections = 0 })},
		{"size 47", good(func(p *Plan) { p.Size = 47 })},
		{"either", good(func(p *Plan) { p.PublishRate = 1 })},
		{"either", good(func(p *Plan) { p.Window = 0 })},
		{"11 publishers", good(func(p *Plan) { p.Publishers = 11 })},
		{"", good(func(p *Plan) { p.Publishers, p.API = 11, "http://h" })},
		{"11 channels", good(func(p *Plan) { p.Channels = 11; p.Publishers = 1 })},
		{"unknown", good(func(p *Plan) { p.Scenario = "x" })},
		{"steps", good(func(p *Plan) { p.Scenario, p.Steps = "connect", []int{5, 4} })},
		{"steps", good(func(p *Plan) { p.Scenario, p.Steps = "connect", []int{5, 11} })},
		{"publish rate", good(func(p *Plan) { p.Scenario, p.Window, p.Messages = "churn", 0, 1 })},
		{"negative", good(func(p *Plan) { p.Warmup = -1 })},
	} {
		err := tt.plan.normalise()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.plan, err, tt.want)
		}
	}
}

func TestParseSources(t *testing.T) {
	for in, want := range map[string][]string{
		"127.0.0.1":                   {"127.0.0.1"},
		"127.0.0.254-127.0.1.1":       {"127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1"},
		"10.0.0.1, 10.0.0.3-10.0.0.4": {"10.0.0.1", "10.0.0.3", "10.0.0.4"},
		"::1-::2":                     {"::1", "::2"},
		"127.0.0.2-127.0.0.1":         nil,
		"127.0.0.1-::1":               nil,
		"10.0.0.0-10.255.255.255":     nil,
		"localhost":                   nil,
		"":                            nil,
	} {
		got, err := ParseSources(in)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v %s", in, err, diff)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, bad := range []string{"", "http://h/", "wss://127.0.0.1:1/", "ws://", "ws://127.0.0.1:port/", "127.0.0.1:80"} {
		if _, err := parseTarget(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for in, path := range map[string]string{"ws://127.0.0.1:9": "/", "ws://[::1]:9/a?b=c": "/a?b=c", "ws://127.0.0.1/x": "/x"} {
		got, err := parseTarget(in)
		if err != nil || got.path != path {
			t.Errorf("%q: path %q, %v", in, got.path, err)
		}
	}
}

func TestChannelPath(t *testing.T) {
	p := &Plan{Channels: 3}
	path := channelPath(p, []target{{path: "/"}, {path: "/app?key=1"}})
	for i, want := range []string{"/?channel=flood-0", "/app?key=1&channel=flood-1", "/?channel=flood-2", "/app?key=1&channel=flood-0"} {
		if got := path(i); got != want {
			t.Errorf("connection %d asks for %s, want %s", i, got, want)
		}
	}
	ch := channelsOf(&Plan{Channels: 3, Publishers: 7})
	if ch.columns != 3 {
		t.Errorf("seven publishers of three channels need %d columns, want 3", ch.columns)
	}
}
