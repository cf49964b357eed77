package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strings"
	"testing"
)

// O1, A9: with a key, everything but the probes needs it, unknown paths too,
// and every refusal is the same.
func TestKey(t *testing.T) {
	o := options(&fakeHub{})
	o.APIKey = "correct horse"
	o.Pprof = true
	s := New(o)
	paths := []string{"/", "/nowhere", "/api/", "/debug/pprof/heap", "/debug/vars"}
	for _, rt := range s.routes {
		paths = append(paths, rt.path)
	}
	wrong := map[string][]string{
		"none":        nil,
		"empty":       {""},
		"prefix":      {"correct hors"},
		"longer":      {"correct horse "},
		"case":        {"Correct horse"},
		"two":         {"correct horse", "correct horse"},
		"right after": {"x", "correct horse"},
	}
	for _, path := range paths {
		open := path == "/healthz" || path == "/readyz"
		first := ""
		for name, key := range wrong {
			r := request("GET", path, "")
			r.Header["X-Api-Key"] = key
			res := exchange(t, s, r)
			got := res.body
			if open {
				if res.status != 200 {
					t.Errorf("%s with key %q: %d, want it open", path, name, res.status)
				}
				continue
			}
			if res.status != 401 || res.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with key %q: %d, want 401 with a challenge", path, name, res.status)
			}
			if first == "" {
				first = got
			}
			if got != first || strings.Contains(got, "horse") {
				t.Errorf("%s with key %q: %s differs from %s, or tells the key", path, name, got, first)
			}
		}
	}
	r := request("GET", "/api/info", "")
	r.Header.Set("x-api-key", "correct horse")
	r.Host = "sluice.internal"
	if res := exchange(t, s, r); res.status != 200 {
		t.Errorf("the right key, by name: %d", res.status)
	}
}

// A9: the key is compared with subtle, and with nothing else.
func TestKeyComparedInConstantTime(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "guard.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "knows" {
			continue
		}
		found := false
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "ConstantTimeCompare" {
				found = true
			}
			return true
		})
		if !found {
			t.Error("knows does not use subtle.ConstantTimeCompare")
		}
		return
	}
	t.Error("guard.go has no function knows")
}

func TestHostWithoutKey(t *testing.T) {
	s := New(options(&fakeHub{}))
	for host, ok := range map[string]bool{
		"":                          true,
		"localhost":                 true,
		"localhost:8081":            true,
		"127.0.0.1":                 true,
		"127.0.0.1:8081":            true,
		"[::1]:8081":                true,
		"[::1]":                     true,
		"evil.example":              false,
		"evil.example:8081":         false,
		"localhost.evil.example":    false,
		"127.0.0.1.evil.example:80": false,
		"2130706433":                false,
		"127.0.0.1:8081:1":          false,
	} {
		for _, path := range []string{"/api/info", "/metrics", "/nowhere"} {
			r := request("GET", path, "")
			r.Host = host
			if res := exchange(t, s, r); (res.status != 403) != ok {
				t.Errorf("Host %q, %s: %d", host, path, res.status)
			}
		}
		r := request("GET", "/healthz", "")
		r.Host = host
		if res := exchange(t, s, r); res.status != 200 {
			t.Errorf("Host %q, /healthz: %d", host, res.status)
		}
	}
}

// C7: a page of another origin cannot publish through the browser of somebody who
// can reach the listener, with cookies or without, and reads no answer, not even
// that to the question whether it may ask.
func TestWebPages(t *testing.T) {
	for name, tt := range map[string]struct {
		header http.Header
		status int
	}{
		"no browser":   {nil, 200},
		"same origin":  {http.Header{"Origin": {"http://127.0.0.1:8081"}}, 200},
		"other port":   {http.Header{"Origin": {"http://127.0.0.1:3000"}}, 403},
		"other site":   {http.Header{"Origin": {"https://evil.example"}}, 403},
		"null":         {http.Header{"Origin": {"null"}}, 403},
		"fetch says":   {http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"address line": {http.Header{"Sec-Fetch-Site": {"none"}}, 200},
	} {
		r := request("POST", "/api/publish", `{"channel":"a","text":"x"}`)
		r.Header = tt.header.Clone()
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set("Cookie", "session=1")
		s := New(options(&fakeHub{}))
		if res := exchange(t, s, r); res.status != tt.status {
			t.Errorf("%s: %d, want %d", name, res.status, tt.status)
		}
		for _, rt := range s.routes {
			for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
				r := request(method, rt.path, "")
				r.Header = tt.header.Clone()
				if r.Header == nil {
					r.Header = http.Header{}
				}
				r.Header.Set("Access-Control-Request-Method", "POST")
				for field := range exchange(t, s, r).header {
					if strings.HasPrefix(field, "Access-Control-") || field == "Set-Cookie" {
						t.Errorf("%s: the answer to %s %s has %s", name, method, rt.path, field)
					}
				}
			}
		}
	}
}
