package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no file makes the loader panic, every problem is one line with a
// message, and what was accepted can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.bad.yaml", configFiles} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("listeners: &l\n  - endpoints: *l\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "_file") {
			return // it would read any file
		}
		c, problems := load(Source{File: "f.yaml"}, text)
		checkFuzzed(t, c, problems)
	})
}

// FuzzSet: the same for the paths and values of --set and of variables.
func FuzzSet(f *testing.F) {
	for _, s := range [][2]string{
		{"hub.shards", "3"},
		{"listeners.0.endpoints.0.channels", "a,b"},
		{"listeners.1", `{address: ":1", endpoints: [{path: /}]}`},
		{"namespaces.0.match", "*"},
		{"limits.message_size", "1.5MiB"},
		{"drain.period", "1m"},
		{"listeners.0.endpoints.0.greeting", "\x00"},
		{"..", "["},
		{"", "{"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		variable := envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
		if strings.Contains(path+text, "_file") || strings.Contains(variable, "_FILE") {
			return
		}
		c, problems := Load(Source{Set: []string{path + "=" + text}})
		checkFuzzed(t, c, problems)
		c, problems = Load(Source{Env: []string{variable + "=" + text}})
		checkFuzzed(t, c, problems)
	})
}

func checkFuzzed(t *testing.T, c *Config, problems Problems) {
	t.Helper()
	if (c == nil) != (len(problems) > 0) {
		t.Fatalf("a configuration and problems, or neither: %v", problems)
	}
	for _, p := range problems {
		if s := p.String(); p.Message == "" || strings.ContainsAny(s, "\n\r") && !strings.ContainsAny(p.File, "\n\r") {
			t.Fatalf("%q", s)
		}
	}
	if c != nil {
		for _, k := range c.Auth.Keys {
			if !k.Secret.IsZero() {
				return // it is not printed, and cannot be left out
			}
		}
		c.Admin.APIKey = Secret{}
		if isLoopbackOnly(c) {
			roundTrip(t, c)
		}
	}
}

// isLoopbackOnly says that the configuration is valid without its key too.
func isLoopbackOnly(c *Config) bool {
	host, _ := splitAddress(c.Admin.Address)
	return c.Admin.Address == "" || isLoopback(host)
}
