package bench

import (
	"encoding/binary"
	"math/bits"
)

// A payload is lower-case ASCII, so that it may travel as text, as binary or
// within JSON, without escapes. Numbers are 16 letters of four bits each, 'a' = 0:
//
//	[ 0:16)  checksum of everything behind it
//	[16:32)  publisher (16 bits), sequence number (48 bits, from 1)
//	[32:48)  planned send time, CLOCK_MONOTONIC ns
//	[48: n)  filler that differs from message to message
const (
	minPayload    = 48
	maxPublishers = 1 << 16
	seqBits       = 48
	seqMask       = 1<<seqBits - 1
)

// stamp is what a payload says about itself.
type stamp struct {
	publisher int
	seq       uint64
	planned   int64 // CLOCK_MONOTONIC ns
}

// appendPayload appends a payload of size bytes, size >= minPayload, to dst.
func appendPayload(dst []byte, size int, s stamp) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, size)...)
	p := dst[start:]
	putLetters(p[16:32], uint64(s.publisher)<<seqBits|s.seq)
	putLetters(p[32:48], uint64(s.planned))
	fill := s.seq*0x9E3779B97F4A7C15 + uint64(s.publisher)
	for i := minPayload; i < size; i++ {
		p[i] = 'a' + byte(fill>>(i&15*4))&15
	}
	putLetters(p[:16], checksum(p[16:]))
	return dst
}

// openPayload reads what appendPayload wrote; ok is false when any bit of it is wrong.
//
// hot: once per received message.
func openPayload(p []byte) (s stamp, ok bool) {
	if len(p) < minPayload {
		return s, false
	}
	sum, bad0 := letters(p[:16])
	id, bad1 := letters(p[16:32])
	planned, bad2 := letters(p[32:48])
	if bad0|bad1|bad2 != 0 || sum != checksum(p[16:]) {
		return s, false
	}
	return stamp{publisher: int(id >> seqBits), seq: id & seqMask, planned: int64(planned)}, true
}

func putLetters(p []byte, v uint64) {
	for i := 15; i >= 0; i-- {
		p[i] = 'a' + byte(v&15)
		v >>= 4
	}
}

// letters reads 16 letters; bad is not 0 when one of them is none of 'a'..'p'.
func letters(p []byte) (v, bad uint64) {
	hi := binary.BigEndian.Uint64(p[:8]) - 0x6161616161616161
	lo := binary.BigEndian.Uint64(p[8:16]) - 0x6161616161616161
	return nibbles(hi)<<32 | nibbles(lo), (hi | lo) & 0xF0F0F0F0F0F0F0F0
}

// nibbles packs the low halves of eight bytes into 32 bits.
func nibbles(x uint64) uint64 {
	x = (x | x>>4) & 0x00FF00FF00FF00FF
	x = (x | x>>8) & 0x0000FFFF0000FFFF
	return (x | x>>16) & 0x00000000FFFFFFFF
}

// Odd multipliers: each step is a bijection of its word, so that a change within
// one word always shows.
const (
	mix0 = 0x9E3779B97F4A7C15
	mix1 = 0xC2B2AE3D27D4EB4F
	mix2 = 0x165667B19E3779F9
	mix3 = 0xD6E8FEB86659FD93
)

// checksum mixes 32 bytes a step in four independent lanes, which keeps it at a
// few nanoseconds for 128 bytes. It guards against faults, not against forgers.
func checksum(p []byte) uint64 {
	a, b, c, d := uint64(len(p)), uint64(1), uint64(2), uint64(3)
	for len(p) >= 32 {
		a = (a ^ binary.LittleEndian.Uint64(p[0:8])) * mix0
		b = (b ^ binary.LittleEndian.Uint64(p[8:16])) * mix1
		c = (c ^ binary.LittleEndian.Uint64(p[16:24])) * mix2
		d = (d ^ binary.LittleEndian.Uint64(p[24:32])) * mix3
		p = p[32:]
	}
	for len(p) >= 8 {
		a = (bits.RotateLeft64(a, 23) ^ binary.LittleEndian.Uint64(p[:8])) * mix0
		p = p[8:]
	}
	for _, x := range p {
		b = (bits.RotateLeft64(b, 11) ^ uint64(x)) * mix1
	}
	a = (a ^ bits.RotateLeft64(b, 17)) * mix2
	c = (c ^ bits.RotateLeft64(d, 31)) * mix3
	a ^= bits.RotateLeft64(c, 41)
	return (a ^ a>>29) * mix1
}
