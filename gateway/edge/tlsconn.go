package edge

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/gateway/internal/pool"
)

// tlsConn is a conn whose bytes are encrypted. It is reached from
// nbio.Conn.Session in the place of a conn.
//
// crypto/tls never sees the socket: its net.Conn is a wire. During the
// handshake it reads from a relay, on a goroutine, and blocks; afterwards the
// poller lends it what it has read, and it is told that reading would block
// when that is used up. It does not mind, in the middle of a record neither,
// as long as the error says that it is temporary (selftest.go holds it to that).
type tlsConn struct {
	conn

	// Static once the handshake has begun.
	tls *tls.Conn

	// relay carries bytes to the goroutine that reads; nil when the poller does.
	relay atomic.Pointer[relay]

	// Owned by the poller.
	in     []byte         // ciphertext that wire.Read may take
	client netip.AddrPort // what a proxy said; zero for the peer's own address

	// sending: what is written now is the shard's, not an answer to the peer.
	sending atomic.Bool

	// Guarded by nc's lock.
	corked *[]byte // records of the Send under way; nil: they go out one by one
	extra  int     // bytes of answers that were queued since the queue was empty last
}

const (
	// maxPlaintext is the most that one record carries (RFC 8446 section 5.1).
	maxPlaintext = 16 << 10
	// maxAnswers bounds what waits for a peer that asks for answers (KeyUpdate)
	// and does not read them.
	maxAnswers = 16 << 10
)

// Send implements hub.Conn. What needs several records leaves in one write,
// as far as a buffer of the pool's largest size holds it.
//
// hot: seals into crypto/tls's pooled buffer; one system call.
func (t *tlsConn) Send(p []byte) {
	t.sending.Store(true)
	if len(p) > maxPlaintext {
		t.cork()
		defer t.uncork()
	}
	_, err := t.tls.Write(p)
	t.sending.Store(false)
	if err != nil {
		t.Abort() // if it is not closed already; nothing can follow a record that was not sent
	}
}

// Finish implements hub.Conn: the last record is a close_notify, without which
// the peer cannot tell the end from a cut.
func (t *tlsConn) Finish() {
	if t.tls != nil {
		t.sending.Store(true)
		_ = t.tls.CloseWrite()
		t.sending.Store(false)
	}
	t.conn.Finish()
}

// RemoteAddr implements hub.Conn.
func (t *tlsConn) RemoteAddr() string {
	if t.client.IsValid() {
		return t.client.String()
	}
	return t.conn.RemoteAddr()
}

func (t *tlsConn) cork() {
	b := pool.Get(pool.MaxSize)
	*b = (*b)[:0]
	t.nc.Lock()
	t.corked = b
	t.nc.Unlock()
}

func (t *tlsConn) uncork() {
	t.nc.Lock()
	b := t.corked
	t.corked = nil
	if len(*b) > 0 {
		t.deliver(*b)
	}
	t.nc.Unlock()
	pool.Put(b)
}

// wire is the net.Conn that a tlsConn shows to crypto/tls.
type wire tlsConn

// Read implements net.Conn. crypto/tls has one reader at a time.
func (w *wire) Read(p []byte) (int, error) {
	if r := w.relay.Load(); r != nil {
		return r.read(p)
	}
	if len(w.in) == 0 {
		return 0, errWouldBlock
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n, nil
}

// Write implements net.Conn. Its callers hold crypto/tls's lock on what goes
// out, so records come in their order. It never says that it would block:
// that would end the connection.
func (w *wire) Write(p []byte) (int, error) {
	t := (*tlsConn)(w)
	t.nc.Lock()
	defer t.nc.Unlock()
	if !t.sending.Load() {
		if t.Queued() == 0 {
			t.extra = 0
		} else if t.extra += len(p); t.extra > maxAnswers {
			return 0, errAnswers
		}
	}
	if t.corked == nil {
		if !t.deliver(p) {
			return 0, net.ErrClosed
		}
		return len(p), nil
	}
	if len(*t.corked)+len(p) > cap(*t.corked) {
		ok := t.deliver(*t.corked)
		*t.corked = (*t.corked)[:0]
		if !ok {
			return 0, net.ErrClosed
		}
	}
	*t.corked = append(*t.corked, p...)
	return len(p), nil
}

// Close implements net.Conn. Nobody calls it: only the poller closes.
func (w *wire) Close() error {
	t := (*tlsConn)(w)
	t.nc.Lock()
	t.shutdown(syscall.SHUT_RDWR)
	t.nc.Unlock()
	return nil
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return noAddr{} }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return noAddr{} }

// SetDeadline implements net.Conn. Deadlines are the edge's.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// noAddr is an address that nobody asks for.
type noAddr struct{}

func (noAddr) Network() string { return "tcp" }
func (noAddr) String() string  { return "" }

// wouldBlock is a net.Error that does not poison a tls.Conn.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "edge: no more ciphertext yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}
