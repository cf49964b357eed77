package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDefaultIsValid, and each call returns a configuration of its own.
func TestDefaultIsValid(t *testing.T) {
	c, problems := Load(Source{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(Default(), c, secrets); diff != "" {
		t.Error(diff)
	}
	c.Listeners[0].Endpoints[0].Channels[0] = "changed"
	c.Namespaces[0].Match = "changed"
	if d := Default(); d.Listeners[0].Endpoints[0].Channels[0] != "lobby" || d.Namespaces[0].Match != "*" {
		t.Error("the defaults share memory")
	}
}

// TestNothingSaid loads texts that say nothing.
func TestNothingSaid(t *testing.T) {
	for _, text := range []string{"", "\n", "# a comment\n", "---\n", "---\n...\n", "{}", "~", "hub:\nlimits: {}\n", "\ufeff"} {
		c, problems := load(Source{File: "f.yaml"}, []byte(text))
		if len(problems) > 0 {
			t.Errorf("%q: %v", text, problems)
			continue
		}
		if diff := cmp.Diff(Default(), c, secrets); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

// TestListed: what is left out of a listed element has the element's defaults.
func TestListed(t *testing.T) {
	c, problems := load(Source{File: "f.yaml"}, []byte(`
listeners:
  - endpoints: [{}]
namespaces: [{match: a}, {match: "*"}]
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := Default()
	want.Listeners[0].Endpoints[0].Stats = false
	want.Namespaces = []Namespace{class("a", Disconnect, 0), class("*", Disconnect, 0)}
	if diff := cmp.Diff(want, c, secrets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAlias: a value may be used again by an alias.
func TestAlias(t *testing.T) {
	c, problems := load(Source{File: "f.yaml"}, []byte(`
listeners:
  - endpoints:
      - {path: /a, origins: &pages [https://a.example.com, https://b.example.com]}
      - {path: /b, origins: *pages}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"https://a.example.com", "https://b.example.com"}, c.Listeners[0].Endpoints[1].Origins); diff != "" {
		t.Error(diff)
	}
}

// TestFiles: what the file system says is a problem too.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "/none.yaml: cannot be read: no such file or directory\n",
		dir:                             ": cannot be read: is a directory\n",
		large:                           "/large.yaml: is larger than 1MiB\n",
	} {
		c, problems := Load(Source{File: path})
		if got := strings.TrimPrefix(problems.String(), dir); c != nil || got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestKeyFile reads admin.api_key_file.
func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	tests := []struct{ name, content, key, problem string }{
		{"a line", "k3y\n", "k3y", ""},
		{"white space around it", "\n  k3y\r\n\n", "k3y", ""},
		{"empty", " \n", "", "is empty"},
		{"two lines", "a\nb\n", "", "must be printable ASCII"},
		{"large", strings.Repeat("k", maxKey+1), "", "is larger than 4KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c, problems := Load(Source{Set: []string{"admin.api_key_file=" + file, "admin.address=:8081"}})
			if tt.problem != "" {
				if len(problems) != 1 || !strings.Contains(problems[0].Message, tt.problem) {
					t.Errorf("problems %v, want one with %q", problems, tt.problem)
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got := c.Admin.APIKey.Reveal(); got != tt.key {
				t.Errorf("key %q, want %q", got, tt.key)
			}
			printed, problems := load(Source{File: "printed.yaml"}, c.YAML())
			if len(problems) > 0 || printed.Admin.APIKey.Reveal() != tt.key {
				t.Errorf("what is printed cannot be loaded: %v", problems)
			}
		})
	}
}

// TestAdminLoopbackO1: off loopback the admin listener needs a key.
func TestAdminLoopbackO1(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:8081": true, "127.9.9.9:1": true, "[::1]:8081": true, "localhost:8081": true, "LOCALHOST:8081": true, "[::ffff:127.0.0.1]:8081": true,
		":8081": false, "0.0.0.0:8081": false, "[::]:8081": false, "10.0.0.1:8081": false, "example.com:8081": false, "localhost.example.com:8081": false,
	} {
		_, problems := Load(Source{Admin: address})
		if got := len(problems) == 0; got != ok {
			t.Errorf("%s without a key: %v, want it accepted: %v", address, problems, ok)
		}
		if _, problems := Load(Source{Admin: address, Env: []string{"SLUICE_ADMIN_API_KEY=k"}}); len(problems) > 0 {
			t.Errorf("%s with a key: %v", address, problems)
		}
	}
	if _, problems := Load(Source{Set: []string{"admin.address="}}); len(problems) > 0 {
		t.Errorf("no admin listener: %v", problems)
	}
}

func TestErr(t *testing.T) {
	if err := (Problems{}).Err(); err != nil {
		t.Errorf("no problems: %v", err)
	}
	ps := Problems{{File: "f", Line: 1, Col: 2, Key: "k", Message: "m"}, {Message: "n"}}
	if got, want := ps.Err().Error(), "f:1:2: k: m\nn"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
