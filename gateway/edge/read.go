package edge

import (
	"io"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"

	"sluice/gateway/metrics"
)

// maxReads bounds the reads of one event. It is more than a socket's receive
// buffer holds: after a FIN nbio closes the connection when onRead returns, so
// whatever the peer sent before it left has to be read now.
const maxReads = 256

// onRead is called on the poller's goroutine for a readable connection. nbio's
// own read loop would stop after three reads, and read through the scheduler.
//
// hot: the whole way in happens here, on the poller's shared buffer.
func (e *Edge) onRead(nc *nbio.Conn) {
	var c *conn
	var t *tlsConn // c's, if it is encrypted
	switch s := nc.Session().(type) {
	case *conn:
		c = s
	case *tlsConn:
		c, t = &s.conn, s
	case *distantConn:
		c = &s.conn
	case *mailbox:
		e.collect(s)
		return
	default:
		return
	}
	defer e.guard(c, nil)
	buf := e.engine.PollerBuffer(nc)
	turns := &e.turns[nc.Hash()%len(e.turns)]
	share, yield := turns.next(nc.Hash())
	if c.phase.Load() == phaseHandshake && !turns.request() && !left(nc) {
		return // the event comes again
	}
	published := false
	var began time.Time // when the first full buffer had been handled
	for range maxReads {
		room := min(len(buf), share)
		if t != nil {
			if room = t.room(room); room == 0 {
				runtime.Gosched() // its goroutine has to catch up; the event comes again
				break
			}
		}
		n, errno := read(nc, buf[:room])
		if n > 0 {
			e.cell.BytesIn.Add(uint64(n))
			switch {
			case t == nil:
				if c.data(buf[:n]) {
					published = true
				}
			default:
				fed, end := t.cipher(e, buf[:n])
				published = published || fed
				if end {
					t.Release()
					_ = nc.CloseWithError(io.EOF)
					return
				}
			}
		}
		if n > 0 && c.Closing() {
			// The shards first: what this client sends counts for nothing, and a
			// flood of it must not keep others from what they get.
			runtime.Gosched()
			if c.Deaf() {
				nc.Lock()
				c.reset()
				nc.Unlock()
				_ = nc.CloseWithError(io.EOF)
			}
			break
		}
		if n == 0 && errno == 0 { // the peer has left: nbio closes when onRead returns
			if t != nil {
				t.leftTLS(e)
			} else {
				c.Release()
			}
			break
		}
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			if t != nil {
				t.leftTLS(e)
			}
			_ = nc.CloseWithError(errno)
			break
		}
		if n < room && errno != syscall.EINTR {
			break
		}
		var spent time.Duration
		if began.IsZero() {
			began = time.Now()
		} else {
			spent = time.Since(began)
		}
		if share -= max(n, 0); share > 0 && spent <= turnTime {
			continue
		}
		if !left(nc) {
			break // the event comes again, after the others'
		}
		if spent > lastTurn {
			_ = nc.CloseWithError(io.EOF)
			break
		}
		share = len(buf)
	}
	if published || yield {
		// The next thing this goroutine does is to block in epoll_wait, and
		// its processor would go with it until the runtime takes it back,
		// 20 us to 10 ms later: let the shards have it first.
		runtime.Gosched()
	}
}

// connOf is the conn of an nbio.Conn, whatever is around it; nil for a mailbox.
func connOf(nc *nbio.Conn) *conn {
	switch s := nc.Session().(type) {
	case *conn:
		return s
	case *tlsConn:
		return &s.conn
	case *distantConn:
		return &s.conn
	default:
		return nil
	}
}

// read takes what the socket has. Its lock is also what makes the connection,
// which the acceptor's goroutine built, visible here.
func read(nc *nbio.Conn, p []byte) (n int, errno syscall.Errno) {
	nc.Lock()
	defer nc.Unlock()
	if closed, _ := nc.IsClosed(); closed {
		return 0, 0
	}
	return receive(nc.Hash(), p)
}

// left says that the peer has sent its FIN: then nbio closes the connection when
// onRead returns, if its event said so.
func left(nc *nbio.Conn) bool {
	nc.Lock()
	defer nc.Unlock()
	if closed, _ := nc.IsClosed(); closed {
		return true
	}
	info, err := unix.GetsockoptTCPInfo(nc.Hash(), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return true
	}
	switch info.State {
	case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_FIN_WAIT1, unix.BPF_TCP_FIN_WAIT2: // the last two: we have said that we leave
		return false
	default:
		return true
	}
}

// data handles bytes from the client. b is the poller's buffer.
func (c *conn) data(b []byte) (published bool) {
	switch c.phase.Load() {
	case phaseHandshake:
		return c.handshake(b)
	case phaseOpen:
		return c.Feed(b)
	default:
		return false
	}
}

// guard keeps a panic in a connection's path from ending the process: it ends
// the connection.
//
// cut ends it where it may not be closed; nil on its poller, in its own event.
func (e *Edge) guard(c *conn, cut func()) {
	p := recover()
	if p == nil {
		return
	}
	e.cell.Panics.Add(1)
	e.log.Error().Interface("err", p).Bytes("stack", debug.Stack()).Msg("panic in a connection")
	if c.phase.CompareAndSwap(phaseOpen, phaseDiscard) && c.Attached() {
		c.Close(nil, metrics.ClosePanic)
		return
	}
	if e.leave(c, phaseDiscard) {
		e.cell.HandshakeFailures[metrics.HandshakePanic].Add(1)
	}
	if cut != nil {
		cut()
		return
	}
	_ = c.nc.Close()
}

// onClose is nbio's report that a connection has ended. It comes on one
// goroutine for all connections, and may overlap onRead of the same one: so it
// leaves what the poller owns alone.
func (e *Edge) onClose(nc *nbio.Conn, _ error) {
	c := connOf(nc)
	if c == nil {
		return
	}
	nc.Lock()   // see read: there may not have been one
	nc.Unlock() //nolint:staticcheck // an empty section is all that is wanted
	if e.leave(c, phaseClosed) {
		e.cell.HandshakeFailures[metrics.HandshakeLost].Add(1)
	}
	c.phase.Store(phaseClosed)
	if t, ok := nc.Session().(*tlsConn); ok {
		if r := t.relay.Load(); r != nil {
			r.end()
		}
	}
	c.Detach()
	e.addresses.leave(ownerOf(nc), e.now())
	e.connections.Add(-1)
}

// leave ends the handshake: the phase becomes to. Of all who want to end it
// one is told true.
func (e *Edge) leave(c *conn, to uint32) bool {
	if !c.phase.CompareAndSwap(phaseHandshake, to) {
		return false
	}
	e.handshaking.Add(-1)
	return true
}
