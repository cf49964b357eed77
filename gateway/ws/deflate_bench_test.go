package ws

import (
	"fmt"
	"strings"
	"testing"
)

// quotes is JSON as a ticker sends it: much of it repeats, the numbers do not.
func quotes(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"symbol":"SYM%03d","bid":%d.%04d,"ask":%d.%04d,"at":%d},`, i*37%500, i*7919%300, i*104729%10000, i*7907%300, i*15485863%10000, 1764072000000+i*31)
	}
	return b.String()[:n]
}

// BenchmarkDeflate is what compressing a message costs: once, for all who get it.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{256, 1 << 10, 4 << 10, 64 << 10} {
		payload := []byte(quotes(size))
		for _, c := range []struct {
			name   string
			level  int
			narrow bool
		}{{"level=1", 1, false}, {"level=3", 3, false}, {"level=6", 6, false}, {"level=9", 9, false}, {"narrow", 1, true}} {
			b.Run(fmt.Sprintf("size=%d/%s", size, c.name), func(b *testing.B) {
				d := NewDeflater(c.level, 0, c.narrow)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var dst []byte
				for b.Loop() {
					dst, _ = d.AppendFrame(dst[:0], Text, payload)
				}
				b.ReportMetric(float64(len(dst))/float64(size), "out/in")
			})
		}
	}
}

// BenchmarkInflate is what a compressed message from a client costs, by what it
// is: ordinary ones, and those that are made to cost much and come to nothing.
// Bytes are those that the client sends.
func BenchmarkInflate(b *testing.B) {
	const limit = 64 << 10
	for _, c := range []struct {
		name    string
		payload string
		code    CloseCode
	}{
		{"256 B of JSON", deflated(b, quotes(256)), 0},
		{"4 KiB of JSON", deflated(b, quotes(4<<10)), 0},
		{"64 KiB of JSON", deflated(b, quotes(64<<10)), 0},
		{"bomb of 1 KiB", deflated(b, strings.Repeat("\x00", 1<<20)), MessageTooBig},
		{"64 KiB of empty blocks", strings.Repeat("\x00\x00\x00\xff\xff", limit/5) + "\x00", 0},
		{"64 KiB of empty final blocks", strings.Repeat("\x03\x00", limit/2-1) + "\x00", 0},
		{"64 KiB of dynamic codes without data", dynamicBlocks(limit) + "\x00", 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			frame := compressed(Binary, true, c.payload)
			in := make([]byte, len(frame))
			r := &Rules{Deflate: true, MaxMessage: limit}
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				copy(in, frame)
				var p Parser
				if _, _, err := p.Next(r, in); err != nil && err.(*Error).Code != c.code {
					b.Fatal(err)
				}
				p.Release()
			}
		})
	}
}

// bitWriter writes what RFC 1951 section 3.1.1 asks for: from the least significant bit on.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) put(v, n int) {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// align ends the last byte.
func (w *bitWriter) align() { w.n = len(w.b) * 8 }

// dynamicBlocks are size bytes of blocks that describe their codes and hold
// nothing: the shortest of that kind, with an empty stored block behind each.
func dynamicBlocks(size int) string {
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var w bitWriter
	for {
		var x bitWriter
		x.put(0, 1) // not the last
		x.put(2, 2) // section 3.2.7: dynamic
		x.put(0, 5) // 257 literals and lengths
		x.put(0, 5) // 1 distance
		x.put(len(order)-1-4, 4)
		// Code lengths: 18 (zeros) and 1, a bit each.
		for _, sym := range order[:len(order)-1] {
			n := 0
			if sym == 18 || sym == 1 {
				n = 1
			}
			x.put(n, 3)
		}
		// Canonical: 1 is 0, 18 is 1.
		x.put(1, 1)
		x.put(138-11, 7)
		x.put(1, 1)
		x.put(118-11, 7) // 256 zeros
		x.put(0, 1)      // 256: one bit
		x.put(0, 1)      // the distance: one bit
		x.put(0, 1)      // end of block
		if len(w.b)+len(x.b)+1 > size {
			break
		}
		for i := range x.n {
			w.put(int(x.b[i/8]>>(i%8)&1), 1)
		}
	}
	w.put(0, 3)
	w.align()
	return string(w.b) + "\x00\x00\xff\xff"
}
