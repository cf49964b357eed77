package ws

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// C3: what is not an upgrade as RFC 6455 section 4.2.1 has it, one row each.
func TestMalformedUpgrades(t *testing.T) {
	header := func(name, line string) string {
		if line != "" {
			line += "\r\n"
		}
		return upgradeRequest(map[string]string{name: line})
	}
	extra := func(line string) string { return header("Pragma", line) }
	for _, tt := range []struct {
		name   string
		in     string
		status int
	}{
		// RFC 6455 section 4.2.1: the request itself.
		{"POST", header("", "POST / HTTP/1.1"), 405},
		{"CONNECT", header("", "CONNECT a:80 HTTP/1.1"), 405},
		{"OPTIONS", header("", "OPTIONS * HTTP/1.1"), 405},
		{"HEAD", header("", "HEAD / HTTP/1.1"), 400},
		{"get", header("", "get / HTTP/1.1"), 400},
		{"no such method", header("", "GETT / HTTP/1.1"), 400},
		{"HTTP/1.0", header("", "GET / HTTP/1.0"), 400},
		{"HTTP/2.0", header("", "GET / HTTP/2.0"), 400},
		{"http/1.1", header("", "GET / http/1.1"), 400},
		{"no version", header("", "GET /"), 400},
		{"two spaces before the target", header("", "GET  / HTTP/1.1"), 400},
		{"two spaces behind the target", header("", "GET /  HTTP/1.1"), 400},
		{"space at the end", header("", "GET / HTTP/1.1 "), 400},
		{"tab", header("", "GET\t/ HTTP/1.1"), 400},
		{"empty line first", "\r\n" + upgradeRequest(nil), 400},
		{"target without a slash", header("", "GET chat HTTP/1.1"), 400},
		{"target with a fragment", header("", "GET /#x HTTP/1.1"), 400},
		{"target outside ASCII", header("", "GET /\xc3\xbc HTTP/1.1"), 400},
		{"target with a NUL", header("", "GET /\x00 HTTP/1.1"), 400},
		{"target of another scheme", header("", "GET ftp://example.com:8080/ HTTP/1.1"), 400},
		{"target with an empty host", header("", "GET http:///x HTTP/1.1"), 400},

		// Host.
		{"no Host", header("Host", ""), 400},
		{"empty Host", header("Host", "Host:"), 400},
		{"two Hosts", header("Host", "Host: a\r\nHost: a"), 400},
		{"Host with a comma", header("Host", "Host: a,b"), 400},
		{"Host with a user", header("Host", "Host: u@a"), 400},
		{"Host with a path", header("Host", "Host: a/b"), 400},

		// Upgrade and Connection.
		{"no Upgrade", header("Upgrade", ""), 400},
		{"another Upgrade", header("Upgrade", "Upgrade: h2c"), 400},
		{"Upgrade that is almost it", header("Upgrade", "Upgrade: websockets"), 400},
		{"Upgrade with the Kelvin sign", header("Upgrade", "Upgrade: websoc\u212Aet"), 400},
		{"no Connection", header("Connection", ""), 400},
		{"Connection: close", header("Connection", "Connection: close"), 400},
		{"Connection that is almost it", header("Connection", "Connection: not-upgrade"), 400},
		{"neither Upgrade nor Connection", upgradeRequest(map[string]string{"Upgrade": "", "Connection": ""}), 400},

		// Sec-WebSocket-Version.
		{"no version header", header("Sec-WebSocket-Version", ""), 426},
		{"version 8", header("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		{"version 013", header("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013"), 426},
		{"version 13, 8", header("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		{"empty version", header("Sec-WebSocket-Version", "Sec-WebSocket-Version:"), 426},
		{"two versions", header("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"), 400},

		// Sec-WebSocket-Key.
		{"no key", header("Sec-WebSocket-Key", ""), 400},
		{"empty key", header("Sec-WebSocket-Key", "Sec-WebSocket-Key:"), 400},
		{"key of 15 bytes", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), 400},
		{"key of 17 bytes", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="), 400},
		{"key of 18 bytes", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"key that is not base64", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhl*HNhbXBsZSBub25jZQ=="), 400},
		{"key in the URL alphabet", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: ____________________-Q=="), 400},
		{"key without padding", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400},
		{"two keys", header("Sec-WebSocket-Key", "Sec-WebSocket-Key: "+sampleKey+"\r\nSec-WebSocket-Key: "+sampleKey), 400},

		// The rest.
		{"C6: an empty Origin", header("Origin", "Origin: "), 400},
		{"two Origins", header("Origin", "Origin: https://a\r\nOrigin: https://b"), 400},
		{"C9 subprotocol with a space", header("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a b"), 400},
		{"C9 subprotocol with a quote", header("Sec-WebSocket-Protocol", `Sec-WebSocket-Protocol: "a"`), 400},
		{"C9 CR in a subprotocol", header("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat\rX: y"), 400},
		{"C9 line break in a subprotocol", header("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat\nX: y"), 400},
		{"C2 too many headers", extra(strings.Repeat("A: b\r\n", 64) + "A: b"), 431},
		{"C2 a long line", extra("A: " + strings.Repeat("x", 4096)), 431},
		{"C2 a long request line", header("", "GET /"+strings.Repeat("x", 4096)+" HTTP/1.1"), 414},
		{"C2 too large", extra(strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 8) + "A: b"), 431},
	} {
		t.Run("C3 "+tt.name, func(t *testing.T) {
			refused(t, tt.in, tt.status)
		})
	}
}

// C4: requests that a proxy and a server could understand in two ways. Nothing
// behind them is looked at.
func TestSmuggling(t *testing.T) {
	const second = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct{ name, in string }{
		{"Transfer-Encoding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"Transfer-Encoding: identity", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
		{"Transfer-Encoding without a value", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"},
		{"Transfer-Encoding in odd letters", "GET / HTTP/1.1\r\nHost: a\r\ntRANSFER-eNCODING: chunked\r\n\r\n"},
		{"TE and CL", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"CL and TE", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"},
		{"Content-Length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"},
		{"Content-Length twice, alike", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"},
		{"Content-Length twice", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"},
		{"Content-Length as a list", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n"},
		{"Content-Length +0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n"},
		{"Content-Length -0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"},
		{"Content-Length 0x0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n"},
		{"Content-Length without a value", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
		{"Content-Length with a vertical tab", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \v0\r\n\r\n"},
		{"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"},
		{"obs-fold with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"},
		{"obs-fold in the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
		{"obs-fold hides Transfer-Encoding", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n"},
		{"space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"},
		{"tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n"},
		{"space in a name", "GET / HTTP/1.1\r\nHost: a\r\nContent Length: 5\r\n\r\n"},
		{"no name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"},
		{"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
		{"letters outside ASCII in a name", "GET / HTTP/1.1\r\nHost: a\r\nTransfer\u2010Encoding: chunked\r\n\r\n"},
		{"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n\r\n"},
		{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n"},
		{"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"},
		{"CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 5\r\n\r\n"},
		{"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"},
		{"bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
		{"bare LF behind a header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
		{"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
		{"bare CR as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"},
		{"absolute form of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"absolute form of another port", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"absolute form with a user", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n"},
		{"absolute form with a backslash", "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{"two Hosts, one with a space", "GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n"},
	} {
		t.Run("C4 "+tt.name, func(t *testing.T) {
			refused(t, tt.in+second, 400)
		})
	}
}

// refused checks that in is refused with the status, however much of it has
// come once enough has, and that the answer is complete.
func refused(t *testing.T, in string, status int) {
	t.Helper()
	_, n, err := ParseRequest(&HandshakeLimits{}, []byte(in))
	e, ok := err.(*RequestError)
	if !ok || n != 0 || e.Status != status {
		t.Fatalf("%d bytes taken, error %v, want %d", n, err, status)
	}
	if needs := map[int]string{405: "Allow: GET, HEAD\r\n", 426: "Sec-WebSocket-Version: 13\r\n"}; e.Header != needs[status] {
		t.Errorf("header %q, want %q", e.Header, needs[status])
	}
	shown := false
	for i := range in {
		_, n, err := ParseRequest(&HandshakeLimits{}, []byte(in[:i]))
		switch {
		case err == nil && n == 0 && !shown:
		case err == e:
			shown = true
		default:
			t.Fatalf("after %d of %d bytes: %d bytes taken, error %v; later %v", i, len(in), n, err, e)
		}
	}
}

// What is no HTTP is refused with its first bytes.
func TestGarbageIsRefusedEarly(t *testing.T) {
	hello := clientHello(t)
	for _, tt := range []struct {
		name string
		in   string
		at   int // bytes that suffice
	}{
		{"TLS hello", hello, 1},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 2},
		{"SSH", "SSH-2.0-OpenSSH_9.9\r\n", 1},
		{"a WebSocket frame", "\x81\x80abcd", 1},
		{"PROXY v1", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 2},
		{"PROXY v2", "\r\n\r\n\x00\r\nQUIT\n", 1},
		{"Redis", "*1\r\n$4\r\nPING\r\n", 1},
		{"NUL", "\x00", 1},
		{"a method and noise", "GET \xff\xfe", 5},
		{"a path and noise", "GET /a\x01", 7},
		{"HTTP/0.9", "GET /\r\n", 6},
		{"a version to come", "GET / HTTP/2", 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusOf(&HandshakeLimits{}, []byte(tt.in[:tt.at-1])); got != 0 {
				t.Errorf("status %d after %d bytes", got, tt.at-1)
			}
			if got := statusOf(&HandshakeLimits{}, []byte(tt.in[:tt.at])); got != 400 {
				t.Errorf("status %d after %d bytes, want 400", got, tt.at)
			}
		})
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		if got := statusOf(&HandshakeLimits{}, b); got != 400 {
			t.Errorf("% x: status %d", b, got)
		}
	}
}

// clientHello is what a TLS client says first.
func clientHello(t *testing.T) string {
	t.Helper()
	a, b := net.Pipe()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: "example.com"}).Handshake()
	}()
	defer a.Close()
	defer b.Close()
	hello := make([]byte, 100)
	if _, err := io.ReadFull(b, hello); err != nil {
		t.Fatal(err)
	}
	return string(hello)
}

// C2: each limit, at it and above it.
func TestHandshakeLimits(t *testing.T) {
	const line, host = "GET / HTTP/1.1\r\n", "Host: a\r\n"
	request := func(lines ...string) string { return line + host + strings.Join(lines, "") + "\r\n" }
	x := strings.Repeat("x", 10_000)
	fill := func(total int) string { // a request of this size
		return request("X: " + x[:total-len(request("X: \r\n"))] + "\r\n")
	}
	small := HandshakeLimits{HeaderBytes: 200, Headers: 3, LineBytes: 50}
	for _, tt := range []struct {
		name   string
		l      HandshakeLimits
		in     string
		status int
	}{
		{"bytes, at", HandshakeLimits{HeaderBytes: 200, LineBytes: 200}, fill(200), 200},
		{"bytes, above", HandshakeLimits{HeaderBytes: 200, LineBytes: 200}, fill(201), 431},
		{"bytes, at, frames behind", HandshakeLimits{HeaderBytes: 200, LineBytes: 200}, fill(200) + x, 200},
		{"bytes, no end", HandshakeLimits{HeaderBytes: 200, LineBytes: 200}, fill(250)[:200], 431},
		{"bytes, not yet", HandshakeLimits{HeaderBytes: 200, LineBytes: 200}, fill(250)[:199], 0},
		{"headers, at", small, request("A: b\r\n", "A: b\r\n"), 200},
		{"headers, above", small, request("A: b\r\n", "A: b\r\n", "A: b\r\n"), 431},
		{"line, at", small, request("A: " + x[:47] + "\r\n"), 200},
		{"line, above", small, request("A: " + x[:48] + "\r\n"), 431},
		{"line, no end", small, request("A: " + x[:49])[:len(request())-2+52], 431},
		{"request line, at", small, "GET /" + x[:36] + " HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"request line, above", small, "GET /" + x[:37] + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"request line, no end", small, "GET /" + x[:47], 414},
		{"request line, not yet", small, "GET /" + x[:46], 0},
		{"defaults, 8192", HandshakeLimits{}, request(strings.Repeat("A: "+x[:995]+"\r\n", 8), "X: "+x[:8192-len(request())-8000-5]+"\r\n"), 200},
		{"defaults, 8193", HandshakeLimits{}, request(strings.Repeat("A: "+x[:995]+"\r\n", 8), "X: "+x[:8193-len(request())-8000-5]+"\r\n"), 431},
	} {
		t.Run("C2 "+tt.name, func(t *testing.T) {
			if got := statusOf(&tt.l, []byte(tt.in)); got != tt.status {
				t.Errorf("%d bytes: status %d, want %d", len(tt.in), got, tt.status)
			}
		})
	}
}
