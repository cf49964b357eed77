package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/lesismal/nbio"

	"sluice/gateway/internal/deadline"
	"sluice/gateway/metrics"
)

// listener accepts connections of one address. nbio has acceptors of its own;
// they spin at a whole core when descriptors run out.
type listener struct {
	edge      *Edge
	address   net.Addr
	socket    *os.File // in Go's poller, so that accept can wait
	raw       syscall.RawConn
	endpoints []*Endpoint
	hosts     []string
	secure    *secure // nil without TLS
	proxies   []netip.Prefix
	trusted   []netip.Prefix
	header    ClientHeader

	// Owned by accept.
	spare *os.File // a descriptor to give away when there is none; nil: there was none for it

	// Guarded by edge.timeouts.mu.
	proxyTimeouts deadline.Queue[*attempt]
	tlsTimeouts   deadline.Queue[*attempt]
}

// soReusePort is SO_REUSEPORT, which package syscall lacks on some platforms.
const soReusePort = 15

func listen(ctx context.Context, e *Edge, o *Listener) (*listener, error) {
	l := &listener{edge: e, endpoints: o.Endpoints, hosts: o.Hosts, proxies: o.ProxyFrom, trusted: o.TrustedProxies, header: o.ClientHeader}
	if o.TLS != nil {
		s, err := newSecure(o.TLS)
		if err != nil {
			return nil, err
		}
		l.secure = s
	}
	lc := net.ListenConfig{
		KeepAlive: -1, // our pings do that job; Go's default costs 4 of 12 system calls of an accept, and probes every 15 s
		Control: func(_, _ string, rc syscall.RawConn) error {
			if !o.ReusePort {
				return nil
			}
			var err error
			cerr := rc.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
			})
			return errors.Join(cerr, err)
		},
	}
	ln, err := lc.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w", ErrAddress, o.Address, err)
	}
	defer ln.Close() // socket is a duplicate, whose Read waits until there is something to accept
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w", ErrAddress, o.Address, err)
	}
	raw, err := socket.SyscallConn()
	if err == nil {
		err = prepare(raw, o)
	}
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("%w on %s: %w", ErrAddress, o.Address, err)
	}
	l.address, l.socket, l.raw = ln.Addr(), socket, raw
	return l, nil
}

// prepare sets the length of the accept queue (listen(2) may be called again),
// and what accepted sockets inherit: TCP_NODELAY and SO_SNDBUF.
func prepare(raw syscall.RawConn, o *Listener) error {
	var err error
	cerr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		if o.SendBuffer > 0 {
			err = errors.Join(err, syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, o.SendBuffer))
		}
		if o.Backlog > 0 {
			err = errors.Join(err, syscall.Listen(int(fd), o.Backlog))
		}
	})
	return errors.Join(cerr, err)
}

// Bounds of the pause after a failed accept.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// accept is the listener's goroutine. When descriptors have run out it refuses
// some of those who wait with its spare one; then, and for any other failure, it
// pauses, longer each time, up to a second. Clients wait in the backlog meanwhile.
func (l *listener) accept() {
	defer l.edge.wg.Done()
	l.keepSpare()
	defer l.dropSpare()
	backoff := minBackoff
	for n := 1; ; n++ {
		if l.secure != nil && !l.secure.handshakes.wait(l.edge.stop) {
			return
		}
		fd, err := l.next()
		if err != nil && l.edge.draining.Load() {
			return // the socket was closed
		}
		if err == nil {
			err = l.admit(fd)
		}
		if err == nil {
			backoff = minBackoff
			if n%acceptBurst == 0 {
				runtime.Gosched() // the calls are raw: let the pollers do the handshakes
			}
			continue
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			l.shed()
		}
		l.edge.log.Warn().Err(err).Dur("dur_ms", backoff).Msg("accept failed, pausing")
		select {
		case <-l.edge.stop:
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// acceptBurst is how many connections are accepted in a row.
const acceptBurst = 16

// next waits for a connection and accepts it, non-blocking. net.Listener's
// Accept would ask for both addresses and take the socket into Go's own poller,
// only for it to be handed over to nbio's.
func (l *listener) next() (fd int, err error) {
	waitErr := l.raw.Read(func(listener uintptr) (done bool) {
		var errno syscall.Errno
		if fd, errno = accept4(int(listener)); errno == syscall.EAGAIN {
			return false
		}
		err = nil
		if errno != 0 {
			err = fmt.Errorf("edge: accept: %w", errno)
		}
		return true
	})
	if waitErr != nil {
		return -1, waitErr
	}
	if errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EINTR) {
		return l.next() // it left while it waited
	}
	return fd, err
}

// busy answers connections that are not let in.
const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// admit hands a connection to the event loop, or refuses it.
func (l *listener) admit(fd int) error {
	e := l.edge
	e.cell.Accepted.Add(1)
	if e.connections.Load() >= int64(e.options.MaxConnections) {
		return l.refuse(fd, metrics.HandshakeLimit)
	}
	if e.full.Load() {
		return l.refuse(fd, metrics.HandshakeMemory)
	}
	behind := false // who the client is will be said later
	if len(l.proxies)+len(l.trusted) > 0 {
		ip := peer(fd)
		behind = isIn(l.proxies, ip) || isIn(l.trusted, ip)
		if len(l.proxies) > 0 && !behind {
			return l.stranger(fd)
		}
	}
	var o *owner
	if !behind && e.settings.Load().Address.on() {
		var why metrics.HandshakeFailure
		var ok bool
		if o, why, ok = e.admitAddress(peer(fd)); !ok {
			return l.refuse(fd, why)
		}
	}
	return l.add(fd, o)
}

// refuse answers a connection that is not let in, and closes it.
func (l *listener) refuse(fd int, why metrics.HandshakeFailure) error {
	if ev := l.edge.refused(why); ev != nil {
		ev.Stringer("address", peer(fd)).Msg("connection refused")
	}
	if l.secure == nil {
		_, _ = send(fd, []byte(busy)) // a new socket has room for it
	}
	return syscall.Close(fd)
}

// stranger closes a connection that does not come from one of the proxies.
func (l *listener) stranger(fd int) error {
	if ev := l.edge.refused(metrics.HandshakeProxy); ev != nil {
		ev.Stringer("address", peer(fd)).Msg("connection refused")
	}
	return syscall.Close(fd)
}

// shedBurst is how many connections are refused in a row while descriptors have run out.
const shedBurst = 64

// shed refuses connections that wait, one after the other with the one
// descriptor that was kept for it, so that clients are told instead of waiting.
func (l *listener) shed() {
	if l.spare == nil {
		l.keepSpare() // it may have been the only one that was free
	}
	l.dropSpare()
	for range shedBurst {
		fd, errno := -1, syscall.EBADF
		if err := l.raw.Control(func(listener uintptr) { fd, errno = accept4(int(listener)) }); err != nil || errno != 0 {
			break
		}
		l.edge.cell.Accepted.Add(1)
		_ = l.refuse(fd, metrics.HandshakeDescriptors)
	}
	l.keepSpare()
}

func (l *listener) keepSpare() { l.spare, _ = os.Open(os.DevNull) }

func (l *listener) dropSpare() {
	if l.spare != nil {
		_ = l.spare.Close()
		l.spare = nil
	}
}

// add gives a socket to nbio.
func (l *listener) add(fd int, o *owner) error {
	e := l.edge
	nc := e.layout.adopt(fd, o)
	c, session := l.connection(nc)
	op := c.opening // it is the poller's from AddConn on
	op.conn.Store(c)
	// Whoever takes nc's lock later sees c as it is now: epoll is no
	// synchronisation that Go's memory model knows.
	c.phase.Store(phaseHandshake)
	nc.Lock()
	nc.SetSession(session)
	nc.Unlock()
	if _, err := e.engine.AddConn(nc); err != nil {
		e.addresses.leave(o, e.now())
		return err // nbio has closed it
	}
	now := e.now()
	e.timeouts.mu.Lock()
	e.timeouts.queue.Add(now+e.settings.Load().HandshakeTimeout.Milliseconds(), op.attempt)
	if len(l.proxies) > 0 {
		l.proxyTimeouts.Add(now+proxyTimeout.Milliseconds(), op.attempt)
	}
	if l.secure != nil {
		l.tlsTimeouts.Add(now+l.secure.options.HandshakeTimeout.Milliseconds(), op.attempt)
	}
	e.timeouts.mu.Unlock()
	return nil
}

// connection makes what stands for a connection, and what nbio is to remember of it.
func (l *listener) connection(nc *nbio.Conn) (c *conn, session any) {
	op := &opening{attempt: new(attempt), listener: l}
	switch {
	case l.secure != nil:
		t := &tlsConn{conn: conn{nc: nc, opening: op}}
		op.outer = t
		op.stage.Store(stageTLS)
		// A request may come right behind the handshake.
		t.relay.Store(newRelay(l.secure.maxHello+max(0, l.edge.settings.Load().HeaderBytes-8<<10), l.edge.computing))
		c, session = &t.conn, t
	case len(l.proxies)+len(l.trusted) > 0:
		d := &distantConn{conn: conn{nc: nc, opening: op}}
		op.outer = d
		c, session = &d.conn, d
	default:
		c = &conn{nc: nc, opening: op}
		op.outer = c
		session = c
	}
	if len(l.proxies) > 0 {
		op.stage.Store(stageProxy)
	}
	return c, session
}

// onOpen is called by the acceptor, before the descriptor is in epoll. It must
// not close the connection.
func (e *Edge) onOpen(nc *nbio.Conn) {
	if connOf(nc) == nil {
		return // a mailbox
	}
	e.connections.Add(1)
	e.handshaking.Add(1)
}
