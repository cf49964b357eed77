package ws

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sampleKey and sampleAccept are RFC 6455's own (section 1.3).
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgradeRequest is a browser's request, with some lines changed: change maps a
// header's name to the lines that stand in its place ("": none), and "" to the
// request line.
func upgradeRequest(change map[string]string) string {
	lines := []struct{ name, line string }{
		{"", "GET /chat?room=1&x=%20 HTTP/1.1\r\n"},
		{"Host", "Host: example.com:8080\r\n"},
		{"Connection", "Connection: keep-alive, Upgrade\r\n"},
		{"Pragma", "Pragma: no-cache\r\n"},
		{"Upgrade", "Upgrade: websocket\r\n"},
		{"Origin", "Origin: https://example.com\r\n"},
		{"Sec-WebSocket-Version", "Sec-WebSocket-Version: 13\r\n"},
		{"User-Agent", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0\r\n"},
		{"Accept-Encoding", "Accept-Encoding: gzip, deflate, br, zstd\r\n"},
		{"Sec-WebSocket-Key", "Sec-WebSocket-Key: " + sampleKey + "\r\n"},
		{"Sec-WebSocket-Extensions", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"},
		{"Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat, superchat\r\n"},
	}
	var b strings.Builder
	for _, l := range lines {
		if other, ok := change[l.name]; ok {
			l.line = other
		}
		b.WriteString(l.line)
	}
	b.WriteString("\r\n")
	return b.String()
}

func TestUpgradeRequest(t *testing.T) {
	in := upgradeRequest(map[string]string{"Sec-WebSocket-Protocol": "Sec-WebSocket-Protocol: chat , superchat\r\nSEC-WEBSOCKET-PROTOCOL:\t third\t\r\n"})
	req, n, err := ParseRequest(&HandshakeLimits{}, []byte(in+"\x81\x80next"))
	if err != nil || n != len(in) {
		t.Fatalf("%d of %d bytes, %v", n, len(in), err)
	}
	got := map[string]string{"method": req.Method, "path": req.Path, "query": req.RawQuery, "host": req.Host, "origin": req.Origin, "key": req.Key}
	want := map[string]string{"method": "GET", "path": "/chat", "query": "room=1&x=%20", "host": "example.com:8080", "origin": "https://example.com", "key": sampleKey}
	if diff := cmp.Diff(want, got); diff != "" || !req.Upgrade {
		t.Errorf("Upgrade %v (-want +got):\n%s", req.Upgrade, diff)
	}
	if got := slices.Collect(req.Protocols()); !slices.Equal(got, []string{"chat", "superchat", "third"}) {
		t.Errorf("protocols %q", got)
	}
	if v, ok := req.Header("pragma"); v != "no-cache" || !ok {
		t.Errorf("Pragma %q %v", v, ok)
	}
	if v, ok := req.Header("cookie"); ok {
		t.Errorf("Cookie %q", v)
	}
	if n := len(maps.Collect(req.Fields())); n != 12 {
		t.Errorf("%d headers", n)
	}
	// All loops can be left early.
	for range req.Fields() {
		break
	}
	for range req.Protocols() {
		break
	}
	if got := AppendUpgradeResponse(nil, &req, "", Deflate{}); string(got) != "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+sampleAccept+"\r\n\r\n" {
		t.Errorf("answer %q", got)
	}
	if got := AppendUpgradeResponse(nil, &req, "chat", Deflate{}); !strings.HasSuffix(string(got), sampleAccept+"\r\nSec-WebSocket-Protocol: chat\r\n\r\n") {
		t.Errorf("answer %q", got)
	}
}

// What is unusual, and right.
func TestGoodRequests(t *testing.T) {
	for _, tt := range []struct {
		name       string
		in         string
		path, host string
		upgrade    bool
	}{
		{"plain GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", false},
		{"plain HEAD", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "/x", "a", false},
		{"curl asking for HTTP/2", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", "/", "a", false},
		{"Content-Length 0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "/", "a", false},
		{"absolute form", "GET http://A.example:80/x?y HTTP/1.1\r\nhost: a.EXAMPLE:80\r\n\r\n", "/x", "a.EXAMPLE:80", false},
		{"absolute form without a path", "GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", false},
		{"absolute form, query alone", "GET https://a?x HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", false},
		{"IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", "[::1]:80", false},
		{"no space around values", upgradeRequest(map[string]string{"Host": "Host:h\r\n"}), "/chat", "h", true},
		{"upper case", upgradeRequest(map[string]string{"Upgrade": "UPGRADE: WebSocket\r\n", "Connection": "CONNECTION: UPGRADE\r\n"}), "/chat", "example.com:8080", true},
		{"several lines of a list", upgradeRequest(map[string]string{"Upgrade": "Upgrade: h2c\r\nUpgrade: websocket\r\n", "Connection": "Connection: close\r\nConnection: ,,upgrade,\r\n"}), "/chat", "example.com:8080", true},
		{"no Origin", upgradeRequest(map[string]string{"Origin": ""}), "/chat", "example.com:8080", true},
		{"letters outside ASCII in a value", upgradeRequest(map[string]string{"Pragma": "X-Name: J\xc3\xbcrgen\r\n"}), "/chat", "example.com:8080", true},
		{"what browsers leave unescaped", upgradeRequest(map[string]string{"": "GET /chat?a={|}^`'[]\\ HTTP/1.1\r\n"}), "/chat", "example.com:8080", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, n, err := ParseRequest(&HandshakeLimits{}, []byte(tt.in))
			if err != nil || n != len(tt.in) {
				t.Fatalf("%d of %d bytes, %v", n, len(tt.in), err)
			}
			if req.Path != tt.path || req.Host != tt.host || req.Upgrade != tt.upgrade {
				t.Errorf("%+v", req)
			}
			if !tt.upgrade && req.Key != "" {
				t.Errorf("key %q", req.Key)
			}
		})
	}
}

// statusOf parses b and returns the status it is refused with: 0 if more is
// needed, 101 for an upgrade, 200 for another request.
func statusOf(l *HandshakeLimits, b []byte) int {
	req, n, err := ParseRequest(l, b)
	switch {
	case err != nil:
		return err.(*RequestError).Status
	case n == 0:
		return 0
	case req.Upgrade:
		return 101
	}
	return 200
}

func TestIncomplete(t *testing.T) {
	for _, in := range []string{upgradeRequest(nil), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"} {
		for i := range len(in) {
			if got := statusOf(&HandshakeLimits{}, []byte(in[:i])); got != 0 {
				t.Errorf("%q: status %d", in[:i], got)
			}
		}
	}
}

func TestParseUpgradeResponse(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n"
	if n, err := ParseUpgradeResponse([]byte(good+"\x81\x00"), sampleKey); n != len(good) || err != nil {
		t.Errorf("%d of %d bytes, %v", n, len(good), err)
	}
	lists := strings.Replace(good, "CONNECTION: keep-alive, upgrade\r\n", "Connection: upgrade\r\nConnection: keep-alive\r\n", 1)
	if n, err := ParseUpgradeResponse([]byte(lists), sampleKey); n != len(lists) || err != nil {
		t.Errorf("%d of %d bytes, %v", n, len(lists), err)
	}
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", nil},
		{"incomplete", good[:len(good)-1], nil},
		{"not HTTP", "SSH-2.0-x\r\n\r\n", ErrResponse},
		{"HTTP/1.0", strings.Replace(good, "/1.1", "/1.0", 1), ErrResponse},
		{"no status", "HTTP/1.1 \r\n\r\n", ErrNotUpgraded},
		{"404", "HTTP/1.1 404 Not Found\r\n\r\n", ErrNotUpgraded},
		{"1010", strings.Replace(good, "101 ", "1010", 1), ErrNotUpgraded},
		{"no headers", "HTTP/1.1 101 x\r\n\r\n", ErrNotUpgraded},
		{"no Upgrade", strings.Replace(good, "upgrade: WebSocket\r\n", "", 1), ErrNotUpgraded},
		{"no Connection", strings.Replace(good, "CONNECTION: keep-alive, upgrade\r\n", "", 1), ErrNotUpgraded},
		{"no Accept", strings.Replace(good, "Accept", "Akzept", 1), ErrAccept},
		{"other Accept", strings.Replace(good, "s3", "S3", 1), ErrAccept},
		{"bare LF", strings.Replace(good, "\r\n", "\n", 1), ErrResponse},
		{"bare LF behind a header", strings.Replace(good, "WebSocket\r\n", "WebSocket\n", 1), ErrResponse},
		{"bad header", strings.Replace(good, "upgrade:", "upgrade :", 1), ErrResponse},
		{"empty line of the wrong kind", "HTTP/1.1 101 x\n\r\nA: b\r\n\r\n", ErrResponse},
		{"too large, complete", strings.Replace(good, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", maxResponse)+"\r\n\r\n", 1), ErrResponseSize},
		{"too large", "HTTP/1.1 101 x\r\nX: " + strings.Repeat("x", maxResponse), ErrResponseSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n, err := ParseUpgradeResponse([]byte(tt.in), sampleKey); n != 0 || err != tt.want {
				t.Errorf("%d, %v, want %v", n, err, tt.want)
			}
		})
	}
}

// The views of a request are into the buffer, not copies: this is the contract
// that callers have to know.
func TestRequestIsViews(t *testing.T) {
	b := []byte(upgradeRequest(nil))
	req, _, err := ParseRequest(&HandshakeLimits{}, b)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("/chat"))
	b[at+1] = 'C'
	if req.Path != "/Chat" {
		t.Errorf("path %q", req.Path)
	}
}
