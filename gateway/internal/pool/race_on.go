//go:build race

package pool

import "bytes"

// poisoned: buffers are overwritten when they are Put.
const poisoned = true

var garbage = bytes.Repeat([]byte{0xDB}, MaxSize)

// poison overwrites b, of at most MaxSize, with a byte that is neither text nor
// a likely number. It copies: to the race detector, one write for each byte
// costs more than all that the tests do.
func poison(b []byte) { copy(b, garbage) }
