// Package pool keeps byte buffers of a few sizes for reuse.
//
// Buffers are held by sync.Pools, so that what is not used is given back to
// the collector; the pools are shared by the whole process, because they hold
// no state that a caller can see. Nothing larger than MaxSize is ever kept: one
// huge message must not cost its memory for ever.
package pool

import (
	"math"
	"sync"
)

// MaxSize is the capacity of the largest buffer that is kept, in bytes.
const MaxSize = 64 << 10

// The size classes. A transfer in progress lives in 4, 16 or 64 KiB; the two
// small ones are there for what is left over when a socket is full or a frame
// is cut in two: typically a hundred bytes, once per slow connection, for as
// long as the connection is slow. Rounded up to 4 KiB, 100,000 of them would
// pin 400 MB instead of 25. They are classes too, not exact makes, since such
// a leftover grows by one small frame at a time, and exact sizes would be
// copied and reallocated for each.
var sizes = [...]int{256, 1 << 10, 4 << 10, 16 << 10, MaxSize}

// pools[i] holds buffers with a capacity of exactly sizes[i].
var pools [len(sizes)]sync.Pool

// class is the index of the smallest class with room for n bytes, or
// len(sizes) if none has.
func class(n int) int {
	for i, size := range sizes {
		if n <= size {
			return i
		}
	}
	return len(sizes)
}

// Get returns a buffer of length n, whose content is undefined. It belongs to
// the caller until Put. Above MaxSize it is freshly made and exactly n long.
// Any goroutine may call it.
func Get(n int) *[]byte {
	i := class(n)
	if i == len(sizes) {
		b := make([]byte, n)
		return &b
	}
	if b, ok := pools[i].Get().(*[]byte); ok {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n, sizes[i])
	return &b
}

// Put takes b back; neither b nor a slice of it may be used afterwards. A nil
// b is ignored, and so is one whose capacity is not that of a class: one that
// Get made above MaxSize, or that an append has grown elsewhere. Any goroutine
// may call it.
//
// Under the race detector the buffer is overwritten, so that whoever still
// reads it sees garbage, and a race.
func Put(b *[]byte) {
	if b == nil {
		return
	}
	i := class(cap(*b))
	if i == len(sizes) || cap(*b) != sizes[i] {
		return
	}
	if poisoned {
		poison((*b)[:sizes[i]])
	}
	pools[i].Put(b)
}

// Append appends p to *b and returns the buffer that holds the result: b, or a
// larger one, in which case b was Put. p must not alias *b. b must not be nil.
func Append(b *[]byte, p []byte) *[]byte {
	b = Grow(b, len(p), math.MaxInt)
	*b = append(*b, p...)
	return b
}

// Grow returns a buffer with the content of b and room for n more bytes: b, or
// a larger one, in which case b was Put. Above MaxSize the capacity doubles,
// so that bytes that trickle in are not copied for each, but does not pass
// most, except where len(*b)+n does.
func Grow(b *[]byte, n, most int) *[]byte {
	need := len(*b) + n
	if need <= cap(*b) {
		return b
	}
	room := need
	if room > MaxSize {
		room = max(room, min(2*cap(*b), most))
	}
	larger := Get(room)
	*larger = (*larger)[:copy(*larger, *b)]
	Put(b)
	return larger
}
