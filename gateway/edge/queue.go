package edge

import (
	"math"
	_ "unsafe" // for go:linkname

	"github.com/lesismal/nbio"
)

// maxQueued is the most bytes that are queued for one connection: a backstop
// above what the hub lets wait, which counts them in 32 bits. A Send beyond it
// ends the connection.
const maxQueued = math.MaxInt32

// queue appends a copy of p to nbio's queue for nc, and asks for the event that
// says that the socket has room. The connection's lock is held, and it is not closed.
//
// nbio's own Write tries the socket once more before it queues. If the peer
// resets the connection in that moment, Write closes it, on the goroutine that
// called; but only the poller may do that. With v1.6.12 the two private methods
// are all that Write does when there is something in the queue already; another
// version that lacks them does not link.
func queue(nc *nbio.Conn, p []byte) {
	newToWriteBuf(nc, p)
	modWrite(nc)
}

//go:linkname newToWriteBuf github.com/lesismal/nbio.(*Conn).newToWriteBuf
func newToWriteBuf(nc *nbio.Conn, p []byte)

//go:linkname modWrite github.com/lesismal/nbio.(*Conn).modWrite
func modWrite(nc *nbio.Conn)
