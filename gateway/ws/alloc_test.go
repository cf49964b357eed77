package ws

import (
	"bytes"
	"strings"
	"testing"
)

// allocs fails where f allocates.
func allocs(t *testing.T, f func()) {
	t.Helper()
	if raceDetector {
		t.Skip("under the race detector sync.Pool drops objects at random: nothing to count")
	}
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestAllocs(t *testing.T) {
	r := &Rules{MaxMessage: 1 << 20}
	var p Parser
	parse := func(in []byte, cuts ...int) func() {
		scratch := make([]byte, len(in))
		return func() {
			copy(scratch, in)
			from := 0
			for i := range len(cuts) + 1 {
				to := len(in)
				if i < len(cuts) {
					to = cuts[i]
				}
				b := scratch[from:to]
				for {
					m, rest, err := p.Next(r, b)
					if m.Opcode == 0 || err != nil {
						break
					}
					b = rest
				}
				from = to
			}
			p.Release()
		}
	}
	text := client(Text, true, strings.Repeat("x", 128))
	pieces := join(client(Text, false, "grü"), client(Ping, true, "p"), client(Continuation, true, "ße"))
	large := client(Binary, true, strings.Repeat("x", 60_000))
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"parse text", parse(text)},
		{"parse text that is not ASCII", parse(client(Text, true, strings.Repeat("é", 64)))},
		{"parse many", parse(bytes.Repeat(text, 50))},
		{"parse control", parse(join(client(Ping, true, "p"), client(Pong, true, ""), closing(1000, "bye")))},
		{"parse in two pieces", parse(text, 77)},
		{"parse byte by byte", parse(text, everyByte(len(text))...)},
		{"parse fragments", parse(pieces)},
		{"parse fragments byte by byte", parse(pieces, everyByte(len(pieces))...)},
		{"parse 60 kB in pieces", parse(large, 1000, 8000, 20_000, 40_000)},
		{"parse errors", parse(setFirst(client(Text, true, "x"), bitRSV1))},
	} {
		t.Run(tt.name, func(t *testing.T) { allocs(t, tt.f) })
	}

	dst := make([]byte, 0, 1024)
	payload := make([]byte, 128)
	request := []byte(upgradeRequest(nil))
	req, _, err := ParseRequest(&HandshakeLimits{}, request)
	if err != nil {
		t.Fatal(err)
	}
	response := AppendUpgradeResponse(nil, &req, "chat", Deflate{})
	sink := 0
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"mask", func() { Mask(payload, key, 3) }},
		{"append", func() { dst = AppendFrame(dst[:0], Text, payload) }},
		{"append masked", func() { dst = AppendMaskedFrame(dst[:0], Text, key, payload) }},
		{"append close", func() { dst = AppendClose(dst[:0], GoingAway, "drain") }},
		{"parse request", func() { _, n, _ := ParseRequest(&HandshakeLimits{}, request); sink += n }},
		{"parse a part of a request", func() { _, n, _ := ParseRequest(&HandshakeLimits{}, request[:100]); sink += n }},
		{"refuse a request", func() { _, n, _ := ParseRequest(&HandshakeLimits{}, request[1:]); sink += n }},
		{"look at headers", func() {
			v, _ := req.Header("user-agent")
			sink += len(v)
			for p := range req.Protocols() {
				sink += len(p)
			}
		}},
		{"answer", func() { dst = AppendUpgradeResponse(dst[:0], &req, "chat", Deflate{}) }},
		{"parse response", func() { n, _ := ParseUpgradeResponse(response, req.Key); sink += n }},
	} {
		t.Run(tt.name, func(t *testing.T) { allocs(t, tt.f) })
	}
}

func BenchmarkParse128(b *testing.B) {
	// A key of ASCII control characters keeps ASCII text ASCII, masked or not.
	in := AppendMaskedFrame(nil, Text, [4]byte{1, 2, 3, 4}, bytes.Repeat([]byte("x"), 128))
	r := &Rules{MaxMessage: 64 << 10}
	var p Parser
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			if m, _, err := p.Next(r, in); m.Opcode != Text || err != nil {
				b.Fatal(m, err)
			}
		}
	})
	b.Run("in two pieces", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			p.Next(r, in[:60])
			p.Next(r, in[60:])
			p.Next(r, nil)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	request := []byte(upgradeRequest(nil))
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := ParseRequest(&HandshakeLimits{}, request); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendUpgradeResponse(b *testing.B) {
	req, _, _ := ParseRequest(&HandshakeLimits{}, []byte(upgradeRequest(nil)))
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendUpgradeResponse(dst[:0], &req, "", Deflate{})
	}
}
