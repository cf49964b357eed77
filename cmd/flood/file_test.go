package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bench"
)

// parsed is what 'flood run' with the arguments makes of them.
func parsed(t *testing.T, args ...string) (*runCmd, error) {
	t.Helper()
	c, parser := newParser(context.Background())
	_, err := parser.Parse(append([]string{"run"}, args...))
	return &c.Run, err
}

// fileWith is a scenario file.
func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The files that come with the flood can be run as they are, and there is one for
// each scenario.
func TestScenarioFiles(t *testing.T) {
	paths, err := filepath.Glob("../../bench/scenarios/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{"fanout open": true, "fanout closed": true}
	for _, s := range bench.Scenarios {
		if s.Name != "fanout" {
			missing[s.Name] = true
		}
	}
	for _, path := range paths {
		c, err := parsed(t, "-f", path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		p, err := c.plan()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if _, err := bench.Prepare(&p, 1); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		name := p.Scenario
		if name == "fanout" {
			name = map[bool]string{true: "fanout open", false: "fanout closed"}[p.PublishRate > 0]
		}
		if !missing[name] {
			t.Errorf("%s: %s has another file", path, name)
		}
		delete(missing, name)
		if len(p.URLs) != 1 || p.URLs[0] != "ws://127.0.0.1:8080/" {
			t.Errorf("%s: %q", path, p.URLs)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no file for %v", missing)
	}
}

// The file in the documentation can be run.
func TestDocumentedFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/flood.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	c, err := parsed(t, "-f", fileWith(t, block))
	if err != nil || !found {
		t.Fatalf("%q: %v", block, err)
	}
	p, err := c.plan()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bench.Prepare(&p, 1); err != nil || p.PublishRate != 100 {
		t.Errorf("%+v: %v", p, err)
	}
}

// A file and the flags of the same names make the same plan.
func TestFileIsFlags(t *testing.T) {
	t.Parallel()
	path := fileWith(t, `
scenario: fanout
url: [ws://127.0.0.1:1/, 'ws://127.0.0.1:2/{channel}']
connections: 7
rate: 2.5
header: "X-A: 1, 2"
subprotocol: 2026
binary: true
seed: 18446744073709551615
publish-rate: 3
duration: 1m30s
settle: 0
steps: [1, 2]
procs: auto
preset: pusher
join: ["a,b", c]
answer: {'{"a":1': "b=c"}
pid: 12
`)
	got, err := parsed(t, "-f", path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := parsed(t, "fanout", "--url", "ws://127.0.0.1:1/", "--url", "ws://127.0.0.1:2/{channel}", "-n", "7", "--rate", "2.5",
		"--header", "X-A: 1, 2", "--subprotocol", "2026", "--binary", "--seed", "18446744073709551615", "--publish-rate", "3",
		"--duration", "1m30s", "--settle", "0s", "--steps", "1,2", "--procs", "auto", "--preset", "pusher", "--join", "a,b", "--join", "c",
		"--answer", `{"a":1=b=c`, "--pid", "12")
	if err != nil {
		t.Fatal(err)
	}
	gotPlan, _ := got.plan()
	wantPlan, err := want.plan()
	if diff := cmp.Diff(wantPlan, gotPlan); diff != "" || err != nil || got.Procs != want.Procs {
		t.Errorf("%v, %d and %d processes (-flags +file):\n%s", err, want.Procs, got.Procs, diff)
	}
}

// What is given otherwise comes before the file: flags, then the environment.
func TestFileIsOverridden(t *testing.T) {
	path := fileWith(t, "scenario: fanout\nconnections: 7\nurl: [a, b]\nwindow: 3\napi-key: filed\nbinary: true\n")
	t.Setenv("FLOOD_API_KEY", "set")
	c, err := parsed(t, "-f", path, "-n", "9", "--url", "c", "--binary=false")
	if err != nil {
		t.Fatal(err)
	}
	if c.Connections != 9 || !cmp.Equal(c.URL, []string{"c"}) || c.Window != 3 || c.APIKey != "set" || c.Binary || c.Size != 128 {
		t.Errorf("%+v", c)
	}
	if c, err = parsed(t, "-f", path, "--api-key", "flag", "--duration", "2s"); err != nil {
		t.Fatal(err)
	}
	if c.Connections != 7 || c.APIKey != "flag" || !c.Binary || c.Duration != 2*time.Second {
		t.Errorf("%+v", c)
	}
}

// All that is wrong with a file is said at once, with where.
func TestFileProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"conections: 3\n\nwindow: x\nrate: [1]\n", `F:1:1: conections: unknown key, did you mean "connections"?
F:3:9: window: must be a whole number, not "x"
F:4:7: rate: must be a number, not a list`},
		{"frobnicate: 1", "F:1:1: frobnicate: unknown key: 'flood run --help' lists the flags, each of which is one"},
		{"file: x\nhelp: true", "F:1:1: file: unknown key: 'flood run --help' lists the flags, each of which is one\n" +
			"F:2:1: help: unknown key: 'flood run --help' lists the flags, each of which is one"},
		{"duration: 10", `F:1:11: duration: must be a duration such as 10s, not "10"`},
		{"binary: yes", `F:1:9: binary: must be true or false, not "yes"`},
		{"seed: -1", `F:1:7: seed: must be a whole number, not below 0, not "-1"`},
		{"subprotocol: true", `F:1:14: subprotocol: must be a text, not "true"`},
		{"url:", "F:1:5: url: must be a text, not nothing"},
		{"header: [a, {b: c}]", "F:1:13: header: must be a text, not a mapping"},
		{"steps: [1, two]", `F:1:12: steps: must be a whole number, not "two"`},
		{"answer: [a]", "F:1:9: answer: must be a mapping of texts to texts, not a list"},
		{"cut: never", `F:1:6: cut: must be one of reset, close, server, not "never"`},
		{"procs: 0", `F:1:8: procs: must be auto, or 1 to 256, not "0"`},
		{"scenario: storms", `F:1:11: scenario: must be one of connect,fanout,churn,echo,storm,slow,drain,mix,hostile, not "storms"`},
		{"window: 1\nsize: 64\nwindow: 2", "F:3:1: window: is given twice, first in line 1"},
		{"- a", "F:1:1: must be a mapping of flags to values"},
		{"a: [", "F:2:1: is not YAML: did not find expected node content"},
		{"size: 64\n---\nsize: 65", "F:2:1: more than one YAML document: one is allowed"},
	} {
		path := fileWith(t, tt.text)
		_, err := parsed(t, "fanout", "-f", path)
		if err == nil || strings.ReplaceAll(err.Error(), path, "F") != tt.want {
			t.Errorf("%q:\n%v\nwant:\n%s", tt.text, err, tt.want)
		}
	}
	if _, err := parsed(t, "fanout", "-f", fileWith(t, "# nothing\n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}
