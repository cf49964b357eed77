package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLists(t *testing.T) {
	tests := []struct {
		path   string
		status int
		want   string
	}{
		{"/api/channels", 200, `{"result":{"channels":[{"channel":"a","subscribers":1},{"channel":"b","subscribers":2},{"channel":"c","subscribers":3}],"total":3,"truncated":false}}`},
		{"/api/channels?prefix=b", 200, `{"result":{"channels":[{"channel":"b","subscribers":2}],"total":1,"truncated":false}}`},
		{"/api/channels?prefix=zz", 200, `{"result":{"channels":[],"total":0,"truncated":false}}`},
		{"/api/channels?limit=2&prefix=", 200, `"total":3,"truncated":true}}`},
		{"/api/channels?limit=10000", 200, `"truncated":false}}`},
		{"/api/channels?limit=10001", 400, `\"limit\" must be from 1 to 10000`},
		{"/api/channels?limit=0", 400, `\"limit\" must be from 1 to 10000`},
		{"/api/channels?limit=-1", 400, `\"limit\"`},
		{"/api/channels?limit=ten", 400, `\"limit\"`},
		{"/api/channels?limit=", 400, `\"limit\"`},
		{"/api/channels?limit=1&limit=2", 400, `the query has \"limit\" twice`},
		{"/api/channels?pattern=a", 400, `unknown parameter \"pattern\"`},
		{"/api/channels?prefix=%zz", 400, `not well-formed`},
		{"/api/connections", 200, `{"result":{"connections":[` +
			`{"connection":"00000000000000ab","remote_addr":"192.0.2.7:4711","channels":["a","b"],"queued_bytes":5,"queued_frames":6},` +
			`{"connection":"00000000000000cd","remote_addr":"192.0.2.7:4711","channels":[],"queued_bytes":0,"queued_frames":0}],"total":2,"truncated":false}}`},
		{"/api/connections?limit=1", 200, `"total":2,"truncated":true}}`},
		{"/api/connections?limit=0", 400, `\"limit\"`},
		{"/api/connections?prefix=a", 400, `unknown parameter \"prefix\"`},
	}
	for _, tt := range tests {
		res := exchange(t, New(options(&fakeHub{})), request("GET", tt.path, ""))
		if got := res.body; res.status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %d %s\nwant %d with %s", tt.path, res.status, got, tt.status, tt.want)
		}
	}
}

func TestInfo(t *testing.T) {
	o := options(&fakeHub{})
	o.Started = time.Now().Add(-90 * time.Second)
	o.Draining = func() bool { return true }
	o.Ready = func() (bool, string) { return false, "draining" }
	o.MaxConnections = 5
	var got struct{ Result nodeView }
	if err := json.Unmarshal([]byte(exchange(t, New(o), request("GET", "/api/info", "")).body), &got); err != nil {
		t.Fatal(err)
	}
	v := got.Result
	if v.Uptime < 90 || v.Goroutines < 1 || v.RSSAnon == 0 || v.GoVersion == "" || v.Started.After(time.Now()) {
		t.Errorf("%+v", v)
	}
	v.Uptime, v.Goroutines, v.RSSAnon, v.GoVersion, v.Started = 0, 0, 0, "", time.Time{}
	want := nodeView{
		Node: "node-1", Version: "v0.0.0", Why: "draining", Draining: true, Connections: 2, MaxConnections: 5, Channels: 3, Shards: 2,
		Inbox: 9, QueuedBytes: 6, MessageSize: testMessageSize,
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got  %+v\nwant %+v", v, want)
	}
}

func TestHealth(t *testing.T) {
	o := options(&fakeHub{})
	ready, why := false, "starting"
	o.Ready = func() (bool, string) { return ready, why }
	s := New(o)
	check := func(path string, status int, want string) {
		t.Helper()
		res := exchange(t, s, request("GET", path, ""))
		if got := res.body; res.status != status || got != want {
			t.Errorf("%s: %d %s, want %d %s", path, res.status, got, status, want)
		}
	}
	check("/healthz", 200, `{"result":{"alive":true}}`)
	check("/readyz", 503, `{"error":{"code":"not_ready","message":"starting"}}`)
	ready = true
	check("/readyz", 200, `{"result":{"ready":true}}`)
	ready, why = false, "draining"
	check("/readyz", 503, `{"error":{"code":"not_ready","message":"draining"}}`)
	check("/healthz", 200, `{"result":{"alive":true}}`)
}

func TestMetricsPage(t *testing.T) {
	o := options(&fakeHub{})
	o.Cell.Accepted.Add(42)
	res := exchange(t, New(o), request("GET", "/metrics", ""))
	got := res.body
	for _, want := range []string{"sluice_edge_accepted_connections_total 42\n", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
}

// O1: profiles are served where they are asked for, and nowhere else.
func TestPprof(t *testing.T) {
	o := options(&fakeHub{})
	off := New(o)
	o.Pprof = true
	on := New(o)
	for path, want := range map[string]string{
		"/debug/pprof/":                    "goroutine",
		"/debug/pprof/heap?gc=1&debug=1":   "heap profile:",
		"/debug/pprof/goroutine?debug=1":   "goroutine profile:",
		"/debug/pprof/cmdline":             "api.test",
		"/debug/pprof/symbol":              "num_symbols",
		"/debug/pprof/trace?seconds=0.001": "go 1.",
	} {
		if res := exchange(t, off, request("GET", path, "")); res.status != 404 {
			t.Errorf("off: %s: %d", path, res.status)
		}
		res := exchange(t, on, request("GET", path, ""))
		if got := res.body; res.status != 200 || !strings.Contains(got, want) {
			t.Errorf("on: %s: %d, no %q in %.200q", path, res.status, want, got)
		}
	}
}
