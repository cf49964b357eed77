package ws

import (
	"testing"
	"unicode/utf8"
)

// Every string of up to four bytes out of those at which the rules change:
// what checkUTF8 calls a good start can be completed, and what it refuses cannot.
func TestCheckUTF8(t *testing.T) {
	edges := []byte{0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF}
	// completable tries all endings: three bytes suffice for any character.
	ends := [][]byte{{}, {0x80}, {0x90}, {0x80, 0x80}, {0x90, 0x80}, {0xA0, 0x80}, {0x80, 0x80, 0x80}, {0x90, 0x80, 0x80}, {0xA0, 0x80, 0x80}, {0xA0}, {0xBF}, {0x8F}, {0x8F, 0x80, 0x80}}
	completable := func(b []byte) bool {
		for _, end := range ends {
			if utf8.Valid(append(b[:len(b):len(b)], end...)) {
				return true
			}
		}
		return false
	}
	var try func(b []byte)
	try = func(b []byte) {
		n, ok := checkUTF8(b)
		if want := completable(b); ok != want {
			t.Fatalf("% x: ok %v, want %v", b, ok, want)
		}
		if ok && (!utf8.Valid(b[:n]) || len(b)-n > 3 || (n == len(b)) != utf8.Valid(b)) {
			t.Fatalf("% x: %d bytes are whole characters", b, n)
		}
		if len(b) < 4 {
			for _, c := range edges {
				try(append(b[:len(b):len(b)], c))
			}
		}
	}
	try(nil)
}
