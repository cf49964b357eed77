package ws

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendHeader(t *testing.T) {
	tests := []struct {
		op   Opcode
		n    int
		want []byte
	}{
		{Text, 0, []byte{0x81, 0}},
		{Binary, 125, []byte{0x82, 125}},
		{Binary, 126, []byte{0x82, 126, 0, 126}},
		{Text, 65535, []byte{0x81, 126, 0xFF, 0xFF}},
		{Text, 65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{Binary, 1<<40 + 1, []byte{0x82, 127, 0, 0, 1, 0, 0, 0, 0, 1}},
		{Close, 2, []byte{0x88, 2}},
		{Ping, 0, []byte{0x89, 0}},
		{Pong, 3, []byte{0x8A, 3}},
	}
	for _, tt := range tests {
		if got := AppendHeader([]byte("x"), tt.op, tt.n); !bytes.Equal(got[1:], tt.want) || got[0] != 'x' {
			t.Errorf("AppendHeader(%s, %d) = % x, want % x", tt.op, tt.n, got[1:], tt.want)
		}
	}
}

func TestAppendFrames(t *testing.T) {
	hello := []byte("Hello")
	k := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, tt := range []struct {
		name      string
		got, want []byte
	}{ // the examples of RFC 6455 section 5.7
		{"text", AppendFrame(nil, Text, hello), []byte("\x81\x05Hello")},
		{"masked text", AppendMaskedFrame(nil, Text, k, hello), []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")},
		{"fragments", AppendFragment(AppendFragment(nil, Text, false, hello[:3]), Continuation, true, hello[3:]), []byte("\x01\x03Hel\x80\x02lo")},
		{"ping", AppendFrame(nil, Ping, hello), []byte("\x89\x05Hello")},
		{"masked pong", AppendMaskedFrame(nil, Pong, k, hello), []byte("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")},
		{"256 bytes", AppendFrame(nil, Binary, make([]byte, 256))[:4], []byte("\x82\x7E\x01\x00")},
		{"64 KiB", AppendFrame(nil, Binary, make([]byte, 65536))[:10], []byte("\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00")},
	} {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: % x, want % x", tt.name, tt.got, tt.want)
		}
	}
	if string(hello) != "Hello" {
		t.Error("the payload was masked in place")
	}
}

func TestAppendClose(t *testing.T) {
	tests := []struct {
		name   string
		code   CloseCode
		reason string
		want   string // the payload
	}{
		{"code alone", NormalClosure, "", "\x03\xe8"},
		{"reason", GoingAway, "drain", "\x03\xe9drain"},
		{"application", 4401, "x", "\x11\x31x"},
		{"123 bytes", NormalClosure, strings.Repeat("x", 123), "\x03\xe8" + strings.Repeat("x", 123)},
		{"cut", NormalClosure, strings.Repeat("x", 124), "\x03\xe8" + strings.Repeat("x", 123)},
		{"cut before a character of 2", NormalClosure, strings.Repeat("x", 122) + "üü", "\x03\xe8" + strings.Repeat("x", 122)},
		{"cut before a character of 4", NormalClosure, strings.Repeat("x", 120) + "🙂", "\x03\xe8" + strings.Repeat("x", 120)},
		{"cut behind a character", NormalClosure, strings.Repeat("x", 121) + "üü", "\x03\xe8" + strings.Repeat("x", 121) + "ü"},
		{"reason is not UTF-8", NormalClosure, "a\xff", "\x03\xe8"},
		{"NoStatus is not sent", NoStatus, "x", ""},
		{"Abnormal is not sent", Abnormal, "x", ""},
		{"TLSHandshakeError is not sent", TLSHandshakeError, "x", ""},
		{"zero is not sent", 0, "x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := AppendClosePayload(nil, tt.code, tt.reason)
			if string(payload) != tt.want {
				t.Errorf("payload %q, want %q", payload, tt.want)
			}
			if got, want := AppendClose(nil, tt.code, tt.reason), AppendFrame(nil, Close, payload); !bytes.Equal(got, want) {
				t.Errorf("frame % x, want % x", got, want)
			}
			code, reason, err := ParseClose(payload)
			if err != nil || !utf8.ValidString(reason) || tt.want != "" && code != tt.code {
				t.Errorf("read back: %v %q %v", code, reason, err)
			}
		})
	}
}

func TestCloseCodes(t *testing.T) {
	valid := func(c int) bool { // W8, written the other way round
		for _, r := range [][2]int{{1000, 1003}, {1007, 1014}, {3000, 4999}} {
			if c >= r[0] && c <= r[1] {
				return true
			}
		}
		return false
	}
	for c := range 1 << 16 {
		if got := CloseCode(c).ValidReceived(); got != valid(c) {
			t.Errorf("W8 %d: valid %v", c, got)
		}
		_, _, err := ParseClose([]byte{byte(c >> 8), byte(c)})
		if (err == nil) != valid(c) {
			t.Errorf("W8 %d: %v", c, err)
		}
	}
	if _, _, err := ParseClose([]byte{3}); err.(*Error).Code != ProtocolError {
		t.Errorf("one byte: %v", err)
	}
	if _, _, err := ParseClose([]byte("\x03\xe8\xff")); err.(*Error).Code != InvalidPayload {
		t.Errorf("reason: %v", err)
	}
	if code, _, err := ParseClose(nil); code != NoStatus || err != nil {
		t.Errorf("empty: %v %v", code, err)
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{MessageTooBig.String(), "1009 message too big"},
		{CloseCode(4401).String(), "4401"},
		{errTooBig.Error(), "ws: 1009 message too big: the message is too big"},
		{errMethod.Error(), "ws: 405: only GET and HEAD are served"},
		{Text.String(), "text"},
		{Opcode(3).String(), "reserved"},
		{Opcode(15).String(), "reserved"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	for c := NormalClosure; c <= TLSHandshakeError; c++ {
		if (c.name() == "") != (c == 1004) {
			t.Errorf("%d is called %q", c, c.name())
		}
	}
}

func BenchmarkAppendFrame128(b *testing.B) {
	payload := make([]byte, 128)
	dst := make([]byte, 0, 256)
	b.SetBytes(128)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrame(dst[:0], Text, payload)
	}
}
