package edge

import (
	"net"
	"reflect"
	"unsafe"

	"github.com/lesismal/nbio"
)

// nbio.Conn holds the two net.TCPAddr of the accepted connection for life: 160
// bytes (224 on a dual-stack listener) of 600. Nobody here asks for them
// (RemoteAddr asks the kernel), so they are let go. The fields are private: if
// another version of nbio names them otherwise, nothing happens but that.
var (
	localField  = addrField("lAddr")
	remoteField = addrField("rAddr")
)

// noAddr stands where the addresses were.
var noAddr net.Addr = &net.TCPAddr{}

// addrField is the offset of a field of type net.Addr in nbio.Conn, or 0.
func addrField(name string) uintptr {
	f, ok := reflect.TypeFor[nbio.Conn]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[net.Addr]() {
		return 0
	}
	return f.Offset
}

// trim lets go of nc's addresses. nc is not in the event loop yet.
func trim(nc *nbio.Conn) {
	for _, offset := range [...]uintptr{localField, remoteField} {
		if offset != 0 {
			*(*net.Addr)(unsafe.Add(unsafe.Pointer(nc), offset)) = noAddr
		}
	}
}
