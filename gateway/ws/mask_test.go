package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// naiveMask is the formula of RFC 6455 section 5.3.
func naiveMask(b []byte, key [4]byte, pos int) {
	for i := range b {
		b[i] ^= key[(pos+i)%4]
	}
}

// tiledMask lays out the key as long as the payload first.
func tiledMask(b []byte, key [4]byte, pos int) {
	tile := bytes.Repeat(key[:], len(b)/4+2)[pos%4:]
	for i := range b {
		b[i] ^= tile[i]
	}
}

func TestMask(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6455, 53))
	for n := range 300 {
		for pos := range 9 {
			for offset := range 9 { // unaligned
				var key [4]byte
				binary.NativeEndian.PutUint32(key[:], rnd.Uint32())
				buf := make([]byte, offset+n+8)
				for i := range buf {
					buf[i] = byte(rnd.Uint32())
				}
				fast, naive, tiled := bytes.Clone(buf), bytes.Clone(buf), bytes.Clone(buf)
				Mask(fast[offset:offset+n], key, pos)
				naiveMask(naive[offset:offset+n], key, pos)
				tiledMask(tiled[offset:offset+n], key, pos)
				if !bytes.Equal(fast, naive) || !bytes.Equal(fast, tiled) {
					t.Fatalf("%d bytes, offset %d, pos %d, key %x: differs", n, offset, pos, key)
				}
			}
		}
	}
}

func TestMaskTellsASCII(t *testing.T) {
	for n := range 100 {
		if !mask(make([]byte, n), [4]byte{1, 2, 3, 4}, 0) {
			t.Errorf("%d bytes of ASCII were not recognised", n)
		}
		for i := range n {
			b := make([]byte, n)
			b[i] = 0x80
			if mask(b, [4]byte{1, 2, 3, 4}, 0) {
				t.Errorf("byte %d of %d is not ASCII", i, n)
			}
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), []byte{0x37, 0xfa, 0x21, 0x3d}, 0, 2)
	f.Fuzz(func(t *testing.T, b, k []byte, pos, cut int) {
		if len(k) < 4 || pos < 0 || cut < 0 || cut > len(b) || pos > 1<<40 {
			return
		}
		key := [4]byte(k)
		whole, parts, naive := bytes.Clone(b), bytes.Clone(b), bytes.Clone(b)
		Mask(whole, key, pos)
		Mask(parts[:cut], key, pos)
		Mask(parts[cut:], key, pos+cut)
		naiveMask(naive, key, pos)
		if !bytes.Equal(whole, naive) || !bytes.Equal(parts, naive) {
			t.Errorf("% x, key % x, pos %d, cut %d: % x and % x, want % x", b, key, pos, cut, whole, parts, naive)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 128, 4096} {
		for _, v := range []struct {
			name string
			mask func([]byte, [4]byte, int)
		}{{"fast", Mask}, {"naive", naiveMask}} {
			b.Run(fmt.Sprintf("%d/%s", size, v.name), func(b *testing.B) {
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					v.mask(buf, key, 0)
				}
			})
		}
	}
}
