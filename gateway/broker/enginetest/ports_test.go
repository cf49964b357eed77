package enginetest

import (
	"net"
	"testing"
)

// An address is given to one test alone, whether a server listens there or not,
// and one that the test starts may, again and again.
func TestFreeAddresses(t *testing.T) {
	address := FreeAddresses(t, 1)[0]
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := hold(at.Port); err == nil {
			t.Fatal("it is given away while nobody listens")
		}
		if _, err := net.Dial("tcp", address); err == nil {
			t.Fatal("somebody answers")
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hold(at.Port); err == nil {
			t.Fatal("it is given away while a server listens")
		}
		if _, err := net.Listen("tcp", address); err == nil {
			t.Fatal("two listen at once")
		}
		if _, err := net.Dial("tcp", address); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
