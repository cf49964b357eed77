package ws

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParserSplit: however the bytes are cut, the same messages come out, and
// the same error.
func FuzzParserSplit(f *testing.F) {
	for i, in := range [][]byte{
		client(Text, true, "Hello"),
		join(client(Text, false, "Hel"), client(Ping, true, "p"), client(Continuation, true, "lo"), closing(1000, "bye")),
		client(Text, true, "κόσμε 🙂"),
		client(Binary, true, strings.Repeat("x", 300)),
		join(client(Text, false, "\xe2\x82"), client(Continuation, true, "\xac")),
		AppendFrame(nil, Text, []byte("not masked")),
		{0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0},
		{0x81, 0xFE, 0, 5},
		{0xC1, 0x80},
	} {
		f.Add(in, uint64(i), uint16(0), uint8(0), i%4 == 3)
		f.Add(in, uint64(i), uint16(4), uint8(1), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, limit uint16, fragments uint8, server bool) {
		r := &Rules{Client: server, MaxMessage: int(limit), MaxFragments: int(fragments)}
		var p Parser
		whole := feed(t, &p, r, in)
		p.Release()

		rnd := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for range rnd.IntN(8) {
			cuts = append(cuts, rnd.IntN(len(in)+1))
		}
		slices.Sort(cuts)
		for _, cuts := range [][]int{cuts, everyByte(len(in))} {
			if diff := cmp.Diff(whole, feed(t, &p, r, in, cuts...)); diff != "" {
				t.Fatalf("% x cut at %d (-whole +cut):\n%s", in, cuts, diff)
			}
			p.Release()
		}
		for _, e := range whole.Events {
			if op, payload, _ := strings.Cut(e, " "); op == "text" && strings.ToValidUTF8(payload, "\x00") != payload {
				t.Errorf("% x: text %q is not UTF-8", in, payload)
			}
			if len(e) > len("binary ")+max(r.maxMessage(), MaxControl) {
				t.Errorf("% x: a message is larger than %d", in, r.maxMessage())
			}
		}
	})
}

// FuzzParseRequest: it never panics, more bytes never change a result, and what
// is accepted is what it seems to be.
func FuzzParseRequest(f *testing.F) {
	for _, in := range []string{
		upgradeRequest(nil),
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
		"POST / HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
	} {
		f.Add([]byte(in), uint16(0), uint8(0), uint8(0))
		f.Add([]byte(in), uint16(300), uint8(4), uint8(80))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16, headers, line uint8) {
		if len(in) > 4<<10 {
			return // every prefix is parsed
		}
		l := &HandshakeLimits{HeaderBytes: int(size), Headers: int(headers), LineBytes: int(line)}
		req, n, err := ParseRequest(l, in)
		if err != nil && (n != 0 || req != (Request{})) {
			t.Fatalf("%d bytes were taken with %v", n, err)
		}
		for i := range in {
			_, partN, partErr := ParseRequest(l, in[:i])
			if partErr != nil && partErr != err || partN != 0 && partN != n || partN > i || n != 0 && i >= n && partN != n {
				t.Fatalf("%q: %d, %v; but %d bytes of it: %d, %v", in, n, err, i, partN, partErr)
			}
		}
		if n == 0 {
			return
		}
		head := string(in[:n])
		if !strings.HasSuffix(head, "\r\n\r\n") || strings.Count(head, "\n") != strings.Count(head, "\r\n") || strings.Count(head, "\r") != strings.Count(head, "\r\n") || strings.ContainsRune(head, 0) {
			t.Errorf("%q was accepted", head)
		}
		lines := 2 // the request line and the empty line
		for name := range req.Fields() {
			lines++
			if equalFold(name, "transfer-encoding") {
				t.Errorf("%q was accepted", head)
			}
		}
		if lines != strings.Count(head, "\r\n") {
			t.Errorf("%q: %d lines are seen", head, lines)
		}
		if req.Upgrade && (req.Method != "GET" || !validKey(req.Key)) || req.Host == "" || req.Path == "" || req.Path[0] != '/' {
			t.Errorf("%q: %+v", head, req)
		}
	})
}

// FuzzParseUpgradeResponse: it never panics, and more bytes never change a result.
func FuzzParseUpgradeResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 101 x\n\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<10 {
			return
		}
		n, err := ParseUpgradeResponse(in, sampleKey)
		for i := range in {
			partN, partErr := ParseUpgradeResponse(in[:i], sampleKey)
			if partErr != nil && partErr != err || partN != 0 && partN != n {
				t.Fatalf("%q: %d, %v; but %d bytes of it: %d, %v", in, n, err, i, partN, partErr)
			}
		}
	})
}
