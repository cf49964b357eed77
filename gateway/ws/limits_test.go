package ws

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// There are as many parsers as connections.
func TestParserIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Parser{}); size > 8 {
		t.Errorf("a Parser has %d bytes, want one pointer", size)
	}
	if size := unsafe.Sizeof(state{}); size > 256 {
		t.Errorf("the state of a connection in mid-frame has %d bytes", size)
	}
}

func TestMessageLimit(t *testing.T) {
	x := strings.Repeat("x", 200)
	tests := []struct {
		name string
		in   []byte
		want []string
		code CloseCode
	}{
		{"W3 at the limit", client(Binary, true, x[:100]), []string{"binary " + x[:100]}, 0},
		{"W3 above the limit", client(Binary, true, x[:101]), nil, MessageTooBig},
		{"W3 above the limit, 16-bit length", client(Text, true, x[:200]), nil, MessageTooBig},
		{"W3 at the limit in fragments", join(client(Text, false, x[:60]), client(Ping, true, x[:125]), client(Continuation, true, x[:40])), []string{"ping " + x[:125], "text " + x[:100]}, 0},
		{"W3 above the limit in fragments", join(client(Text, false, x[:60]), client(Continuation, true, x[:41])), nil, MessageTooBig},
		{"W3 above the limit in many fragments", bytes.Join([][]byte{client(Text, false, x[:50]), client(Continuation, false, x[:50]), client(Continuation, false, "x")}, nil), nil, MessageTooBig},
		{"W3 each message has its own", join(client(Text, true, x[:100]), client(Text, false, x[:99]), client(Continuation, true, "x"), client(Text, true, x[:100])), []string{"text " + x[:100], "text " + x[:100], "text " + x[:100]}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {1}, {len(tt.in) / 2}, everyByte(len(tt.in))} {
				var p Parser
				got := feed(t, &p, &Rules{MaxMessage: 100}, tt.in, cuts...)
				if diff := cmp.Diff(tt.want, got.Events); diff != "" || got.Code != tt.code {
					t.Errorf("cut at %d: close code %d, want %d; (-want +got):\n%s", cuts, got.Code, tt.code, diff)
				}
			}
		})
	}
}

func TestFragmentLimit(t *testing.T) {
	message := func(frames int) []byte {
		in := client(Text, false, "a")
		for range frames - 2 {
			in = append(in, client(Continuation, false, "")...)
		}
		return append(in, client(Continuation, true, "z")...)
	}
	for _, tt := range []struct {
		name         string
		max, frames  int
		wantMessages int
		wantCode     CloseCode
	}{
		{"W4 at the limit", 3, 3, 2, 0},
		{"W4 above the limit", 3, 4, 0, PolicyViolation},
		{"W4 at the default", 0, DefaultMaxFragments, 2, 0},
		{"W4 above the default", 0, DefaultMaxFragments + 1, 0, PolicyViolation},
		{"W4 a million empty fragments", 0, 1_000_000, 0, PolicyViolation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := message(tt.frames)
			var p Parser
			got := feed(t, &p, &Rules{MaxFragments: tt.max}, join(one, one))
			if len(got.Events) != tt.wantMessages || got.Code != tt.wantCode {
				t.Errorf("%d messages, close code %d %q", len(got.Events), got.Code, got.Reason)
			}
		})
	}
}

// W2: memory is made for bytes that came, never for a length that was claimed.
func TestClaimedLengthCostsNothing(t *testing.T) {
	lengths := []uint64{1<<63 - 1, 1 << 63, 1<<64 - 1, 1 << 31, 1 << 32, 1<<31 - 1, 1 << 20}
	r := &Rules{MaxMessage: 1 << 40}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, n := range lengths {
		in := []byte{0x82, 0xFF}
		for shift := 56; shift >= 0; shift -= 8 {
			in = append(in, byte(n>>shift))
		}
		var p Parser
		_ = feed(t, &p, r, join(in, key[:], []byte("a few bytes")))
		if p.Buffered() > 11 {
			t.Errorf("length %d: %d bytes buffered of 11", n, p.Buffered())
		}
		p.Release()
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
		t.Errorf("%d bytes were allocated", used)
	}
}

// W3: neither the content nor the capacity of what is gathered passes the
// limit, however it comes.
func TestCarryIsBounded(t *testing.T) {
	const limit = 300_000
	r := &Rules{MaxMessage: limit}
	in := client(Binary, true, strings.Repeat("x", limit))
	var p Parser
	for i := 0; i < len(in); i += 999 {
		m, _, err := p.Next(r, bytes.Clone(in[i:min(i+999, len(in))]))
		if err != nil {
			t.Fatal(err)
		}
		if p.Buffered() > limit {
			t.Fatalf("%d bytes are buffered", p.Buffered())
		}
		if p.s != nil && p.s.carry != nil && cap(*p.s.carry) > limit {
			t.Fatalf("the buffer has room for %d bytes", cap(*p.s.carry))
		}
		if m.Opcode != 0 && len(m.Payload) != limit {
			t.Fatalf("the message has %d bytes", len(m.Payload))
		}
	}
}

// A parser holds memory only while something is unfinished.
func TestStateComesAndGoes(t *testing.T) {
	r := &Rules{}
	in := join(client(Text, false, "Hel"), client(Ping, true, "now"), client(Continuation, true, "lo"))
	second := 6 + 3 // the start of the ping
	third := second + 6 + 3
	for _, tt := range []struct {
		come       int
		buffered   int
		unfinished bool
	}{
		{0, 0, false},
		{1, 1, true}, // half a header
		{6, 0, true}, // a header
		{7, 1, true},
		{second, 3, true},     // between two fragments
		{second + 7, 4, true}, // in the ping
		{third, 3, true},
		{third + 2, 5, true},
		{len(in), 0, false},
	} {
		var p Parser
		feed(t, &p, r, in[:tt.come])
		if p.Buffered() != tt.buffered || p.Unfinished() != tt.unfinished {
			t.Errorf("after %d bytes: Buffered %d, Unfinished %v; want %d, %v", tt.come, p.Buffered(), p.Unfinished(), tt.buffered, tt.unfinished)
		}
		if !tt.unfinished && p.s != nil {
			t.Errorf("after %d bytes: it holds on to its state", tt.come)
		}
		p.Release()
		if p != (Parser{}) {
			t.Error("not as new after Release")
		}
	}
}

// Release forgets an error, and half a message.
func TestRelease(t *testing.T) {
	for _, first := range [][]byte{{0x81, 0}, client(Text, false, "half"), client(Binary, true, "cut")[:8], {0x89}} {
		var p Parser
		feed(t, &p, &Rules{}, first)
		p.Release()
		got := feed(t, &p, &Rules{}, client(Text, true, "new"))
		if diff := cmp.Diff([]string{"text new"}, got.Events); diff != "" || got.Code != 0 {
			t.Errorf("after % x: close code %d, %s", first, got.Code, diff)
		}
		p.Release()
		p.Release()
	}
}

// A frame that lies whole in the input is unmasked there.
func TestZeroCopy(t *testing.T) {
	r := &Rules{MaxMessage: 64 << 10}
	for _, frame := range [][]byte{
		client(Text, true, "Hello"), client(Binary, true, strings.Repeat("x", 300)),
		client(Binary, true, strings.Repeat("x", 65536)), client(Ping, true, "p"), client(Close, true, "\x03\xe8"),
	} {
		var p Parser
		b := join(frame, []byte("rest"))
		m, rest, err := p.Next(r, b)
		if err != nil || string(rest) != "rest" {
			t.Fatal(m, rest, err)
		}
		if &m.Payload[0] != &b[len(frame)-len(m.Payload)] {
			t.Errorf("%s: the payload was copied", m.Opcode)
		}
		if cap(m.Payload) != len(m.Payload) {
			t.Errorf("%s: an append to the payload would overwrite the rest", m.Opcode)
		}
	}
}

// Limits may change between two calls, in the middle of a message.
func TestRulesMayChange(t *testing.T) {
	var p Parser
	feed(t, &p, &Rules{MaxMessage: 10}, client(Text, false, "0123456789"))
	if got := feed(t, &p, &Rules{MaxMessage: 20}, client(Continuation, false, "abcdefghij")); got.Code != 0 {
		t.Error(got)
	}
	if got := feed(t, &p, &Rules{MaxMessage: 5}, client(Continuation, true, "")); got.Code != 0 || len(got.Events) != 1 {
		t.Error(got)
	}
}
