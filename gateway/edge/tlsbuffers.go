package edge

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// buffers are where a tls.Conn keeps two buffers that it never lets go: one for
// ciphertext, which grows to the largest record that came, and one for handshake
// messages, which grows to the largest of those. An idle connection needs neither.
type buffers struct {
	ok             bool // they are where they are expected
	rawInput, hand uintptr
}

// buffersOf finds the fields. Where a version of Go has others, ok is false,
// nothing is released, and a connection costs 3 to 20 KB more.
func buffersOf() buffers {
	t := reflect.TypeFor[tls.Conn]()
	raw, ok1 := t.FieldByName("rawInput")
	hand, ok2 := t.FieldByName("hand")
	buffer := reflect.TypeFor[bytes.Buffer]()
	if !ok1 || !ok2 || raw.Type != buffer || hand.Type != buffer {
		return buffers{}
	}
	return buffers{true, raw.Offset, hand.Offset}
}

// release lets go of the buffers that are empty. Only the connection's reader
// may call it, after a Read that would have blocked: then no plaintext lies in
// them either.
func (o buffers) release(c *tls.Conn) {
	for _, at := range [...]uintptr{o.rawInput, o.hand} {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), at)); b.Len() == 0 && b.Cap() > 0 {
			*b = bytes.Buffer{}
		}
	}
}
