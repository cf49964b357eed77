package bench

import "golang.org/x/sys/unix"

// pause has connection i read nothing until resume, so that what the server
// sends piles up in the sockets' buffers and then in the server.
func (s *swarm) pause(i int) { s.conns[i].paused = true }

// resume reads on. The socket is edge-triggered: what came meanwhile was told of
// once, so it is read now. The handler may be told of the connection's end within.
func (s *swarm) resume(i int) {
	c := &s.conns[i]
	if !c.paused {
		return
	}
	c.paused = false
	if c.state > connecting {
		s.readable(i, true)
	}
}

// unread takes note of news of a paused connection.
func (s *swarm) unread(i int, ended bool) {
	if !ended {
		return
	}
	if s.hungUp == nil {
		s.hungUp = map[int]int64{}
	}
	if _, told := s.hungUp[i]; !told {
		s.hungUp[i] = s.clock.now()
	}
}

// reset ends connection i with a TCP reset, as when a network goes away. The
// handler is told with errCut.
func (s *swarm) reset(i int) {
	if c := &s.conns[i]; c.state != idle {
		s.abort(c)
		s.drop(i, errCut)
	}
}

// abort makes the next close of the connection's socket a reset.
func (s *swarm) abort(c *conn) {
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// expire drops the dials that take longer than patience, in nanoseconds.
func (s *swarm) expire(now, patience int64) {
	if s.dialing() == 0 {
		return
	}
	for i := range s.conns {
		if c := &s.conns[i]; c.state > idle && c.state < open && now-c.since > patience {
			s.drop(i, errTimeout)
		}
	}
}

// squeeze has the connections of which are true dial with a small receive buffer,
// so that a server feels early that they do not read. 0 bytes: as the system has it.
func (s *swarm) squeeze(which []bool, bytes int) {
	if bytes == 0 {
		return
	}
	s.tight = bytes
	for i, tight := range which {
		s.conns[i].tight = tight
	}
}
