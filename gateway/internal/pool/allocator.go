package pool

import "math"

// Allocator is the pool in the shape that an event loop asks for: nbio's
// mempool.Allocator, which this package does not import. Every connection's
// write queue comes from it.
//
// The loop's own default keeps buffers of up to 1 GiB for ever, and its
// aligned variant can hand one connection's buffer to another; this one keeps
// nothing above MaxSize, and a buffer has one owner from Malloc to Free.
//
// The zero value is ready. Any goroutine may call it.
type Allocator struct{}

// Malloc is Get: a buffer of length size with undefined content.
func (Allocator) Malloc(size int) *[]byte { return Get(size) }

// Realloc returns a buffer of length size that starts with the content of b,
// as much of it as fits; the rest is undefined. b is used up: it is the
// result, or was Put.
func (Allocator) Realloc(b *[]byte, size int) *[]byte {
	if size > cap(*b) {
		b = Grow(b, size-len(*b), math.MaxInt)
	}
	*b = (*b)[:size]
	return b
}

// Append appends more to *b and returns the buffer that holds the result. b is
// used up: it is the result, or was Put.
func (Allocator) Append(b *[]byte, more ...byte) *[]byte { return Append(b, more) }

// AppendString is Append for a string.
func (Allocator) AppendString(b *[]byte, more string) *[]byte {
	b = Grow(b, len(more), math.MaxInt)
	*b = append(*b, more...)
	return b
}

// Free is Put.
func (Allocator) Free(b *[]byte) { Put(b) }
