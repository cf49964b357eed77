package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrintRoundTrip prints configurations with awkward values and loads them again.
func TestPrintRoundTrip(t *testing.T) {
	texts := []string{
		"", " ", "true", "No", "null", "~", "1", "1.5", "0x10", "2026-11-22", "a: b", "a #b", "- a", "[a]", "{a}", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a`",
		`"quoted" and 'quoted'`, `back\slash`, "two\nlines\r\n\ttab", "\x00\x01\x1b\x7f", "\u0085\u00a0\u2028\ufeff\ufffe", "héllo ☃ 🚀", "a,b", "<<", "=", "Hello! Message From Server!!",
	}
	for _, text := range texts {
		c := Default()
		c.Listeners[0].Endpoints[0].Greeting = text
		c.Listeners[0].Endpoints[0].Page = text
		c.Listeners = append(c.Listeners, Listener{Address: "[::1]:80", Backlog: 1, TLS: defaultTLS(), Hosts: []string{"*.example.com", "[::1]:80"}, ProxyProtocol: ProxyProtocol{From: []string{"10.0.0.0/8"}}, TrustedProxies: []string{}, ClientHeader: Forwarded, Endpoints: []Endpoint{
			{Path: "/a", Protocol: Raw, Subprotocols: []string{"v1.chat"}, Compression: Compression{Enabled: true, Level: 9}, OnRefused: RefusedClose, OnGap: GapClose, GapCode: 4000, Channels: []string{}, AllowChannels: []string{"*", "a.*", "no", "1"}, Origins: []string{"*", "https://*.example.com"}, Auth: EndpointAuth{Mode: AuthNone, Sources: []TokenSource{}, Anonymous: []string{}}},
			{Path: "/b", Protocol: Raw, Subprotocols: []string{}, Compression: Compression{Level: 1, MinSize: 16 * MiB}, OnRefused: RefusedIgnore, OnGap: GapMessage, GapCode: 4999, Channels: []string{"a", "b:c/d"}, AllowChannels: []string{}, Origins: []string{}, Greeting: text, Auth: defaultEndpoint().Auth},
		}})
		roundTrip(t, c)
	}
}

// roundTrip holds what Load makes of c.YAML() to c, which is valid and has no key.
func roundTrip(t *testing.T, c *Config) {
	t.Helper()
	again, problems := load(Source{File: "printed.yaml"}, c.YAML())
	if len(problems) > 0 {
		t.Fatalf("%v\nin\n%s", problems, c.YAML())
	}
	if diff := cmp.Diff(c, again, secrets); diff != "" {
		t.Fatalf("loading what was printed gives something else (-want +got):\n%s", diff)
	}
}

// TestPrintComments: every key of a section or of a list's first element stands
// under its comment, and comments are not repeated.
func TestPrintComments(t *testing.T) {
	c := Default()
	c.Listeners[0].TLS.Certificates = []Certificate{{}} // the one list that is empty by default
	c.Listeners = append(c.Listeners, c.Listeners[0])
	text := string(c.YAML())
	for name, doc := range docs {
		first, _, _ := strings.Cut(doc, "\n")
		if n := strings.Count(text, "# "+first+"\n"); n < 1 {
			t.Errorf("the comment of %s is printed %d times", name, n)
		}
	}
	if n := strings.Count(text, docs["Listener.Address"]); n != 1 {
		t.Errorf("the comment of listeners.0.address is printed %d times", n)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil || b.String() != text {
		t.Errorf("Print writes something else than YAML returns, or fails: %v", err)
	}
}
