package ws

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// puff inflates a message as RFC 1951 is written, slowly and without a window of
// its own, and also returns the longest distance that it met: neither the library
// nor its mistakes are in it. What follows a final block goes on (RFC 7692 section 7.2.3.4).
func puff(message string, limit int) (out []byte, reach int, err error) {
	r := &puffer{in: message + string(messageTail[:4])}
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(puffError)
			if !ok {
				panic(p)
			}
			out, reach, err = r.out, r.reach, e
		}
	}()
	for end := 8 * len(r.in); r.at < end && len(r.out) <= limit; {
		if r.bits(1) == 1 { // final: the next begins with a byte, and the tail is none
			r.block()
			r.window = len(r.out)
			if r.at = (r.at + 7) &^ 7; r.at/8 >= len(message) {
				break
			}
			continue
		}
		r.block()
	}
	if r.odd {
		return r.out, r.reach, errPuffOdd
	}
	return r.out, r.reach, nil
}

type puffError error

var (
	errPuffEnd  = puffError(errors.New("it ends too soon"))
	errPuffCode = puffError(errors.New("it is not deflate"))
	errPuffOdd  = puffError(errors.New("a code does not use all its bits: readers may refuse it"))
)

type puffer struct {
	in     string
	at     int // bits
	out    []byte
	window int // where it begins in out: a stream that has ended takes nothing over
	reach  int
	odd    bool
}

func (r *puffer) bits(n int) (v int) {
	for i := range n {
		if r.at/8 >= len(r.in) {
			panic(errPuffEnd)
		}
		v |= int(r.in[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

// block reads what follows a block's first bit.
func (r *puffer) block() {
	switch r.bits(2) {
	case 0: // section 3.2.4
		r.at = (r.at + 7) &^ 7
		n, c := r.bits(16), r.bits(16)
		if n != ^c&0xFFFF {
			panic(errPuffCode)
		}
		for range n {
			r.out = append(r.out, byte(r.bits(8)))
		}
	case 1: // section 3.2.6
		lengths := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
		r.codes(lengths, slices.Repeat([]int{5}, 30))
	case 2:
		r.dynamic()
	default:
		panic(errPuffCode)
	}
}

var puffOrder = []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic is section 3.2.7.
func (r *puffer) dynamic() {
	literals, distances, n := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	if literals > 286 || distances > 30 {
		panic(errPuffCode)
	}
	meta := make([]int, 19)
	for _, sym := range puffOrder[:n] {
		meta[sym] = r.bits(3)
	}
	of := codeOf(meta)
	var lengths []int
	for len(lengths) < literals+distances {
		last := 0
		if len(lengths) > 0 {
			last = lengths[len(lengths)-1]
		}
		switch sym := r.symbol(&of); sym {
		case 16:
			if len(lengths) == 0 {
				panic(errPuffCode)
			}
			lengths = append(lengths, slices.Repeat([]int{last}, 3+r.bits(2))...)
		case 17:
			lengths = append(lengths, make([]int, 3+r.bits(3))...)
		case 18:
			lengths = append(lengths, make([]int, 11+r.bits(7))...)
		default:
			lengths = append(lengths, sym)
		}
	}
	if len(lengths) > literals+distances {
		panic(errPuffCode)
	}
	r.check(meta)
	r.check(lengths[:literals])
	r.check(lengths[literals:])
	r.codes(lengths[:literals], lengths[literals:])
}

// check refuses a code with more symbols than its lengths have room for, and
// notes one with fewer, but for a single one of one bit (section 3.2.7).
func (r *puffer) check(lengths []int) {
	const all = 1 << 15
	room, codes := all, 0
	for _, n := range lengths {
		if n > 0 {
			room -= all >> n
			codes++
		}
	}
	if room < 0 {
		panic(errPuffCode)
	}
	r.odd = r.odd || room > 0 && (codes != 1 || room != all/2)
}

// A code is a canonical Huffman code (section 3.2.2): how many symbols have each
// length, and the symbols in the order of their codes.
type code struct {
	counts  [16]int
	symbols []int
}

func codeOf(lengths []int) (c code) {
	for n := 1; n < len(c.counts); n++ {
		for sym, l := range lengths {
			if l == n {
				c.counts[n]++
				c.symbols = append(c.symbols, sym)
			}
		}
	}
	return c
}

// symbol reads one of c.
func (r *puffer) symbol(c *code) int {
	bits, first, index := 0, 0, 0
	for _, count := range c.counts[1:] {
		bits |= r.bits(1)
		if bits-first < count {
			return c.symbols[index+bits-first]
		}
		index += count
		first = (first + count) << 1
		bits <<= 1
	}
	panic(errPuffCode)
}

// codes is section 3.2.5.
func (r *puffer) codes(literals, distances []int) {
	base := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	extra := []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	literal, distant := codeOf(literals), codeOf(distances)
	for {
		sym := r.symbol(&literal)
		switch {
		case sym < 256:
			r.out = append(r.out, byte(sym))
			continue
		case sym == 256:
			return
		case sym > 285:
			panic(errPuffCode)
		}
		n := base[sym-257] + r.bits(extra[sym-257])
		d := r.symbol(&distant)
		if d > 29 {
			panic(errPuffCode)
		}
		distance := d + 1
		if d > 3 {
			more := d/2 - 1
			distance = (2+d%2)<<more + 1 + r.bits(more)
		}
		if distance > len(r.out)-r.window {
			panic(errPuffCode)
		}
		r.reach = max(r.reach, distance)
		for range n {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}

// RFC 7692 section 7.1.2.1: no distance is longer than the window that was
// agreed on, whatever the compressor was used for before, and what it makes is
// what RFC 1951 says.
func TestDeflaterKeepsTheWindow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	phrase := make([]byte, 150)
	for i := range phrase {
		phrase[i] = byte(rnd.Uint32())
	}
	var messages []string
	for _, gap := range []int{0, 90, 106, 107, 108, 200, 1000, 32_000, 32_618, 33_000} { // 150 and 106 are 256
		noise := make([]byte, gap)
		for i := range noise {
			noise[i] = byte(rnd.Uint32())
		}
		messages = append(messages, strings.Repeat(string(phrase)+string(noise), 3))
	}
	messages = append(messages, quotes(100_000), quotes(300), strings.Repeat("x", 70_000))
	for _, c := range []struct{ level, bits int }{{1, 15}, {2, 15}, {3, 15}, {4, 15}, {5, 15}, {6, 15}, {7, 15}, {8, 15}, {9, 15}, {1, NarrowBits}} {
		d := NewDeflater(c.level, 0, c.bits < 15)
		longest := 0
		for i, m := range messages {
			frame, small := d.AppendFrame(nil, Text, []byte(m))
			if !small {
				continue
			}
			h, n, err := (&expect{rsv: bitRSV1, moreFrags: true, deflateRoom: 1 << 20}).decode(frame)
			if err != nil || !h.deflated {
				t.Fatal(err)
			}
			out, reach, perr := puff(string(frame[n:]), len(m))
			if perr != nil || string(out) != m {
				t.Errorf("level %d, window %d, message %d: %v, %d bytes of %d", c.level, c.bits, i, perr, len(out), len(m))
			}
			longest = max(longest, reach)
		}
		if longest > 1<<c.bits || bits.Len(uint(longest)) < c.bits-1 {
			t.Errorf("level %d: distances reach %d of a window of %d", c.level, longest, 1<<c.bits)
		}
	}
}
