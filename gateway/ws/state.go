package ws

import (
	"sync"

	"sluice/gateway/internal/pool"
)

// state is what a Parser remembers from one call to the next: where it is in a
// header, a frame and a message. Owned by its parser.
type state struct {
	err *Error // final

	// The frame whose header is complete.
	frame bool   // there is one
	h     header // its header
	left  int    // bytes of its payload that have not come

	// The data message that has begun.
	op       Opcode  // 0: none
	frags    int     // frames so far
	deflated bool    // it is compressed
	carry    *[]byte // its payload so far, pooled; nil: empty
	checked  int     // bytes of carry that are known to be whole characters
	aged     bool    // Age was asked of what is unfinished
	since    uint32  // when it was asked first

	// What the last message's payload points to, so that it outlives its call.
	lentCarry   bool
	lentControl bool

	head  [MaxHeader]byte // the header that is not complete
	nhead uint8
	ctl   [MaxControl]byte // the payload of the control frame that is not complete
	nctl  uint8
}

// states is shared by all parsers: at any time only those in mid-frame have one.
var states = sync.Pool{New: func() any { return new(state) }}

func newState() *state { return states.Get().(*state) }

// release gives s and its buffer to their pools.
func (s *state) release() {
	s.dropCarry()
	*s = state{}
	states.Put(s)
}

func (s *state) dropCarry() {
	pool.Put(s.carry)
	s.carry, s.checked = nil, 0
}

// fail drops what was gathered and remembers err.
func (s *state) fail(err *Error) {
	s.dropCarry()
	*s = state{err: err}
}

// takeBack ends the life of the last message's payload.
func (s *state) takeBack() {
	if s.lentCarry {
		s.dropCarry()
		s.lentCarry = false
	}
	if s.lentControl {
		s.nctl = 0
		s.lentControl = false
	}
}

func (s *state) unfinished() bool {
	return s.err == nil && (s.nhead != 0 || s.frame || s.op != 0)
}

func (s *state) idle() bool {
	return s.err == nil && !s.unfinished() && !s.lentCarry && !s.lentControl
}

func (s *state) buffered() int {
	n := int(s.nhead)
	if s.carry != nil && !s.lentCarry {
		n += len(*s.carry)
	}
	if !s.lentControl {
		n += int(s.nctl)
	}
	return n
}

// gathered is the size of the message so far.
func (s *state) gathered() int {
	if s.carry == nil {
		return 0
	}
	return len(*s.carry)
}

// header reads the rest of a frame's header from b and returns what follows it.
// It sets s.frame when the header is complete; otherwise b is used up.
func (s *state) header(r *Rules, b []byte) (rest []byte, err *Error) {
	x := s.expect(r)
	if s.nhead == 0 {
		h, size, err := x.decode(b)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			s.nhead = uint8(copy(s.head[:], b))
			return nil, nil
		}
		s.begin(h)
		return b[size:], nil
	}
	had := int(s.nhead)
	n := copy(s.head[had:], b)
	h, size, err := x.decode(s.head[:had+n])
	if err != nil {
		return nil, err
	}
	if size == 0 {
		s.nhead += uint8(n)
		return b[n:], nil
	}
	s.nhead = 0
	s.begin(h)
	return b[size-had:], nil
}

// expect is what the next header is checked against.
func (s *state) expect(r *Rules) expect {
	x := expect{
		masked:    bitMask,
		inMessage: s.op != 0,
		deflated:  s.op != 0 && s.deflated,
		moreFrags: s.frags < r.maxFragments(),
		room:      uint64(max(0, r.maxMessage()-s.gathered())),
	}
	if r.Deflate {
		x.rsv = bitRSV1
		x.deflateRoom = uint64(max(0, r.maxCompressed()-s.gathered()))
	}
	if r.Client {
		x.masked = 0
	}
	return x
}

// begin starts the frame with the header h.
func (s *state) begin(h header) {
	s.frame, s.h, s.left = true, h, h.length
	if h.op.Control() {
		return
	}
	if h.op != Continuation {
		s.op, s.frags, s.deflated = h.op, 0, h.deflated
	}
	s.frags++
}

// control reads a control frame's payload. The result's Opcode is 0 when b is
// used up before its end.
func (s *state) control(b []byte) (m Message, rest []byte, err *Error) {
	n := min(s.left, len(b))
	var payload []byte
	if n == s.h.length { // whole in b
		payload = b[:n:n]
		s.unmask(payload)
	} else {
		part := s.ctl[s.nctl : int(s.nctl)+n]
		copy(part, b)
		s.unmask(part)
		s.nctl += uint8(n)
		payload = s.ctl[:s.nctl]
	}
	if s.left -= n; s.left > 0 {
		return Message{}, b[n:], nil
	}
	s.frame = false
	s.lentControl = s.nctl > 0
	if s.h.op == Close {
		if err := checkClose(payload); err != nil {
			return Message{}, nil, err
		}
	}
	return Message{Opcode: s.h.op, Payload: payload}, b[n:], nil
}

// data reads a data frame's payload. The result's Opcode is 0 when the frame
// ends before the message does, or b before the frame.
func (s *state) data(r *Rules, b []byte) (m Message, rest []byte, err *Error) {
	n := min(s.left, len(b))
	if s.h.fin && s.frags == 1 && n == s.h.length { // the whole message, whole in b
		payload := b[:n:n]
		s.unmask(payload)
		m, err = s.complete(r, payload)
		s.frame, s.op, s.left = false, 0, 0
		return m, b[n:], err
	}
	if n > 0 {
		s.gather(r, b[:n])
		if s.op == Text && !s.deflated {
			c, ok := checkUTF8((*s.carry)[s.checked:])
			if !ok {
				return Message{}, nil, errUTF8
			}
			s.checked += c
		}
	}
	if s.left > 0 {
		return Message{}, b[n:], nil
	}
	s.frame = false
	if !s.h.fin {
		return Message{}, b[n:], nil
	}
	var payload []byte
	if s.carry != nil {
		payload = *s.carry
		s.lentCarry = true
	}
	m, err = s.complete(r, payload)
	s.op = 0
	return m, b[n:], err
}

// complete makes a message of its whole payload.
func (s *state) complete(r *Rules, payload []byte) (m Message, err *Error) {
	m = Message{Opcode: s.op, Payload: payload}
	if s.deflated {
		out, err := inflate(payload, r.maxMessage())
		if err != nil {
			return Message{}, err
		}
		s.dropCarry()
		s.carry, s.lentCarry = out, true
		m.Payload, m.Inflated = *out, max(0, len(*out)-len(payload))
	}
	if s.op == Text {
		if c, ok := checkUTF8(m.Payload[s.checked:]); !ok || c != len(m.Payload)-s.checked {
			return Message{}, errUTF8 // or it ends within a character
		}
	}
	return m, nil
}

// gather unmasks a copy of part behind what the message has so far. The buffer
// grows with what has come, never with what a header claims.
func (s *state) gather(r *Rules, part []byte) {
	if s.carry == nil {
		s.carry = pool.Get(0)
	}
	s.carry = pool.Grow(s.carry, len(part), r.maxMessage()) // a compressed one may be a little longer
	*s.carry = append(*s.carry, part...)
	s.unmask((*s.carry)[len(*s.carry)-len(part):])
	s.left -= len(part)
}

// unmask unmasks the next bytes of the frame; s.left still counts them.
func (s *state) unmask(b []byte) {
	if s.h.masked {
		Mask(b, s.h.key, s.h.length-s.left)
	}
}
