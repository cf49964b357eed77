package pool

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestGetSizes(t *testing.T) {
	tests := []struct{ n, wantCap int }{
		{0, 256},
		{1, 256},
		{100, 256},
		{256, 256},
		{257, 1 << 10},
		{1 << 10, 1 << 10},
		{1<<10 + 1, 4 << 10},
		{4 << 10, 4 << 10},
		{4<<10 + 1, 16 << 10},
		{16<<10 + 1, 64 << 10},
		{64 << 10, 64 << 10},
		{64<<10 + 1, 64<<10 + 1},
		{1 << 20, 1 << 20},
	}
	for _, tt := range tests {
		b := Get(tt.n)
		if len(*b) != tt.n || cap(*b) != tt.wantCap {
			t.Errorf("Get(%d): len %d, cap %d, want cap %d", tt.n, len(*b), cap(*b), tt.wantCap)
		}
		Put(b)
	}
}

// A buffer of another capacity would break the promise of its class, and a
// large one would stay for ever.
func TestPutRefusesForeignCapacities(t *testing.T) {
	Put(nil)
	for _, c := range []int{0, 1, 255, 257, 5000, MaxSize + 1, 1 << 20} {
		b := make([]byte, c)
		Put(&b)
		for range 4 {
			if got := Get(c); got == &b {
				t.Errorf("a buffer with a capacity of %d was kept", c)
			}
		}
	}
}

func TestAppendGrowsThroughTheClasses(t *testing.T) {
	b := Get(0)
	var want []byte
	chunk := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	caps := map[int]bool{}
	for len(want) < 3*MaxSize {
		b = Append(b, chunk)
		want = append(want, chunk...)
		caps[cap(*b)] = true
	}
	if !bytes.Equal(*b, want) {
		t.Fatal("the content changed while growing")
	}
	for _, c := range sizes {
		if !caps[c] {
			t.Errorf("class %d was passed over", c)
		}
	}
	if len(caps) > len(sizes)+3 {
		t.Errorf("%d capacities on the way to %d bytes: above MaxSize it should double", len(caps), len(want))
	}
}

// allocator is the shape of nbio's mempool.Allocator.
type allocator interface {
	Malloc(size int) *[]byte
	Realloc(buf *[]byte, size int) *[]byte
	Append(buf *[]byte, more ...byte) *[]byte
	AppendString(buf *[]byte, more string) *[]byte
	Free(buf *[]byte)
}

func TestAllocatorAgainstPlainSlices(t *testing.T) {
	var a allocator = Allocator{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := a.Malloc(rnd.IntN(300))
		clear(*b)
		want := make([]byte, len(*b))
		for range 40 {
			more := bytes.Repeat([]byte{byte(rnd.Uint32())}, rnd.IntN(3000))
			switch rnd.IntN(4) {
			case 0:
				b = a.Append(b, more...)
				want = append(want, more...)
			case 1:
				b = a.AppendString(b, string(more))
				want = append(want, more...)
			case 2:
				n := rnd.IntN(len(want) + 1)
				b = a.Realloc(b, n)
				want = want[:n]
			case 3:
				old := len(want)
				b = a.Realloc(b, old+len(more))
				copy((*b)[old:], more)
				want = append(want, more...)
			}
			if !bytes.Equal(*b, want) {
				t.Fatal("differs from a plain slice")
			}
		}
		a.Free(b)
	}
}

// Each buffer has one owner at a time, whoever got and put it before.
func TestOneOwner(t *testing.T) {
	var wg sync.WaitGroup
	for id := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(id), 0))
			for range 500 {
				b := Get(rnd.IntN(5000))
				for i := range *b {
					(*b)[i] = byte(id)
				}
				b = Append(b, bytes.Repeat([]byte{byte(id)}, rnd.IntN(5000)))
				if n := bytes.Count(*b, []byte{byte(id)}); n != len(*b) {
					t.Errorf("%d of %d bytes were written by another owner", len(*b)-n, len(*b))
				}
				Put(b)
			}
		})
	}
	wg.Wait()
}

func TestPoison(t *testing.T) {
	b := Get(100)
	kept := *b
	clear(kept)
	Put(b)
	if got := kept[50] == 0xDB; got != poisoned {
		t.Errorf("overwritten on Put: %v, want %v", got, poisoned)
	}
}

func TestAllocs(t *testing.T) {
	if poisoned {
		t.Skip("under the race detector sync.Pool drops buffers at random: nothing to count")
	}
	frame := make([]byte, 130)
	var a Allocator
	if n := testing.AllocsPerRun(1000, func() {
		b := a.Malloc(100)
		for range 50 { // through the classes up to 16 KiB
			b = a.Append(b, frame...)
		}
		a.Free(b)
	}); n != 0 {
		t.Errorf("%v allocations for a write queue that comes and goes, want 0", n)
	}
}

func BenchmarkGetPut(b *testing.B) {
	for b.Loop() {
		Put(Get(100))
	}
}
