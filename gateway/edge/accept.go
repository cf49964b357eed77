package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/lesismal/nbio"

	"sluice/gateway/metrics"
)

// listener accepts connections of one address. nbio has acceptors of its own;
// they spin at a whole core when descriptors run out.
type listener struct {
	edge      *Edge
	ln        net.Listener
	endpoints []*Endpoint
}

// soReusePort is SO_REUSEPORT, which package syscall lacks on some platforms.
const soReusePort = 15

func listen(ctx context.Context, e *Edge, o *Listener) (*listener, error) {
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
	if err := setBacklog(ln.(*net.TCPListener), o.Backlog); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("%w on %s: backlog: %w", ErrAddress, o.Address, err)
	}
	return &listener{edge: e, ln: ln, endpoints: o.Endpoints}, nil
}

// setBacklog changes the length of the accept queue: listen(2) may be called again.
func setBacklog(ln *net.TCPListener, n int) error {
	if n <= 0 {
		return nil
	}
	rc, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	cerr := rc.Control(func(fd uintptr) { err = syscall.Listen(int(fd), n) })
	return errors.Join(cerr, err)
}

// Bounds of the pause after a failed accept.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// accept is the listener's goroutine. When descriptors or memory have run out
// it pauses, longer each time, up to a second; clients wait in the backlog
// meanwhile.
func (l *listener) accept() {
	defer l.edge.wg.Done()
	backoff := minBackoff
	for {
		tc, err := l.ln.(*net.TCPListener).AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			err = l.admit(tc)
		}
		if err == nil {
			backoff = minBackoff
			continue
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

// busy answers connections that are not let in.
const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// admit hands a connection to the event loop, or refuses it. An error means
// that the system has run out of something.
func (l *listener) admit(tc *net.TCPConn) error {
	e := l.edge
	e.cell.Accepted.Add(1)
	if e.connections.Load() >= int64(e.options.MaxConnections) {
		e.refuse(tc)
		return nil
	}
	return l.add(tc)
}

// refuse turns a connection away, without spending anything on it.
func (e *Edge) refuse(tc *net.TCPConn) {
	e.cell.HandshakeFailures[metrics.HandshakeLimit].Add(1)
	_ = tc.SetWriteDeadline(time.Now().Add(time.Millisecond))
	_, _ = tc.Write([]byte(busy))
	_ = tc.Close()
}

// add gives tc to nbio. nbio keeps a duplicate of the descriptor and closes
// tc, so that Go's own poller lets go of it.
func (l *listener) add(tc *net.TCPConn) error {
	e := l.edge
	nc, err := nbio.NBConn(tc)
	if err != nil {
		_ = tc.Close()
		return err
	}
	trim(nc)
	c := &conn{nc: nc, opening: &opening{listener: l}}
	// Whoever takes nc's lock later sees c as it is now: epoll is no
	// synchronisation that Go's memory model knows.
	c.phase.Store(phaseHandshake)
	nc.Lock()
	nc.SetSession(c)
	nc.Unlock()
	if _, err = e.engine.AddConn(nc); err != nil {
		return err
	}
	e.timeouts.mu.Lock()
	e.timeouts.queue.Add(e.now()+e.settings.Load().HandshakeTimeout.Milliseconds(), c)
	e.timeouts.mu.Unlock()
	return nil
}

// onOpen is called by the acceptor, before the descriptor is in epoll. It must
// not close the connection.
func (e *Edge) onOpen(*nbio.Conn) {
	e.connections.Add(1)
	e.handshaking.Add(1)
}
