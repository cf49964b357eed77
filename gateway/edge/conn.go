package edge

import (
	"sync/atomic"
	"syscall"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"

	"sluice/gateway/session"
)

// conn joins nbio's connection to our session; it is all that Sluice allocates
// for a connection, and is reached from nbio.Conn.Session.
//
// Only the connection's poller closes it. nbio's events carry nothing but the
// descriptor, so a close from elsewhere could make an event that is already on
// its way hit the next connection with the same number. Everyone else shuts
// the socket down, which wakes the poller.
type conn struct {
	session.Session

	// Static after OnOpen.
	nc *nbio.Conn

	// Owned by the poller.
	opening *opening // what the handshake needs; nil once it is over

	phase    atomic.Uint32
	finished atomic.Bool // Finish was called: shut down when nothing is queued
}

// Phases of a connection.
const (
	phaseHandshake uint32 = iota
	phaseOpen
	phaseDiscard // an HTTP answer was given: what still comes is thrown away
	phaseClosed
)

// Send implements hub.Conn. Its caller is the only writer of the connection:
// the poller during the handshake, then the hub's shard.
//
// hot: one lock, one system call.
func (c *conn) Send(p []byte) {
	c.nc.Lock() // nbio's; also what keeps the descriptor from being closed and reused meanwhile
	c.deliver(p)
	c.nc.Unlock()
}

// deliver sends p as it is, or queues what the kernel does not take, and says
// whether that could be done. The connection's lock is held.
func (c *conn) deliver(p []byte) bool {
	nc := c.nc
	if closed, _ := nc.IsClosed(); closed {
		return false
	}
	if c.Queued() == 0 {
		n, errno := send(nc.Hash(), p)
		if n == len(p) {
			return true
		}
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			return false // a broken connection, which the poller sees, too
		}
		p = p[n:]
	}
	if c.Queued() > maxQueued-len(p) {
		c.shutdown(syscall.SHUT_RDWR)
		return false
	}
	c.Queue(len(p)) // before anyone can look at Queued again
	queue(nc, p)
	return true
}

// Finish implements hub.Conn.
func (c *conn) Finish() {
	c.nc.Lock()
	c.finished.Store(true)
	if c.Queued() == 0 {
		c.shutdown(syscall.SHUT_WR)
	}
	c.nc.Unlock()
}

// Abort implements hub.Conn.
func (c *conn) Abort() {
	c.nc.Lock()
	c.reset()
	c.shutdown(syscall.SHUT_RDWR)
	c.nc.Unlock()
}

// end closes without a word more; what was sent still arrives.
func (c *conn) end() {
	c.nc.Lock()
	c.shutdown(syscall.SHUT_RDWR)
	c.nc.Unlock()
}

// reset has the socket's close forget what its peer does not take, and tell it so
// (RST): else the kernel would keep that, and try for minutes. The connection's
// lock is held.
func (c *conn) reset() {
	if closed, _ := c.nc.IsClosed(); closed {
		return
	}
	fd := c.nc.Hash()
	if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil && n > 0 {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
}

// shutdown shuts the socket down, unless it is closed. The connection's lock is held.
func (c *conn) shutdown(how int) {
	if closed, _ := c.nc.IsClosed(); !closed {
		_ = syscall.Shutdown(c.nc.Hash(), how)
	}
}

// written is nbio's report that n bytes have left. The connection's lock is held.
//
// hot: it counts; what has to be done elsewhere is posted.
func (c *conn) written(n int) {
	if c.Wrote(n) == 0 && c.finished.Load() {
		c.shutdown(syscall.SHUT_WR)
	}
}

// RemoteAddr implements hub.Conn. The address is asked from the kernel: it is
// rarely wanted, and a copy would be held for every connection.
func (c *conn) RemoteAddr() string {
	c.nc.Lock()
	defer c.nc.Unlock()
	if closed, _ := c.nc.IsClosed(); closed {
		return ""
	}
	sa, err := syscall.Getpeername(c.nc.Hash())
	if err != nil {
		return ""
	}
	if a := addressOf(sa); a.IsValid() {
		return a.String()
	}
	return ""
}
