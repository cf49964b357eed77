package edge

import (
	"testing"
	"unsafe"
)

// There may be a million of them: a field more is a decision, which
// ARCHITECTURE.md's table has to follow.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 144 {
		t.Errorf("a conn has %d bytes, want at most 144", size)
	}
	if size := unsafe.Sizeof(tlsConn{}); size > 240 {
		t.Errorf("a tlsConn has %d bytes, want at most 240", size)
	}
	if size := unsafe.Sizeof(attempt{}); size > 16 { // held until the deadline of a handshake that is long over
		t.Errorf("an attempt has %d bytes, want at most 16", size)
	}
	if size := unsafe.Sizeof(socket{}); size > 208 {
		t.Errorf("a socket has %d bytes, want at most the 208 of nbio.Conn's size class", size)
	}
}
