package bench

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// send hands b, whole frames, to the connection, sealed where there is TLS.
func (s *swarm) send(i int, b []byte) {
	if l := s.secureOf(i); l != nil {
		if _, err := l.conn.Write(b); err != nil {
			s.drop(i, errEnded)
		}
		return
	}
	if !s.push(&s.conns[i], b) {
		s.drop(i, errEnded)
	}
}

// push hands b to the socket; what it does not take is copied and follows when
// the socket is writable again. It returns false when the socket is no more.
func (s *swarm) push(c *conn, b []byte) bool {
	sent := 0
	if c.rest == nil || len(c.rest.out) == 0 {
		n, errno := sendTo(c.fd, b)
		if errno != 0 && !again(errno) {
			return false
		}
		sent = n
	}
	if sent < len(b) {
		r := s.restOf(c)
		r.out = append(r.out, b[sent:]...)
	}
	return true
}

// writable sends what send left behind.
func (s *swarm) writable(i int) {
	c := &s.conns[i]
	if c.rest == nil || len(c.rest.out) == 0 {
		return
	}
	n, errno := sendTo(c.fd, c.rest.out)
	if errno != 0 && !again(errno) {
		s.drop(i, errEnded)
		return
	}
	c.rest.out = append(c.rest.out[:0], c.rest.out[n:]...)
	s.tidy(c)
}

// bye starts the closing handshake: 1000, then the server closes.
func (s *swarm) bye(i int) {
	c := &s.conns[i]
	if c.state != open {
		return
	}
	s.become(c, closing)
	s.scratch = appendClose(s.scratch[:0])
	s.send(i, s.scratch)
}

func again(errno unix.Errno) bool {
	return errors.Is(errno, unix.EAGAIN) || errors.Is(errno, unix.EINTR)
}

// The calls of the hot path do not tell Go's scheduler about themselves: they
// never block, and telling it costs more than the call.

func sendTo(fd int32, b []byte) (int, unix.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func recvFrom(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
