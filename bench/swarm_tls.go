package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"
)

// secure is TLS on one connection of a swarm: Go's crypto/tls over a transport
// of memory, which the loop lends what the socket brought.
//
// A handshake is a coroutine, resumed when there is news: crypto/tls takes no
// error back that ends one. From then on there is none: a would-block error that
// says it is temporary leaves a tls.Conn as it was, at any byte of a record.
type secure struct {
	// Static after construction.
	swarm *swarm
	i     int
	conn  *tls.Conn

	// Owned by the loop, of which the coroutine is a part.
	in      []byte                // what tls.Conn has not taken yet of a lent buffer
	next    func() (failed, bool) // resumes the handshake; nil when it is over
	stop    func()                // ends it
	waiting func(failed) bool     // within the coroutine: waits for news; false: it was ended
}

// failed is why a handshake did not succeed; nil while it is under way, and when it did.
type failed error

// wouldBlock: the lent bytes are used up.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "bench: tls: no more bytes for now" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

// Read implements net.Conn.
func (l *secure) Read(b []byte) (int, error) {
	for len(l.in) == 0 {
		if l.waiting == nil {
			return 0, wouldBlock{}
		}
		if !l.waiting(nil) {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(b, l.in)
	l.in = l.in[n:]
	return n, nil
}

// Write implements net.Conn. What the socket does not take is queued.
func (l *secure) Write(b []byte) (int, error) {
	if !l.swarm.push(&l.swarm.conns[l.i], b) {
		return 0, errEnded
	}
	return len(b), nil
}

// The rest of net.Conn, which crypto/tls does not need.

func (l *secure) Close() error                     { return nil }
func (l *secure) LocalAddr() net.Addr              { return nil }
func (l *secure) RemoteAddr() net.Addr             { return nil }
func (l *secure) SetDeadline(time.Time) error      { return nil }
func (l *secure) SetReadDeadline(time.Time) error  { return nil }
func (l *secure) SetWriteDeadline(time.Time) error { return nil }

// secureOf is the TLS of connection i; nil: it has none.
//
// hot: once per read and send.
func (s *swarm) secureOf(i int) *secure {
	if i < len(s.secured) {
		return s.secured[i]
	}
	return nil
}

// handshake begins TLS on connection i, whose TCP stands.
func (s *swarm) handshake(i int, config *tls.Config) {
	l := &secure{swarm: s, i: i}
	l.conn = tls.Client(l, config)
	l.next, l.stop = iter.Pull(func(yield func(failed) bool) {
		l.waiting = yield
		err := l.conn.Handshake()
		l.waiting = nil
		if err != nil {
			yield(err)
		}
	})
	s.secured[i] = l
	s.become(&s.conns[i], securing)
	s.advance(i, l)
}

// advance runs a handshake until it waits or is over.
func (s *swarm) advance(i int, l *secure) {
	err, waits := l.next()
	switch {
	case err != nil:
		s.drop(i, fmt.Errorf("bench: tls: %w", err))
	case !waits:
		l.next = nil
		c := &s.conns[i]
		generation := c.generation
		s.request(i)
		if c.generation == generation {
			s.decrypt(i, l) // what came with the end of the handshake
		}
	}
}

// forget ends what TLS there is on connection i.
func (s *swarm) forget(i int) {
	l := s.secureOf(i)
	if l == nil {
		return
	}
	if l.next != nil {
		l.stop()
	}
	s.secured[i] = nil
}

// readableSecure is readable over TLS.
func (s *swarm) readableSecure(i int, l *secure, ended bool) {
	c := &s.conns[i]
	generation := c.generation
	for {
		n, errno := recvFrom(c.fd, s.cipher)
		if errno != 0 && again(errno) {
			return
		}
		if n == 0 || errno != 0 {
			s.drop(i, errEnded)
			return
		}
		if l.in = s.cipher[:n]; l.next != nil {
			s.advance(i, l)
		} else {
			s.decrypt(i, l)
		}
		if c.generation != generation {
			return
		}
		if n < len(s.cipher) && !ended {
			return // a short read: the socket is empty, and an edge tells of more
		}
	}
}

// decrypt takes what is whole in the records that came, all of them at once: so
// that what several subscribers get is compared as a whole, as without TLS.
func (s *swarm) decrypt(i int, l *secure) {
	c := &s.conns[i]
	generation := c.generation
	for {
		kept := 0
		if c.rest != nil && len(c.rest.in) > 0 {
			kept = s.unkeep(c)
		}
		n, err := s.records(l, kept)
		left := s.buffer[:n]
		if n > kept {
			left = s.take(i, left, s.clock.now())
		}
		if c.generation != generation || c.state == idle {
			return
		}
		s.keep(c, left)
		switch {
		case err == nil: // the buffer was full
		case errors.As(err, new(wouldBlock)):
			return
		case errors.Is(err, io.EOF): // close_notify
			s.drop(i, errEnded)
			return
		default:
			s.drop(i, fmt.Errorf("bench: tls: %w", err))
			return
		}
	}
}

// records reads into the buffer from n on until it is full or there is no more.
func (s *swarm) records(l *secure, n int) (int, error) {
	for n < len(s.buffer) {
		m, err := l.conn.Read(s.buffer[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
