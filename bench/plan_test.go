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
		{"negative", good(func(p *Plan) { p.Zipf = -1 })},
		{"negative", good(func(p *Plan) { p.Jitter = -1 })},
		{"shares", good(func(p *Plan) { p.Slow = 1.5 })},
		{"unknown cut", good(func(p *Plan) { p.Scenario, p.Window, p.Cut = "storm", 0, "x" })},
		{"no window", good(func(p *Plan) { p.Scenario = "storm" })},
		{"no window", good(func(p *Plan) { p.Scenario = "drain" })},
		{"publish rate", good(func(p *Plan) { p.Scenario, p.Window = "slow", 0 })},
		{"publish rate", good(func(p *Plan) { p.Scenario, p.Window = "mix", 0 })},
		{"11 publishers", good(func(p *Plan) { p.Scenario, p.Window, p.PublishRate, p.Publishers = "mix", 0, 1, 11 })},
		{"too many pairs", good(func(p *Plan) {
			p.Scenario, p.Window, p.PublishRate, p.Connections, p.PublishersShare = "mix", 0, 1, 20_000, 0.5
		})},
		{"either", good(func(p *Plan) { p.Scenario, p.PublishRate = "echo", 1 })},
		{"nothing comes back", good(func(p *Plan) { p.Scenario, p.Dialect.NoEcho = "echo", true })},
		{"no use for the HTTP API", good(func(p *Plan) { p.Scenario, p.API = "echo", "http://h" })},
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
	for _, bad := range []string{"", "http://h/", "ws://", "ws://127.0.0.1:port/", "127.0.0.1:80"} {
		if _, err := parseTarget(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for in, path := range map[string]string{"ws://127.0.0.1:9": "/", "ws://[::1]:9/a?b=c": "/a?b=c", "ws://127.0.0.1/x": "/x"} {
		got, err := parseTarget(in)
		if err != nil || got.pathOf(0, 0) != path {
			t.Errorf("%q: path %q, %v", in, got.pathOf(0, 0), err)
		}
	}
}

// Each connection asks for its own channel, where the server wants to be asked.
func TestRequestPath(t *testing.T) {
	for _, tt := range []struct {
		plan Plan
		want []string // of connections 0, 1, ...
	}{
		{Plan{URLs: []string{"ws://127.0.0.1:1/x"}}, []string{"/x", "/x"}},
		{
			Plan{URLs: []string{"ws://127.0.0.1:1/", "ws://127.0.0.1:1/app?key=1"}, Channels: 3},
			[]string{"/?channel=flood-0", "/app?key=1&channel=flood-1", "/?channel=flood-2", "/app?key=1&channel=flood-0"},
		},
		{Plan{URLs: []string{"ws://127.0.0.1:1/room/{channel}?user={index}"}, Channels: 2}, []string{"/room/flood-0?user=0", "/room/flood-1?user=1"}},
		{Plan{URLs: []string{"ws://127.0.0.1:1/%7Bx%7D"}, Channels: 2, Dialect: Dialect{Join: []string{"join {channel}"}}}, []string{"/%7Bx%7D"}},
		{Plan{URLs: []string{"ws://127.0.0.1:1/"}, Channels: 1, Preset: "broadcast"}, []string{"/"}},
	} {
		p := tt.plan
		p.Scenario, p.Connections = "connect", len(tt.want)
		if err := p.normalise(); err != nil {
			t.Fatal(err)
		}
		s, err := newSwarm(&p, newClock(), p.Connections, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		s.channel = channelsOf(&p).of
		for i, want := range tt.want {
			if got := s.targets[i%len(s.targets)].pathOf(i, s.channelOf(i)); got != want {
				t.Errorf("%v: connection %d asks for %s, want %s", p.URLs, i, got, want)
			}
		}
	}
}
