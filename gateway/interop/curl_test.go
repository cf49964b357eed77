//go:build interop

package interop

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"sluice/gateway/config"
)

// asked is a request that curl makes, and what is to be seen of the answer.
type asked struct {
	name   string
	args   []string // before the URL's path
	path   string
	status string   // of the last answer
	shows  []string // parts of headers or body
}

// upgrade are the headers of a handshake, of which a row leaves one out or changes it.
func upgrade(change, to string) (args []string) {
	args = []string{"--http1.1", "--max-time", "2"}
	for _, h := range [][2]string{
		{"Connection", "Upgrade"},
		{"Upgrade", "websocket"},
		{"Sec-WebSocket-Version", "13"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
	} {
		switch {
		case h[0] != change:
			args = append(args, "-H", h[0]+": "+h[1])
		case to != "":
			args = append(args, "-H", h[0]+": "+to)
		}
	}
	return args
}

// pages are what the public listener answers with.
func pages() []asked {
	const noUpgrade = "HTTP/1.1 426"
	return []asked{
		{"the page", nil, "/", "HTTP/1.1 200", []string{"Connection: close", "Content-Type: text/plain", "interop"}},
		{"HEAD", []string{"--head"}, "/", "HTTP/1.1 200", []string{"Connection: close"}},
		{"another path", nil, "/nothing", "HTTP/1.1 404", []string{"Connection: close"}},
		{"POST", []string{"-d", "a=b"}, "/", "HTTP/1.1 405", []string{"Connection: close"}},
		{"a handshake", upgrade("", ""), "/", "HTTP/1.1 101", []string{"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}, // RFC 6455 section 1.3
		{"another version", upgrade("Sec-WebSocket-Version", "8"), "/", noUpgrade, []string{"Sec-WebSocket-Version: 13"}},
		{"no key", upgrade("Sec-WebSocket-Key", ""), "/", "HTTP/1.1 400", nil},
		{"a short key", upgrade("Sec-WebSocket-Key", "c2hvcnQ="), "/", "HTTP/1.1 400", nil},
		{"a foreign page", append(upgrade("", ""), "-H", "Origin: https://evil.example"), "/", "HTTP/1.1 403", nil},
		{"large headers", []string{"-H", "X-Large: " + strings.Repeat("x", 9000)}, "/", "HTTP/1.1 431", nil},
	}
}

// curl runs it, and returns the last answer's head and body.
func curl(t *testing.T, args ...string) (answer string, code int) {
	t.Helper()
	cmd := exec.CommandContext(within(t), "curl", append([]string{"--silent", "--show-error", "--include"}, args...)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output() // standard error has why the handshake's connection ended
	if cmd.ProcessState == nil {
		t.Fatalf("curl: %v: install it (Debian: curl)", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (a *asked) check(t *testing.T, base string, trust ...string) {
	t.Helper()
	answer, _ := curl(t, append(append(trust, a.args...), base+a.path)...)
	if !strings.HasPrefix(answer, a.status+" ") {
		t.Errorf("%.200q\nwant %s", answer, a.status)
	}
	for _, part := range a.shows {
		if !strings.Contains(answer, part) {
			t.Errorf("%.400q\nlacks %q", answer, part)
		}
	}
}

// TestCurl: C3, C6, C10 and T16 as curl sees them, plain and over TLS; and the
// server API's calls as docs/api.md has them.
func TestCurl(t *testing.T) {
	files := authority(t)
	for _, secure := range []bool{false, true} {
		cfg := config.Default()
		cfg.Listeners[0].Endpoints[0].Page = "interop"
		var trust []string
		name := "plain"
		if secure {
			cfg.Listeners[0].TLS.Certificates = []config.Certificate{{CertFile: files.certificate, KeyFile: files.key}}
			trust, name = []string{"--cacert", files.authority}, "TLS"
		}
		n := start(t, cfg)
		for _, a := range pages() {
			t.Run(name+"/"+a.name, func(t *testing.T) { a.check(t, n.http, trust...) })
		}
		t.Run(name+"/HTTP 2 is declined", func(t *testing.T) {
			a := asked{args: []string{"--http2"}, path: "/", status: "HTTP/1.1 200"}
			a.check(t, n.http, trust...)
		})
	}
}

// TestCurlAPI: the calls of docs/api.md.
func TestCurlAPI(t *testing.T) {
	n := start(t, config.Default())
	for _, a := range []asked{
		{"publish", []string{"-d", `{"channel":"lobby","data":{"hello":"world"}}`}, "/publish", "HTTP/1.1 200", []string{`"subscribers":0`}},
		{"broadcast", []string{"-d", `{"channels":["lobby","news"],"text":"Hello"}`}, "/broadcast", "HTTP/1.1 200", []string{`"subscribers":0`}},
		{"batch", []string{"-d", `{"publish":[{"channel":"lobby","text":"one"},{"channel":"no such name!","text":"two"}]}`}, "/batch", "HTTP/1.1 200", []string{"invalid_channel"}},
		{"channels", nil, "/channels?prefix=lob&limit=10", "HTTP/1.1 200", []string{`"channels":[]`}},
		{"info", nil, "/info", "HTTP/1.1 200", []string{`"version"`}},
		{"not JSON", []string{"-d", "hello"}, "/publish", "HTTP/1.1 400", []string{`"error"`}},
	} {
		t.Run(a.name, func(t *testing.T) { a.check(t, n.api) })
	}
}
