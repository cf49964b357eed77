package bench

import (
	"encoding/binary"
	"fmt"

	"sluice/gateway/ws"
)

// rest is what a connection keeps between two turns, if anything.
type rest struct {
	in     []byte     // the start of a frame, or of the upgrade response
	out    []byte     // what the socket did not take
	parser *ws.Parser // from the first fragmented message on, all input goes through it
}

func (s *swarm) restOf(c *conn) *rest {
	if c.rest == nil {
		if n := len(s.free); n > 0 {
			c.rest, s.free = s.free[n-1], s.free[:n-1]
		} else {
			c.rest = &rest{}
		}
	}
	return c.rest
}

// tidy gives the rest back when nothing is left in it.
func (s *swarm) tidy(c *conn) {
	if r := c.rest; r != nil && len(r.in) == 0 && len(r.out) == 0 && r.parser == nil {
		s.release(c)
	}
}

func (s *swarm) release(c *conn) {
	r := c.rest
	if r == nil {
		return
	}
	c.rest = nil
	if r.parser != nil {
		r.parser.Release()
		r.parser = nil
	}
	if cap(r.in)+cap(r.out) > 64<<10 {
		return // not kept: one burst must not pin memory
	}
	r.in, r.out = r.in[:0], r.out[:0]
	s.free = append(s.free, r)
}

// readable takes what the socket has. ended says that the peer has finished
// sending, so that the end must be read too.
//
// hot: once per connection with news and turn.
func (s *swarm) readable(i int, ended bool) {
	c := &s.conns[i]
	if l := s.secureOf(i); l != nil {
		s.readableSecure(i, l, ended)
		return
	}
	generation := c.generation
	for {
		kept := 0
		if c.rest != nil && len(c.rest.in) > 0 {
			kept = s.unkeep(c)
		}
		n, errno := recvFrom(c.fd, s.buffer[kept:])
		if errno != 0 {
			if again(errno) {
				s.keep(c, s.buffer[:kept])
				return
			}
			s.drop(i, errEnded)
			return
		}
		if n == 0 {
			s.drop(i, errEnded)
			return
		}
		left := s.take(i, s.buffer[:kept+n], s.clock.now())
		if c.generation != generation || c.state == idle {
			return
		}
		s.keep(c, left)
		if kept+n < len(s.buffer) && !ended {
			return // a short read: the socket is empty, and an edge tells of more
		}
	}
}

// unkeep puts the kept start of a frame back in front of what comes.
func (s *swarm) unkeep(c *conn) int {
	in := c.rest.in
	if len(in) > len(s.buffer)/2 {
		s.buffer = make([]byte, 2*len(s.buffer))
	}
	n := copy(s.buffer, in)
	c.rest.in = in[:0]
	s.tidy(c)
	return n
}

func (s *swarm) keep(c *conn, left []byte) {
	if len(left) > 0 {
		r := s.restOf(c)
		r.in = append(r.in[:0], left...)
	}
}

// maxLast bounds what is kept of the last read.
const maxLast = 64 << 10

// take handles what is whole in b and returns what is not.
//
// Subscribers of one channel mostly receive the same bytes one after the other.
// To compare them with what the last one got is cheaper than to take them apart.
//
// hot: once per read.
func (s *swarm) take(i int, b []byte, now int64) []byte {
	c := &s.conns[i]
	if c.state == upgrading {
		generation := c.generation
		used := s.upgraded(i, b, now)
		if used == 0 {
			return b
		}
		if c.generation != generation {
			return nil
		}
		b = b[used:]
	}
	if c.rest == nil && c.state == open && len(b) > 0 && string(b) == string(s.last) && s.handler.again(i, now) {
		return nil
	}
	s.last = s.last[:0]
	s.talk.acted = false
	s.handler.reading(i)
	left, plain := s.frames(i, b, now)
	if plain && !s.talk.acted && len(left) == 0 && len(b) <= maxLast {
		s.last = append(s.last, b...)
	}
	return left
}

// frames takes b apart; plain says that there was nothing but messages in it.
//
// hot: its loop runs once per received message.
func (s *swarm) frames(i int, b []byte, now int64) (left []byte, plain bool) {
	c := &s.conns[i]
	generation := c.generation
	plain = true
	for len(b) >= 2 {
		if c.rest != nil && c.rest.parser != nil {
			return s.parse(i, b, now), false
		}
		head, n := 2, int(b[1])
		switch {
		case n < 126:
		case n == 126 && len(b) >= 4:
			head, n = 4, int(binary.BigEndian.Uint16(b[2:4]))
		case n == 127 && len(b) >= 10:
			long := binary.BigEndian.Uint64(b[2:10])
			if long > maxFrame {
				s.drop(i, errTooLong)
				return nil, false
			}
			head, n = 10, int(long)
		case n > 127:
			s.drop(i, errMasked)
			return nil, false
		default:
			return b, plain
		}
		if len(b) < head+n {
			return b, plain
		}
		if b[0] == 0x81 || b[0] == 0x82 { // FIN, text or binary (RFC 6455 section 5.2)
			s.message(i, b[head:head+n], now)
			b = b[head+n:]
		} else if b[0]&0x0F >= 8 {
			plain = false
			s.control(i, ws.Opcode(b[0]&0x0F), b[head:head+n])
			b = b[head+n:]
		} else {
			s.restOf(c).parser = new(ws.Parser)
		}
		if c.generation != generation {
			return nil, false
		}
	}
	return b, plain
}

// parse is take for a connection whose server fragments its messages.
func (s *swarm) parse(i int, b []byte, now int64) []byte {
	c := &s.conns[i]
	generation := c.generation
	for {
		m, rest, err := c.rest.parser.Next(&rules, b)
		switch {
		case err != nil:
			s.drop(i, err)
			return nil
		case m.Opcode == 0:
			return nil
		case m.Opcode >= ws.Close:
			s.control(i, m.Opcode, m.Payload)
		default:
			s.message(i, m.Payload, now)
		}
		if c.generation != generation {
			return nil
		}
		b = rest
	}
}

// control answers control frames (RFC 6455 section 5.5).
func (s *swarm) control(i int, op ws.Opcode, payload []byte) {
	c := &s.conns[i]
	switch op {
	case ws.Ping:
		s.scratch = appendMasked(s.scratch[:0], ws.Pong, payload)
		s.send(i, s.scratch)
	case ws.Close:
		c.code = 1005 // no status received (RFC 6455 section 7.1.5)
		if len(payload) >= 2 {
			c.code = binary.BigEndian.Uint16(payload)
		}
		if c.state == joining {
			s.drop(i, fmt.Errorf("%w: it closed the connection: %d %s", errRefused, c.code, payload[min(2, len(payload)):]))
			return
		}
		if c.state == open {
			s.become(c, closing)
			s.scratch = appendMasked(s.scratch[:0], ws.Close, payload[:min(2, len(payload))])
			s.send(i, s.scratch)
		}
	}
}
