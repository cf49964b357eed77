package edge

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/lesismal/nbio"
)

// nbio takes connections as net.TCPConn only: it duplicates the descriptor,
// closes the original, which Go's own poller had taken in and now lets go, and
// keeps the two net.TCPAddr for life. That is 6 of the 10 system calls of a
// handshake, and 160 of a connection's bytes (224 on a dual-stack listener).
// So the acceptor makes the nbio.Conn itself, which takes its two private
// fields: the descriptor and the type. Their names and types are looked up
// when an Edge is made; a version of nbio that has others is refused then.
type layout struct{ fd, typ uintptr }

// socket is what the acceptor allocates for an nbio.Conn. The 200 bytes of
// v1.6.12 stand in a size class of 208, so there is room for a pointer of ours.
type socket struct {
	nbio.Conn
	owner *owner // whom the connection counts for; nil: there is no limit. Guarded by the connection's lock
}

// ownerOf is the owner of a connection that adopt made.
func ownerOf(nc *nbio.Conn) *owner { return (*socket)(unsafe.Pointer(nc)).owner }

// own makes o the owner of a connection that has none, unless it is closed by now.
func own(nc *nbio.Conn, o *owner) bool {
	nc.Lock()
	defer nc.Unlock()
	if closed, _ := nc.IsClosed(); closed {
		return false
	}
	(*socket)(unsafe.Pointer(nc)).owner = o
	return true
}

// errLayout: the nbio that this was built with is not the one it was written for.
var errLayout = errors.New("edge: nbio.Conn has changed: use nbio v1.6.12")

// layoutOf finds the fields in nbio.Conn.
func layoutOf() (layout, error) {
	t := reflect.TypeFor[nbio.Conn]()
	fd, ok := t.FieldByName("fd")
	typ, ok2 := t.FieldByName("typ")
	if !ok || !ok2 || fd.Type != reflect.TypeFor[int]() || typ.Type != reflect.TypeFor[nbio.ConnType]() {
		return layout{}, errLayout
	}
	return layout{fd.Offset, typ.Offset}, nil
}

// adopt makes an nbio.Conn of an accepted, non-blocking TCP socket.
func (l layout) adopt(fd int, o *owner) *nbio.Conn {
	s := new(socket)
	if o != nil {
		s.owner = o // by itself: a write of the whole would be one of nbio's fields, too
	}
	nc := &s.Conn
	*(*int)(unsafe.Add(unsafe.Pointer(nc), l.fd)) = fd
	*(*nbio.ConnType)(unsafe.Add(unsafe.Pointer(nc), l.typ)) = nbio.ConnTypeTCP
	return nc
}
