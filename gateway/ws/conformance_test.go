package ws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The conformance table: what a client sends, what comes out, and the close
// code that answers it (0: none). Each row is parsed whole, byte by byte, and
// cut in two at every place.
func TestConformance(t *testing.T) {
	big := strings.Repeat("b", 70_000)
	tests := []struct {
		name string
		in   []byte
		want []string
		code CloseCode
	}{
		// RFC 6455 section 5.6: data frames.
		{"5.6/empty text", client(Text, true, ""), []string{"text "}, 0},
		{"5.6/empty binary", client(Binary, true, ""), []string{"binary "}, 0},
		{"5.6/text", client(Text, true, "Hello"), []string{"text Hello"}, 0},
		{"5.6/125 bytes", client(Binary, true, big[:125]), []string{"binary " + big[:125]}, 0},
		{"5.6/126 bytes", client(Binary, true, big[:126]), []string{"binary " + big[:126]}, 0},
		{"5.6/several", join(client(Text, true, "a"), client(Binary, true, "b"), client(Text, true, "c")), []string{"text a", "binary b", "text c"}, 0},
		{"5.7/example", []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, []string{"text Hello"}, 0},

		// RFC 6455 section 5.4: fragmentation.
		{"5.4/two fragments", join(client(Text, false, "Hel"), client(Continuation, true, "lo")), []string{"text Hello"}, 0},
		{"5.4/empty fragments", join(client(Text, false, ""), client(Continuation, false, ""), client(Continuation, true, "")), []string{"text "}, 0},
		{"5.4/empty ends", join(client(Binary, false, ""), client(Continuation, false, "x"), client(Continuation, true, "")), []string{"binary x"}, 0},
		{"5.4/control between", join(client(Text, false, "Hel"), client(Ping, true, "p"), client(Continuation, false, "l"), client(Pong, true, "q"), client(Continuation, true, "o")), []string{"ping p", "pong q", "text Hello"}, 0},
		{"5.4/close between", join(client(Text, false, "Hel"), closing(1000, "")), []string{"close 1000 "}, 0},
		{"5.4/two messages", join(client(Text, false, "a"), client(Continuation, true, "b"), client(Binary, false, "c"), client(Continuation, true, "d")), []string{"text ab", "binary cd"}, 0},
		{"5.4/continuation without start", client(Continuation, true, "x"), nil, ProtocolError},
		{"5.4/continuation without start or end", client(Continuation, false, "x"), nil, ProtocolError},
		{"5.4/continuation after a whole message", join(client(Text, true, "a"), client(Continuation, true, "b")), []string{"text a"}, ProtocolError},
		{"5.4/continuation after the last fragment", join(client(Text, false, "a"), client(Continuation, true, "b"), client(Continuation, true, "c")), []string{"text ab"}, ProtocolError},
		{"5.4/text in a message", join(client(Text, false, "a"), client(Text, true, "b")), nil, ProtocolError},
		{"5.4/binary in a message", join(client(Text, false, "a"), client(Ping, true, ""), client(Binary, false, "b")), []string{"ping "}, ProtocolError},
		{"5.4/never ended", client(Text, false, "a"), nil, 0},

		// RFC 6455 section 5.5: control frames.
		{"5.5/ping", client(Ping, true, "x"), []string{"ping x"}, 0},
		{"5.5/pong nobody asked for", client(Pong, true, ""), []string{"pong "}, 0},
		{"5.5/ping of 125", client(Ping, true, big[:125]), []string{"ping " + big[:125]}, 0},
		{"5.5/ping need not be UTF-8", client(Ping, true, "\xff"), []string{"ping \xff"}, 0},
		{"5.5/W2 ping of 126", client(Ping, true, big[:126]), nil, ProtocolError},
		{"5.5/W2 pong of 65536", client(Pong, true, big[:65536]), nil, ProtocolError},
		{"5.5/W2 close of 126", client(Close, true, big[:126]), nil, ProtocolError},
		{"5.5/W2 ping in fragments", client(Ping, false, ""), nil, ProtocolError},
		{"5.5/W2 pong in fragments", client(Pong, false, "x"), nil, ProtocolError},
		{"5.5/W2 close in fragments", client(Close, false, ""), nil, ProtocolError},

		// RFC 6455 sections 5.5.1 and 7.4: close.
		{"5.5.1/no code", client(Close, true, ""), []string{"close 1005 "}, 0},
		{"5.5.1/with a reason", closing(1001, "bye – tschüß"), []string{"close 1001 bye – tschüß"}, 0},
		{"5.5.1/longest reason", closing(4000, big[:123]), []string{"close 4000 " + big[:123]}, 0},
		{"5.5.1/W8 one byte", client(Close, true, "\x03"), nil, ProtocolError},
		{"5.5.1/W7 bad reason", closing(1000, "\xff"), nil, InvalidPayload},
		{"5.5.1/W7 cut reason", closing(1000, "\xe2\x82"), nil, InvalidPayload},
		{"5.5.1/W10 nothing after", join(closing(1000, ""), client(Text, true, "late")), []string{"close 1000 "}, 0},

		// RFC 6455 section 5.1: masking.
		{"5.1/W1 text not masked", AppendFrame(nil, Text, []byte("x")), nil, ProtocolError},
		{"5.1/W1 binary not masked", AppendFrame(nil, Binary, []byte("x")), nil, ProtocolError},
		{"5.1/W1 continuation not masked", join(client(Text, false, "a"), AppendFrame(nil, Continuation, []byte("x"))), nil, ProtocolError},
		{"5.1/W1 close not masked", AppendFrame(nil, Close, nil), nil, ProtocolError},
		{"5.1/W1 ping not masked", AppendFrame(nil, Ping, nil), nil, ProtocolError},
		{"5.1/W1 pong not masked", AppendFrame(nil, Pong, nil), nil, ProtocolError},
		{"5.1/W1 empty text not masked", AppendFrame(nil, Text, nil), nil, ProtocolError},

		// RFC 6455 section 5.2: reserved bits and opcodes, lengths.
		{"5.2/W2 RSV1", setFirst(client(Text, true, "x"), bitRSV1), nil, ProtocolError},
		{"5.2/W2 RSV2", setFirst(client(Binary, true, "x"), bitRSV2), nil, ProtocolError},
		{"5.2/W2 RSV3", setFirst(client(Ping, true, "x"), bitRSV3), nil, ProtocolError},
		{"5.2/W2 RSV1 of an empty frame", setFirst(client(Text, true, ""), bitRSV1), nil, ProtocolError},
		{"5.2/W2 RSV1 of a continuation", join(client(Text, false, "a"), setFirst(client(Continuation, true, "b"), bitRSV1)), nil, ProtocolError},
		{"5.2/W2 16 bits for 125", join([]byte{0x82, 0xFE, 0, 125}, key[:], make([]byte, 125)), nil, ProtocolError},
		{"5.2/W2 16 bits for 0", join([]byte{0x81, 0xFE, 0, 0}, key[:]), nil, ProtocolError},
		{"5.2/W2 64 bits for 65535", join([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, key[:]), nil, ProtocolError},
		{"5.2/W2 64 bits for 0", join([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0}, key[:]), nil, ProtocolError},
		{"5.2/W2 length 2^63", []byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}, nil, ProtocolError},
		{"5.2/W2 length 2^64-1", []byte{0x82, 0xFF, 255, 255, 255, 255, 255, 255, 255, 255}, nil, ProtocolError},
		{"5.2/W2 length 2^63-1", []byte{0x82, 0xFF, 127, 255, 255, 255, 255, 255, 255, 255}, nil, MessageTooBig},
		{"5.2/W2 length 2^32", []byte{0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0}, nil, MessageTooBig},
		{"5.2/W2 length 2^31", []byte{0x82, 0xFF, 0, 0, 0, 0, 0x80, 0, 0, 0}, nil, MessageTooBig},
		{"5.2/good before bad", join(client(Text, true, "a"), setFirst(client(Text, true, "b"), bitRSV2)), []string{"text a"}, ProtocolError},

		// RFC 6455 section 8.1: text is UTF-8.
		{"8.1/many scripts", client(Text, true, "κόσμε 🙂 \u0000 \uFFFD \U0010FFFF"), []string{"text κόσμε 🙂 \u0000 \uFFFD \U0010FFFF"}, 0},
		{"8.1/binary is not looked at", client(Binary, true, "\xff\xfe"), []string{"binary \xff\xfe"}, 0},
		{"8.1/character over two fragments", join(client(Text, false, "\xe2\x82"), client(Continuation, true, "\xac")), []string{"text €"}, 0},
		{"8.1/character over four fragments", join(client(Text, false, "\xf0"), client(Continuation, false, "\x9f"), client(Ping, true, ""), client(Continuation, false, "\x99"), client(Continuation, true, "\x82")), []string{"ping ", "text 🙂"}, 0},
		{"8.1/W7 lone continuation byte", client(Text, true, "a\x80b"), nil, InvalidPayload},
		{"8.1/W7 overlong slash", client(Text, true, "\xc0\xaf"), nil, InvalidPayload},
		{"8.1/W7 overlong in three", client(Text, true, "\xe0\x80\xaf"), nil, InvalidPayload},
		{"8.1/W7 overlong in four", client(Text, true, "\xf0\x80\x80\xaf"), nil, InvalidPayload},
		{"8.1/W7 surrogate", client(Text, true, "\xed\xa0\x80"), nil, InvalidPayload},
		{"8.1/W7 above U+10FFFF", client(Text, true, "\xf4\x90\x80\x80"), nil, InvalidPayload},
		{"8.1/W7 five bytes", client(Text, true, "\xf8\x88\x80\x80\x80"), nil, InvalidPayload},
		{"8.1/W7 cut at the end", client(Text, true, "x\xe2\x82"), nil, InvalidPayload},
		{"8.1/W7 cut at the end of the last fragment", join(client(Text, false, "x\xf0\x9f"), client(Continuation, true, "\x99")), nil, InvalidPayload},
		{"8.1/W7 broken at a fragment's edge", join(client(Text, false, "\xe2\x82"), client(Continuation, true, "a")), nil, InvalidPayload},
		{"8.1/W7 broken by an empty last fragment", join(client(Text, false, "\xe2\x82"), client(Continuation, true, "")), nil, InvalidPayload},
		{"8.1/W7 in the first of many", join(client(Text, false, "\xff"), client(Continuation, false, "x")), nil, InvalidPayload},
	}
	for op := Opcode(3); op < 16; op++ {
		if op.defined() {
			continue
		}
		tests = append(tests, struct {
			name string
			in   []byte
			want []string
			code CloseCode
		}{"5.2/W2 reserved opcode " + string("0123456789ABCDEF"[op]), client(op, true, ""), nil, ProtocolError})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Rules{MaxMessage: DefaultMaxMessage}
			var p Parser
			whole := feed(t, &p, r, tt.in)
			if diff := cmp.Diff(tt.want, whole.Events); diff != "" || whole.Code != tt.code {
				t.Fatalf("close code %d %q, want %d; messages (-want +got):\n%s", whole.Code, whole.Reason, tt.code, diff)
			}
			check := func(cuts ...int) {
				t.Helper()
				p.Release()
				if diff := cmp.Diff(whole, feed(t, &p, r, tt.in, cuts...)); diff != "" {
					t.Fatalf("cut at %d (-whole +cut):\n%s", cuts, diff)
				}
			}
			check(everyByte(len(tt.in))...)
			for i := 0; i <= len(tt.in); i += 1 + len(tt.in)/500 {
				check(i)
			}
		})
	}
}

// setFirst sets bits of a frame's first byte.
func setFirst(frame []byte, bits byte) []byte {
	frame[0] |= bits
	return frame
}

// A server's frames, as the load tool reads them.
func TestConformanceOfServers(t *testing.T) {
	server := func(op Opcode, fin bool, payload string) []byte {
		return AppendFragment(nil, op, fin, []byte(payload))
	}
	tests := []struct {
		name string
		in   []byte
		want []string
		code CloseCode
	}{
		{"whole", server(Text, true, "Hello"), []string{"text Hello"}, 0},
		{"fragments", join(server(Binary, false, "a"), server(Ping, true, "p"), server(Continuation, true, "b")), []string{"ping p", "binary ab"}, 0},
		{"close", AppendClose(nil, GoingAway, "drain"), []string{"close 1001 drain"}, 0},
		{"5.1/masked", client(Text, true, "x"), nil, ProtocolError},
		{"8.1/bad text", server(Text, true, "\xff"), nil, InvalidPayload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Rules{Client: true}
			for _, cuts := range [][]int{nil, everyByte(len(tt.in))} {
				var p Parser
				got := feed(t, &p, r, tt.in, cuts...)
				if diff := cmp.Diff(tt.want, got.Events); diff != "" || got.Code != tt.code {
					t.Errorf("close code %d, want %d; messages (-want +got):\n%s", got.Code, tt.code, diff)
				}
			}
		})
	}
}

// An error comes with the first byte that shows it, not at the end of the
// header, the frame or the message.
func TestErrorsComeEarly(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		at   int // the number of bytes that suffices
		code CloseCode
	}{
		{"5.2/W2 RSV", []byte{0xC1}, 1, ProtocolError},
		{"5.2/W2 opcode", []byte{0x83}, 1, ProtocolError},
		{"5.4/continuation", []byte{0x80}, 1, ProtocolError},
		{"5.5/W2 fragmented ping", []byte{0x09}, 1, ProtocolError},
		{"5.1/W1 mask", []byte{0x81, 0x05}, 2, ProtocolError},
		{"5.5/W2 long ping", []byte{0x89, 0xFE}, 2, ProtocolError},
		{"5.2/W2 short 16-bit length", []byte{0x81, 0xFE, 0, 5}, 4, ProtocolError},
		{"7.4.1/W3 65537 of 65536 bytes", []byte{0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1}, 10, MessageTooBig},
		{"8.1/W7 in mid-frame", join(AppendMaskedFrame(nil, Text, [4]byte{}, []byte("ab\xc0cdefgh"))), 9, InvalidPayload},
		{"8.1/W7 second byte of a surrogate", join(AppendMaskedFrame(nil, Text, [4]byte{}, []byte("\xed\xa0\x80"))), 8, InvalidPayload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Parser
			if got := feed(t, &p, &Rules{}, tt.in[:tt.at-1], everyByte(tt.at-1)...); got.Code != 0 {
				t.Errorf("close code %d after %d bytes", got.Code, tt.at-1)
			}
			p.Release()
			if got := feed(t, &p, &Rules{}, tt.in[:tt.at], everyByte(tt.at)...); got.Code != tt.code {
				t.Errorf("close code %d after %d bytes, want %d", got.Code, tt.at, tt.code)
			}
		})
	}
}
