package edge

import (
	"strings"
	"testing"

	"sluice/gateway/metrics"
)

// C8: which hosts may be asked for.
func TestHostAllowed(t *testing.T) {
	list := []string{"gw.example.com", "*.example.org", "example.net:8443", "[::1]", "10.0.0.1:80"}
	for _, c := range []struct {
		host  string
		allow []string
		want  bool
	}{
		{"anything", nil, true},
		{"gw.example.com", list, true},
		{"GW.Example.com", list, true},
		{"gw.example.com:8080", list, true},
		{"gw.example.com.", list, false},
		{"gw.example.com.evil.tld", list, false},
		{"evil-gw.example.com", list, false},
		{"a.example.org", list, true},
		{"a.b.example.org:1", list, true},
		{"example.org", list, false},
		{".example.org", list, false},
		{"evilexample.org", list, false},
		{"example.net:8443", list, true},
		{"example.net", list, false},
		{"example.net:443", list, false},
		{"[::1]", list, true},
		{"[::1]:80", list, true},
		{"[::2]", list, false},
		{"10.0.0.1:80", list, true},
		{"10.0.0.1", list, false},
	} {
		if got := hostAllowed(c.host, c.allow); got != c.want {
			t.Errorf("hostAllowed(%q, %q) = %v", c.host, c.allow, got)
		}
	}
}

// C8: another host gets a 421, whether it asks for a page or an upgrade, and nothing else.
func TestUnknownHost(t *testing.T) {
	r := newRig()
	r.options.Listeners[0].Hosts = []string{"gw.example.com"}
	r.endpoint.Page, r.endpoint.PageType = []byte("page"), "text/plain"
	r.start(t)
	for _, upgrade := range []bool{false, true} {
		for host, want := range map[string]string{"gw.example.com": "200", "GW.example.com:8080": "200", "10.1.2.3": "421"} {
			if upgrade && want == "200" {
				want = "101"
			}
			c := r.connect(t)
			request := "GET / HTTP/1.1\r\nHost: " + host + "\r\n"
			if upgrade {
				request += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			}
			const good = "GET / HTTP/1.1\r\nHost: gw.example.com\r\n\r\n"
			c.send(t, []byte(request+"\r\n"+good))
			if got := strings.Fields(c.head(t))[1]; got != want {
				t.Errorf("%s, upgrade %v: %s, want %s", host, upgrade, got, want)
			}
			if got := c.rest(t); strings.Contains(string(got), "HTTP/1.1") {
				t.Errorf("%s, upgrade %v: what stood behind it was answered, too: %q", host, upgrade, got)
			}
		}
	}
	if n := r.failures(metrics.HandshakeHost); n != 2 {
		t.Errorf("%d were counted", n)
	}
}

// C9: a subprotocol is answered with only where it is configured, in the order
// of the client's wishes, and nothing that it sent stands in the answer.
func TestSubprotocols(t *testing.T) {
	r := newRig()
	r.endpoint.Session.Subprotocols = []string{"v2.chat", "v1.chat"}
	r.start(t)
	for _, c := range []struct{ name, offer, status, answer string }{
		{"none offered", "", "101", ""},
		{"one", "v1.chat", "101", "v1.chat"},
		{"the client's order", "x, v1.chat, v2.chat", "101", "v1.chat"},
		{"in two headers", "x\r\nSec-WebSocket-Protocol: v2.chat", "101", "v2.chat"},
		{"unknown", "x, y", "101", ""},
		{"another case", "V1.chat", "101", ""},
		{"a token", "bearer.secret", "101", ""},
		{"CR", "v1.chat\rX-Evil: 1", "400", ""},
		{"LF", "v1.chat\nX-Evil: 1", "400", ""},
		{"no token", "v1 chat", "400", ""},
		{"a quote", `"v1.chat"`, "400", ""},
	} {
		conn := r.connect(t)
		request := "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		if c.offer != "" {
			request += "Sec-WebSocket-Protocol: " + c.offer + "\r\n"
		}
		conn.send(t, []byte(request+"\r\n"))
		head := conn.head(t)
		if got := strings.Fields(head)[1]; got != c.status {
			t.Errorf("%s: %s, want %s", c.name, got, c.status)
		}
		_, answer, _ := strings.Cut(head, "Sec-WebSocket-Protocol: ")
		if answer, _, _ = strings.Cut(answer, "\r\n"); answer != c.answer {
			t.Errorf("%s: answered with %q, want %q", c.name, answer, c.answer)
		}
		if strings.Contains(head, "Evil") || strings.Contains(head, "secret") {
			t.Errorf("%s: %q", c.name, head)
		}
	}
}
