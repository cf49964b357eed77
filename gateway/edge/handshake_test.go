package edge

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// C1: a request that drips in is cut when the handshake's time is up, however
// regular the bytes come; the time counts from the accept.
func TestDripIsCut(t *testing.T) {
	r := newRig()
	r.options.Settings.HandshakeTimeout = 700 * time.Millisecond
	r.start(t)
	for name, stall := range map[string]func(*client){
		"nothing":        func(*client) {},
		"half a request": func(c *client) { _, _ = c.Write(request("/")[:40]) },
		"all but the end": func(c *client) {
			all := request("/")
			_, _ = c.Write(all[:len(all)-2])
		},
		"drip": func(c *client) {
			for _, b := range request("/?" + strings.Repeat("x", 1000)) {
				time.Sleep(20 * time.Millisecond) // the attack
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.connect(t)
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { stall(c) })
			if got := c.rest(t); len(got) > 0 {
				t.Errorf("answered %q", got)
			}
			// The drip alone takes 20 s.
			if took := time.Since(start); took < 600*time.Millisecond || took > 10*time.Second {
				t.Errorf("cut after %v, want 700 ms", took)
			}
			_ = c.Close()
			wg.Wait()
		})
	}
	t.Cleanup(func() { // before the rig stops
		if n := r.failures(metrics.HandshakeTimeout); n != 4 {
			t.Errorf("%d handshakes timed out, want 4", n)
		}
	})
}

// C1: the time of a TLS handshake is part of the same deadline: a client that takes
// most of it for that is cut before one that was accepted after it and says nothing.
func TestDripBehindTLS(t *testing.T) {
	const timeout, late = 4 * time.Second, 2500 * time.Millisecond // a busy machine takes a while for a handshake
	r := newTLSRig(t)
	r.options.Settings.HandshakeTimeout = timeout
	r.start(t)
	start := time.Now()
	raw := r.connect(t)
	time.Sleep(late) // the attack
	after := r.connect(t)
	c, err := over(raw, r.config())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, b := range request("/?" + strings.Repeat("x", 1000)) {
			time.Sleep(20 * time.Millisecond) // the attack, again
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
	})
	var cut time.Time
	wg.Go(func() {
		after.rest(t)
		cut = time.Now()
	})
	if got := c.rest(t); len(got) > 0 {
		t.Errorf("answered %q", got)
	}
	took := time.Since(start)
	_ = c.Close()
	wg.Wait()
	if took < timeout-handshakeGrain || took > cut.Sub(start) {
		t.Errorf("cut after %v, want %v; the one that came after it was cut after %v", took, timeout, cut.Sub(start))
	}
	if n := r.failures(metrics.HandshakeTimeout); n == 0 {
		t.Error("no handshake is counted as timed out")
	}
}

// C10: who has got an answer and does not hang up is cut at the same time.
func TestAnsweredIsCut(t *testing.T) {
	r := newRig()
	r.options.Settings.HandshakeTimeout = 300 * time.Millisecond
	r.start(t)
	c := r.connect(t)
	c.send(t, request("/nowhere"))
	if status, _ := c.response(t); status != 404 {
		t.Errorf("got %d", status)
	}
	eventually(t, "the connection to be cut", func() bool { all, _ := r.Connections(); return all == 0 })
}

// A request may come byte by byte, if it comes in time.
func TestRequestInPieces(t *testing.T) {
	r := newRig().start(t)
	c := r.connect(t)
	for _, b := range append(request("/"), masked(ws.Text, "and a frame")...) {
		c.send(t, []byte{b})
	}
	if err := c.accepted(); err != nil {
		t.Fatal(err)
	}
	c.expect(t, ws.Text, "and a frame")
}

// C2: 8 KiB of request line and headers are read, and not a byte more.
func TestHeaderSize(t *testing.T) {
	r := newRig().start(t)
	padded := func(size int) []byte {
		var headers []string
		for left := size - len(request("/")); left > 0; {
			n := min(left, 1000)
			if left > n && left-n < 20 {
				n -= 20
			}
			headers = append(headers, "X-Pad: "+strings.Repeat("p", n-len("X-Pad: \r\n")))
			left -= n
		}
		return request("/", headers...)
	}
	if n := len(padded(8193)); n != 8193 {
		t.Fatalf("the test is wrong: %d bytes", n)
	}
	c := r.connect(t)
	c.send(t, padded(8192))
	if err := c.accepted(); err != nil {
		t.Errorf("8192 bytes: %v", err)
	}
	c = r.connect(t)
	c.send(t, padded(8193))
	if status, _ := c.response(t); status != 431 {
		t.Errorf("8193 bytes: %d, want 431", status)
	}
	c = r.connect(t) // a header without an end is not waited for
	c.send(t, bytes.Repeat([]byte("x"), 9000))
	if status, _ := c.response(t); status != 431 && status != 400 && status != 414 {
		t.Errorf("an endless line: %d", status)
	}
	if n := r.failures(metrics.HandshakeTooLarge); n == 0 {
		t.Error("none was counted as too large")
	}
}

// C2: a request that is never finished holds what came of it, and not much more,
// however it came.
func TestHeaderMemory(t *testing.T) {
	const n, most = 200, 16 << 10
	r := newRig().start(t)
	all := request("/", slices.Repeat([]string{"X-Pad: " + strings.Repeat("p", 991)}, 9)...)[:8191]
	before := heap()
	var sockets []net.Conn
	for range n {
		c, err := net.Dial("tcp", r.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		sockets = append(sockets, c)
	}
	sent := uint64(0)
	for at := 0; at < len(all); {
		next := min(at+1+at/3, len(all))
		for _, c := range sockets {
			if _, err := c.Write(all[at:next]); err != nil {
				t.Fatal(err)
			}
			sent += uint64(next - at)
		}
		eventually(t, "the bytes", func() bool { return r.set.Edge().BytesIn.Load() == sent })
		at = next
	}
	each := (heap() - before) / n
	t.Logf("%d bytes on the heap for each", each)
	if each > most && !raceEnabled {
		t.Errorf("%d bytes on the heap for each, want at most %d", each, most)
	}
	if _, handshaking := r.Connections(); handshaking != n {
		t.Errorf("%d are in their handshake, want all %d", handshaking, n)
	}
}

// C3, C4: what is not a sound upgrade is answered and closed, and what stands
// behind it is never looked at, whatever it says.
func TestBadRequests(t *testing.T) {
	r := newRig()
	r.endpoint.Page, r.endpoint.PageType = []byte("page"), "text/plain"
	r.start(t)
	good := string(request("/"))
	second := "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
	header := func(line string) string {
		return strings.Replace(good, "Upgrade: websocket\r\n", "Upgrade: websocket\r\n"+line+"\r\n", 1)
	}
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("the request has no %q", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{"POST", swap("GET ", "POST "), 405},
		{"an unknown method", swap("GET ", "BREW "), 0},
		{"HTTP/1.0", swap("HTTP/1.1", "HTTP/1.0"), 0},
		{"HTTP/2.0", swap("HTTP/1.1", "HTTP/2.0"), 0},
		{"no Host", swap("Host: example.com\r\n", ""), 400},
		{"two Hosts", header("Host: example.com"), 400},
		{"no key", swap("Sec-WebSocket-Key: "+sampleKey+"\r\n", ""), 400},
		{"two keys", header("Sec-WebSocket-Key: " + sampleKey), 400},
		{"a key of 15 bytes", swap(sampleKey, "AAAAAAAAAAAAAAAAAAAA"), 400},
		{"a key that is not base64", swap(sampleKey, "!!!!!!!!!!!!!!!!!!!!!!=="), 400},
		{"no Connection", swap("Connection: Upgrade\r\n", ""), 400},
		{"another Connection", swap("Connection: Upgrade", "Connection: keep-alive"), 400},
		{"version 8", swap("Version: 13", "Version: 8"), 426},
		{"no version", swap("Sec-WebSocket-Version: 13\r\n", ""), 0},
		{"Upgrade: h2c", swap("Upgrade: websocket", "Upgrade: h2c"), 0},
		{"Transfer-Encoding", header("Transfer-Encoding: chunked"), 0},
		{"Content-Length", header("Content-Length: 5"), 0},
		{"two Content-Lengths", header("Content-Length: 0\r\nContent-Length: 0"), 0},
		{"both", header("Content-Length: 5\r\nTransfer-Encoding: chunked"), 0},
		{"a folded header", header("X-A: b\r\n c"), 400},
		{"a bare LF", header("X-A: b\nX-C: d"), 400},
		{"a bare CR", header("X-A: b\rX-C: d"), 400},
		{"NUL", header("X-A: \x00"), 400},
		{"a space before the colon", header("X-A : b"), 400},
		{"another absolute form", swap("GET /", "GET http://other.example/"), 400},
		{"CRLF in front", "\r\n" + good, 0},
		{"a protocol that is no token", header("Sec-WebSocket-Protocol: a b"), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := r.connect(t)
			conn.send(t, []byte(c.request+second+second))
			all := string(conn.rest(t))
			var status int
			if _, err := fmt.Sscanf(all, "HTTP/1.1 %d ", &status); err != nil || status/100 != 4 && status != 501 && status != 505 {
				t.Fatalf("answered %q", all)
			}
			if c.want != 0 && status != c.want {
				t.Errorf("status %d, want %d", status, c.want)
			}
			if n := strings.Count(all, "HTTP/1.1 "); n != 1 {
				t.Errorf("%d answers: %q", n, all)
			}
			if status == 426 && !strings.Contains(all, "\r\nSec-WebSocket-Version: 13\r\n") {
				t.Errorf("426 without the version: %q", all)
			}
		})
	}
	eventually(t, "all to be gone", func() bool { _, handshaking := r.Connections(); return handshaking == 0 })
}

// C5: frames that come in the same segment as the request are handled after
// the 101; a second request there is no frame, and gets no answer.
func TestBehindTheRequest(t *testing.T) {
	r := newRig()
	r.endpoint.Page, r.endpoint.PageType = []byte("page"), "text/plain"
	r.start(t)
	c := r.connect(t)
	if err := c.upgrade("/", append(masked(ws.Text, "one"), masked(ws.Ping, "two")...)...); err != nil {
		t.Fatal(err)
	}
	c.expect(t, ws.Text, "one")
	c.expect(t, ws.Pong, "two")

	c = r.connect(t)
	if err := c.upgrade("/", request("/")...); err != nil {
		t.Fatal(err)
	}
	c.expectClose(t, ws.ProtocolError)

	c = r.connect(t)
	get := "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
	c.send(t, []byte(get+string(request("/"))+get))
	if status, body := c.response(t); status != 200 || body != "page" {
		t.Errorf("got %d %q, want one page", status, body)
	}
}

// C6: the endpoint's list of origins decides, and may be replaced.
func TestOrigins(t *testing.T) {
	r := newRig().start(t)
	try := func(origin string) int {
		c := r.connect(t)
		c.send(t, request("/", "Origin: "+origin))
		head, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var status int
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d ", &status); err != nil {
			t.Fatal(err)
		}
		return status
	}
	check := func(origin string, want int) {
		t.Helper()
		if got := try(origin); got != want {
			t.Errorf("Origin %s: %d, want %d", origin, got, want)
		}
	}
	check("http://example.com", 101)
	check("https://EXAMPLE.com", 101)
	check("http://example.com:81", 403)
	check("http://example.com.evil.tld", 403)
	check("http://evilexample.com", 403)
	check("null", 403)
	r.endpoint.Origins.Store(&Origins{Allow: []string{"https://*.app.example"}})
	check("http://example.com", 403)
	check("https://a.app.example", 101)
	check("https://evilapp.example", 403)
	r.endpoint.Origins.Store(&Origins{Required: true})
	check("http://example.com", 101)
	c := r.connect(t)
	c.send(t, request("/"))
	if status, body := c.response(t); status != 403 || !strings.Contains(body, "origin") {
		t.Errorf("without an Origin, where one is required: %d %s", status, body)
	}
	if n := r.failures(metrics.HandshakeOrigin); n != 7 {
		t.Errorf("%d origins were refused, want 7", n)
	}
}

// Plain requests: the page, its head alone, and 404 for what is not there. The
// admin's paths are not there.
func TestPlainRequests(t *testing.T) {
	r := newRig()
	r.endpoint.Page, r.endpoint.PageType = []byte("hi there"), "text/plain; charset=utf-8"
	r.options.Listeners[0].Endpoints = append(r.options.Listeners[0].Endpoints, &Endpoint{Path: "/ws", Session: r.endpoint.Session})
	r.start(t)
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{http.MethodGet, "/", 200, "hi there"},
		{http.MethodGet, "/?a=b", 200, "hi there"},
		{http.MethodHead, "/", 200, ""},
		{http.MethodGet, "/ws", 404, "404: this path is a WebSocket\n"},
		{http.MethodGet, "/nowhere", 404, "404: there is nothing at this path\n"},
		{http.MethodGet, "//", 404, "404: there is nothing at this path\n"},
		{http.MethodGet, "/metrics", 404, "404: there is nothing at this path\n"},
	} {
		conn := r.connect(t)
		conn.send(t, []byte(c.method+" "+c.target+" HTTP/1.1\r\nHost: x\r\n\r\n"))
		if status, body := conn.response(t); status != c.status || body != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.target, status, body, c.status, c.body)
		}
	}
	resp, err := http.Head("http://" + r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ContentLength != 8 {
		t.Errorf("HEAD says %d bytes, want 8", resp.ContentLength)
	}
}

// A page of more than any socket buffer reaches a slow reader whole.
func TestLargePage(t *testing.T) {
	r := newRig()
	r.endpoint.Page, r.endpoint.PageType = bytes.Repeat([]byte("0123456789abcdef"), 1<<20), "text/plain"
	r.start(t)
	c := r.connect(t)
	c.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	eventually(t, "the page to wait", func() bool { return r.set.Edge().Pages.Load() == 1 })
	if status, body := c.response(t); status != 200 || body != string(r.endpoint.Page) {
		t.Errorf("got %d and %d bytes, want %d", status, len(body), len(r.endpoint.Page))
	}
}
