package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// Offers of RFC 7692 section 7.1, by what must become of them.
func TestDeflateOffers(t *testing.T) {
	const (
		no    = "" // declined: no extension is answered with
		plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	)
	for _, c := range []struct{ section, offer, want string }{
		{"7", "permessage-deflate", plain},
		{"7", "PERMESSAGE-DEFLATE", plain},
		{"7", "x-other", no},
		{"7", "x-other, permessage-deflate", plain},
		{"7", "permessage-deflate;", ""},
		{"7", "permessage-deflate; unknown", no},
		{"7", "permessage-deflate; unknown=1, permessage-deflate", plain},
		{"7", "permessage-deflate; Server_no_context_takeover", no},
		{"7", " permessage-deflate ;  client_max_window_bits ", plain},
		{"7", ", ,permessage-deflate,", plain},
		{"7.1.1.1", "permessage-deflate; server_no_context_takeover", plain},
		{"7.1.1.1", "permessage-deflate; server_no_context_takeover=1", no},
		{"7.1.1.1", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", no},
		{"7.1.1.2", "permessage-deflate; client_no_context_takeover", plain},
		{"7.1.1.2", "permessage-deflate; client_no_context_takeover=true", no},
		{"7.1.1.2", "permessage-deflate; client_no_context_takeover; client_no_context_takeover", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15"},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=10", plain + "; server_max_window_bits=10"},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=8", plain + "; server_max_window_bits=8"},
		{"7.1.2.1", `permessage-deflate; server_max_window_bits="9"`, plain + "; server_max_window_bits=9"},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=7", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=16", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=010", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=+9", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", no},
		{"7.1.2.1", "permessage-deflate; server_max_window_bits=99, permessage-deflate; server_max_window_bits=9", plain + "; server_max_window_bits=9"},
		{"7.1.2.2", "permessage-deflate; client_max_window_bits", plain},
		{"7.1.2.2", "permessage-deflate; client_max_window_bits=10", plain},
		{"7.1.2.2", "permessage-deflate; client_max_window_bits=7", no},
		{"7.1.2.2", "permessage-deflate; client_max_window_bits=x", no},
		{"7.1.3", "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=12", plain + "; server_max_window_bits=12"},
	} {
		in := []byte(upgradeRequest(map[string]string{"Sec-WebSocket-Extensions": "Sec-WebSocket-Extensions: " + c.offer + "\r\n"}))
		req, _, err := ParseRequest(&HandshakeLimits{}, in)
		if c.offer == "permessage-deflate;" {
			if err != errExtension {
				t.Errorf("%s: %v, want a malformed header", c.offer, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("section %s: %s: %v", c.section, c.offer, err)
			continue
		}
		got := strings.TrimPrefix(string(req.Deflate().append(nil)), "\r\nSec-WebSocket-Extensions: ")
		if got != c.want {
			t.Errorf("section %s: %s\n got %q\nwant %q", c.section, c.offer, got, c.want)
		}
	}
}

// RFC 6455 section 9.1: a header that breaks the grammar fails the handshake.
func TestMalformedExtensions(t *testing.T) {
	for _, bad := range []string{
		";", "a;", "a; =1", "a; b=", "a b", "a; b c", `a; b="`, `a; b=""`, `a; b="x y"`, "a; b=c=d", "a, b;", "=", "a/b", "permessage-deflate; \"x\"",
	} {
		in := []byte(upgradeRequest(map[string]string{"Sec-WebSocket-Extensions": "Sec-WebSocket-Extensions: " + bad + "\r\n"}))
		if _, _, err := ParseRequest(&HandshakeLimits{}, in); err != errExtension {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// deflated compresses as a client does (RFC 7692 section 7.2.1), with the
// standard library.
func deflated(t testing.TB, payload string) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, payload)
	_ = w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// compressed is a masked frame with RSV1.
func compressed(op Opcode, fin bool, payload string) []byte {
	b := client(op, fin, payload)
	b[0] |= bitRSV1
	return b
}

// TestDeflateMessages: messages by section of RFC 7692. W2: RSV1 where it has no meaning.
func TestDeflateMessages(t *testing.T) {
	big := strings.Repeat("all work and no play ", 400)
	var noise strings.Builder
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 9000 {
		noise.WriteByte(byte(rnd.Uint32()))
	}
	d := func(s string) string { return deflated(t, s) }
	half := func(s string) (string, string) { return s[:len(s)/2], s[len(s)/2:] }
	one, two := half(d(big))
	for _, c := range []struct {
		name   string
		in     []byte
		events []string
		code   CloseCode
	}{
		{"7.2.3.1: one block", compressed(Text, true, "\xf2\x48\xcd\xc9\xc9\x07\x00"), []string{"text Hello"}, 0},
		{"7.2.3.1: in two fragments", join(compressed(Text, false, "\xf2\x48\xcd"), client(Continuation, true, "\xc9\xc9\x07\x00")), []string{"text Hello"}, 0},
		{"7.2.3.3: a block without compression", compressed(Text, true, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), []string{"text Hello"}, 0},
		{"7.2.3.4: a final block", compressed(Text, true, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []string{"text Hello"}, 0},
		{"7.2.3.4: two final blocks", compressed(Text, true, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []string{"text HelloHello"}, 0},
		{"7.2.3.4: a final block is cut short, where our own tail would complete it", compressed(Binary, true, "\x9b\x30\x61"), nil, InvalidPayload},
		{"7.2.3.5: two blocks", compressed(Text, true, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), []string{"text Hello"}, 0},
		{"7.2.3.6: an empty message", compressed(Text, true, "\x00"), []string{"text "}, 0},
		{"7.2.3.6: no bytes are not even an empty message", compressed(Binary, true, ""), nil, InvalidPayload},
		{"6: uncompressed beside compressed", join(client(Text, true, "a"), compressed(Text, true, d("b")), client(Text, true, "c")), []string{"text a", "text b", "text c"}, 0},
		{"6.2: fragments with a ping between", join(compressed(Text, false, one), client(Ping, true, "p"), client(Continuation, true, two)), []string{"ping p", "text " + big}, 0},
		{"6.1: empty fragments", join(compressed(Text, false, ""), client(Continuation, false, d("x")), client(Continuation, true, "")), []string{"text x"}, 0},
		{"7.2.1: what does not compress", compressed(Binary, true, d(noise.String())), []string{"binary " + noise.String()}, 0},
		{"7.2.3.2: no context is taken over", join(compressed(Text, true, "\xf2\x48\xcd\xc9\xc9\x07\x00"), compressed(Text, true, "\xf2\x00\x11\x00\x00")), []string{"text Hello"}, InvalidPayload},
		{"6.1/W2: RSV1 on a continuation", join(compressed(Text, false, one), compressed(Continuation, true, two)), nil, ProtocolError},
		{"5.1/W2: RSV1 on a ping", compressed(Ping, true, "p"), nil, ProtocolError},
		{"5.1/W2: RSV1 on a close", compressed(Close, true, ""), nil, ProtocolError},
		{"W2: RSV2 beside it", func() []byte { b := compressed(Text, true, d("x")); b[0] |= bitRSV2; return b }(), nil, ProtocolError},
		{"not compressed at all", compressed(Text, true, "Hello, it says"), nil, InvalidPayload},
		{"a reserved block type", compressed(Text, true, "\x07"), nil, InvalidPayload},
		{"cut short in a block", compressed(Text, true, d(big)[:20]), nil, InvalidPayload},
		{"W7: not UTF-8 once inflated", compressed(Text, true, d("\xff")), nil, InvalidPayload},
		{"W7: ends within a character", compressed(Text, true, d("\xe2\x82")), nil, InvalidPayload},
		{"binary need not be UTF-8", compressed(Binary, true, d("\xff")), []string{"binary \xff"}, 0},
		{"W6: inflates to more than the limit", compressed(Text, true, d(strings.Repeat("x", 10_001))), nil, MessageTooBig},
		{"W6: inflates to the limit", compressed(Text, true, d(strings.Repeat("x", 10_000))), []string{"text " + strings.Repeat("x", 10_000)}, 0},
		{"W6: the frame alone is too big", compressed(Text, true, strings.Repeat("\x00", 10_200)), nil, MessageTooBig},
		{"W6: its fragments together are", join(compressed(Text, false, strings.Repeat("\x00", 9000)), client(Continuation, false, strings.Repeat("\x00", 1000)), client(Continuation, true, strings.Repeat("\x00", 1000))), nil, MessageTooBig},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Deflate: true, MaxMessage: 10_000}
			for _, cuts := range [][]int{nil, everyByte(len(c.in))} {
				var p Parser
				got := feed(t, &p, r, c.in, cuts...)
				if got.Code != c.code || c.code == 0 && !slices.Equal(got.Events, c.events) {
					t.Errorf("%.200q and %v %s, want %.200q and %v", got.Events, got.Code, got.Reason, c.events, c.code)
				}
				if got.Code == 0 && p.Buffered() != 0 {
					t.Errorf("%d bytes are kept", p.Buffered())
				}
				p.Release()
			}
		})
	}
}

// W2: without the extension, RSV1 is a breach.
func TestDeflateNotAgreed(t *testing.T) {
	var p Parser
	defer p.Release()
	if got := feed(t, &p, &Rules{}, compressed(Text, true, deflated(t, "x"))); got.Code != ProtocolError {
		t.Errorf("%v", got)
	}
}

// W6: a bomb of a kilobyte costs no more than the limit, however many come.
func TestDecompressionBomb(t *testing.T) {
	bomb := compressed(Binary, true, deflated(t, strings.Repeat("\x00", 1<<20)))
	if len(bomb) > 1100 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	const limit = 64 << 10
	play := func() {
		var p Parser
		defer p.Release()
		if got := feed(t, &p, &Rules{Deflate: true, MaxMessage: limit}, bomb); got.Code != MessageTooBig {
			t.Fatalf("%v", got)
		}
	}
	play() // now there is an inflater
	before := heap()
	for range 1000 {
		play()
	}
	after := heap()
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2*limit {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if each := (after.TotalAlloc - before.TotalAlloc) / 1000; each > limit && !raceDetector {
		t.Errorf("each takes %d bytes anew", each)
	}
}

// heap is what is in use: not what waits in a sync.Pool, which the second
// collection takes.
func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// What a Deflater makes, the standard library and a client with the agreed window read.
func TestDeflater(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields(`{"symbol": "price": "bid" "ask" 0.01 1.1 2026 EURUSD BTCUSD },{ true null`)
	for _, narrow := range []bool{false, true} {
		for _, level := range []int{1, 6, 9} {
			d := NewDeflater(level, 64, narrow)
			for _, n := range []int{0, 1, 10, 100, 1000, 20_000} {
				var b strings.Builder
				for range n {
					b.WriteString(words[rnd.IntN(len(words))])
				}
				frame, small := d.AppendFrame([]byte("before"), Text, []byte(b.String()))
				frame = frame[len("before"):]
				if small != (frame[0]&bitRSV1 != 0) || small && len(frame) >= b.Len() || !small && b.Len() >= 100 {
					t.Errorf("level %d, %d bytes: compressed %v, to %d bytes", level, b.Len(), small, len(frame))
				}
				var p Parser
				got := feed(t, &p, &Rules{Client: true, Deflate: true, MaxMessage: 1 << 20}, frame)
				if want := []string{"text " + b.String()}; !slices.Equal(got.Events, want) {
					t.Errorf("level %d, narrow %v, %d bytes: %v %s", level, narrow, b.Len(), got.Code, got.Reason)
				}
				p.Release()
			}
		}
	}
}

// What does not get smaller is sent as it is (RFC 7692 section 6).
func TestDeflaterGivesUp(t *testing.T) {
	d := NewDeflater(1, 0, false)
	noise := make([]byte, 3000)
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for _, payload := range [][]byte{nil, []byte("x"), noise} {
		frame, small := d.AppendFrame(nil, Binary, payload)
		if small || !bytes.Equal(frame, AppendFrame(nil, Binary, payload)) {
			t.Errorf("%d bytes became % x", len(payload), frame[:min(20, len(frame))])
		}
	}
}

// At its working size a Deflater allocates nothing but the frame.
func TestDeflaterAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	d := NewDeflater(1, 64, false)
	payload := []byte(strings.Repeat(`{"symbol":"EURUSD","bid":1.0834,"ask":1.0835}`, 20))
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst, _ = d.AppendFrame(dst[:0], Text, payload) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	in := compressed(Text, true, deflated(t, string(payload)))
	b := make([]byte, len(in))
	var p Parser
	r := &Rules{Deflate: true}
	if n := testing.AllocsPerRun(100, func() {
		copy(b, in)
		if m, _, err := p.Next(r, b); err != nil || m.Inflated == 0 {
			t.Fatal(err)
		}
		_, _, _ = p.Next(r, nil)
	}); n > 0 {
		t.Errorf("inflating: %v allocations", n)
	}
}

// FuzzInflate: however a compressed message is cut, the same comes out; it is
// what RFC 1951 says, read by puff; and it is never larger than the limit.
func FuzzInflate(f *testing.F) {
	for _, payload := range []string{"", "Hello", strings.Repeat("x", 5000), "κόσμε 🙂", "\xff\x00"} {
		f.Add([]byte(deflated(f, payload)), uint16(4096), uint64(1), true)
	}
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), uint16(10), uint64(2), false)
	f.Add([]byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), uint16(3), uint64(3), true)
	f.Add([]byte{7}, uint16(0), uint64(4), false)
	f.Fuzz(func(t *testing.T, payload []byte, limit uint16, seed uint64, text bool) {
		r := &Rules{Deflate: true, MaxMessage: int(limit), MaxFragments: 10}
		rnd := rand.New(rand.NewPCG(seed, 0))
		op := Binary
		if text {
			op = Text
		}
		at := rnd.IntN(len(payload) + 1)
		in := join(compressed(op, false, string(payload[:at])), client(Continuation, true, string(payload[at:])))
		var p Parser
		whole := feed(t, &p, r, in)
		p.Release()
		cuts := []int{rnd.IntN(len(in) + 1), rnd.IntN(len(in) + 1)}
		slices.Sort(cuts)
		for _, cuts := range [][]int{cuts, everyByte(len(in))} {
			if diff := cmp.Diff(whole, feed(t, &p, r, in, cuts...)); diff != "" {
				t.Fatalf("% x cut at %d (-whole +cut):\n%s", in, cuts, diff)
			}
			p.Release()
		}
		if len(whole.Events) == 0 {
			want, _, err := puff(string(payload), r.maxMessage())
			if err == nil && len(want) <= r.maxMessage() && len(payload) <= r.maxMessage() && (op == Binary || utf8.Valid(want)) {
				t.Fatalf("% x: %v %s, want %q", payload, whole.Code, whole.Reason, want)
			}
			return
		}
		_, got, _ := strings.Cut(whole.Events[0], " ")
		if len(got) > r.maxMessage() {
			t.Fatalf("%d bytes, more than %d", len(got), r.maxMessage())
		}
		want, _, err := puff(string(payload), r.maxMessage())
		if err != nil && err != errPuffOdd || got != string(want) {
			t.Fatalf("% x: got %q, want %q and %v", payload, got, want, err)
		}
	})
}

// FuzzExtensions: an offer is never accepted in part, and what is answered is one of ours.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate; client_max_window_bits", `permessage-deflate; server_max_window_bits="10"`, "a;b=c,d", ",;=\"", "permessage-deflate; x, permessage-deflate",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		in := []byte(upgradeRequest(map[string]string{"Sec-WebSocket-Extensions": "Sec-WebSocket-Extensions: " + value + "\r\n"}))
		req, n, err := ParseRequest(&HandshakeLimits{HeaderBytes: 64 << 10, LineBytes: 32 << 10, Headers: 64}, in)
		if err != nil || n != len(in) {
			return
		}
		d := req.Deflate()
		if d.Bits == 0 {
			if d != (Deflate{}) {
				t.Errorf("%q: %+v", value, d)
			}
			return
		}
		if d.Bits < 8 || d.Bits > MaxBits || !strings.Contains(strings.ToLower(value), "permessage-deflate") {
			t.Errorf("%q: %+v", value, d)
		}
		if d.asked != strings.Contains(string(d.append(nil)), "server_max_window_bits") {
			t.Errorf("%q: %+v is answered with %q", value, d, d.append(nil))
		}
	})
}
