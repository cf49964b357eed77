package api

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sluice/gateway/hub"
)

// TestManual: every curl line of docs/api.md is answered with 200, every route
// has one, and every code is explained with its status.
func TestManual(t *testing.T) {
	file, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(file)
	o := options(&fakeHub{})
	o.Pprof = true
	o.CheckChannel = func(string) error { return nil }
	o.History = func(context.Context, string, hub.Position, int, int) (hub.Past, error) { return hub.Past{}, nil }
	o.Presence = func(context.Context, string, int, bool) (Presence, error) { return Presence{}, nil }
	o.Disconnect = func(string, hub.ID, uint16, string) (bool, error) { return true, nil }
	s := New(o)

	line := regexp.MustCompile(`(?m)^curl (?:-X (\w+) )?"?\$A(/[^ "\n]*)"?(?: -d '([^']*)')?`)
	shown := map[string]bool{}
	for _, m := range line.FindAllStringSubmatch(manual, -1) {
		method, target, body := m[1], m[2], m[3]
		switch {
		case body != "":
			method = "POST"
		case method == "":
			method = "GET"
		}
		r := request(method, target, body)
		shown[r.URL.Path] = true
		if strings.HasSuffix(r.URL.Path, "/profile") {
			continue // takes its seconds
		}
		if res := exchange(t, s, r); res.status != 200 {
			t.Errorf("%s: %d %s", m[0], res.status, res.body)
		}
	}
	for _, rt := range s.routes {
		if !shown[rt.path] && !strings.HasPrefix(rt.path, "/debug/pprof/") {
			t.Errorf("the manual does not show %s", rt.path)
		}
	}
	for _, c := range codes {
		if !strings.Contains(manual, "| "+strconv.Itoa(c.status)+" | `"+c.name+"` |") {
			t.Errorf("the manual does not explain %s with status %d", c.name, c.status)
		}
	}
}
