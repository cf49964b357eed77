package edge

import (
	"bytes"
	"strings"
	"testing"

	"sluice/gateway/ws"
)

// A connection gets one HTTP answer, whatever it asked, and is closed behind
// it: a second request in the same segment is never looked at (RFC 9112
// section 11.2).
func TestPipelinedRequestGetsNoAnswer(t *testing.T) {
	r := newRig()
	r.endpoint.Page, r.endpoint.PageType = []byte("a page"), "text/plain"
	r.start(t)
	const get = "GET / HTTP/1.1\r\nHost: example.com\r\n"
	for _, row := range []struct{ name, first, status string }{
		{"C4: Transfer-Encoding", get + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"C4: Content-Length", get + "Content-Length: 5\r\n\r\nhello", "400"},
		{"C4: Content-Length twice", get + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", "400"},
		{"C4: both", get + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
		{"C4: a folded line", get + "X: a\r\n b\r\n\r\n", "400"},
		{"C4: a bare LF", get + "X: a\nY: b\r\n\r\n", "400"},
		{"C4: a NUL", get + "X: \x00\r\n\r\n", "400"},
		{"C4: a space before the colon", get + "Content-Length : 5\r\n\r\n", "400"},
		{"C4: absolute form of another host", "GET http://other.example/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "400"},
		{"C3: two Hosts", get + "Host: example.com\r\n\r\n", "400"},
		{"C10: a page", get + "\r\n", "200"},
		{"C10: a page, kept alive", get + "Connection: keep-alive\r\n\r\n", "200"},
		{"C10: no such path", "GET /none HTTP/1.1\r\nHost: example.com\r\n\r\n", "404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for what, second := range map[string][]byte{"a page": []byte(get + "\r\n"), "an upgrade": request("/")} {
				c := r.connect(t)
				c.send(t, append([]byte(row.first), second...))
				got := string(c.rest(t))
				if !strings.HasPrefix(got, "HTTP/1.1 "+row.status+" ") || strings.Count(got, "HTTP/1.1 ") != 1 {
					t.Errorf("with %s behind it: %q, want one answer, a %s", what, got, row.status)
				}
			}
		})
	}
}

// C5: what stands behind an upgrade in its segment is frames, never HTTP.
func TestRequestBehindAnUpgrade(t *testing.T) {
	r := newRig().start(t)
	c := r.connect(t)
	c.send(t, bytes.Join([][]byte{request("/"), masked(ws.Text, "first"), request("/")}, nil))
	if err := c.accepted(); err != nil {
		t.Fatal(err)
	}
	c.expect(t, ws.Text, "first")
	if rest := c.rest(t); bytes.Contains(rest, []byte("HTTP/1.1")) {
		t.Errorf("a second HTTP answer: %q", rest)
	}
}
