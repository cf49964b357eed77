package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// Defaults of Rules.
const (
	DefaultMaxMessage   = 64 << 10
	DefaultMaxFragments = 128
)

// Rules are what a Parser holds its peer to. They are read only, and shared by
// as many parsers as you like; a parser may be given others from one call to
// the next, for instance a larger limit once a client is known.
type Rules struct {
	// Client: parse what a server sends, which must not be masked. Otherwise
	// frames come from a client, and must be (RFC 6455 section 5.1).
	Client bool
	// MaxMessage is the largest message, in bytes of payload over all its
	// fragments; 0: DefaultMaxMessage. A larger one is refused with 1009 when
	// its header tells, before its payload has come.
	MaxMessage int
	// Deflate: permessage-deflate was agreed on, without context takeover by the
	// client (RFC 7692). MaxMessage bounds what comes out, too, as it comes out.
	Deflate bool
	// MaxFragments is how many frames a message may consist of; 0:
	// DefaultMaxFragments. More are refused with 1008.
	MaxFragments int
}

func (r *Rules) maxMessage() int {
	if r.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return r.MaxMessage
}

// maxCompressed is how long a compressed message may be before it is inflated:
// what does not compress grows a little.
func (r *Rules) maxCompressed() int {
	most := r.maxMessage()
	return most + most>>8 + 64
}

// MaxWire is the most that all frames of one message come to, with their headers.
func (r *Rules) MaxWire() int { return r.maxCompressed() + MaxHeader*r.maxFragments() }

func (r *Rules) maxFragments() int {
	if r.MaxFragments <= 0 {
		return DefaultMaxFragments
	}
	return r.MaxFragments
}

// Message is a whole message, or a control frame.
type Message struct {
	Opcode   Opcode // Text, Binary, Close, Ping or Pong; 0: none
	Payload  []byte // valid until the parser's next call, and may be overwritten by the caller
	Inflated int    // how many bytes longer the payload is than what came; 0: it is not
}

// Parser turns the bytes of one connection into messages. The zero value is
// ready. It is one pointer, since there are as many parsers as connections:
// what it has to remember of an unfinished frame or message is taken from a
// pool when needed and given back when done.
//
// One goroutine at a time may call it.
type Parser struct {
	s *state // nil: between two messages
}

// Next reads b, the next bytes of the connection, up to and including the next
// message or control frame. rest is what follows it in b: pass it to the next
// call. When m.Opcode is 0 and err is nil, b is used up and nothing is complete;
// pass what comes next. Call it until then, or until an error, even with an
// empty rest: memory that was lent to a message is given back by the call
// after it.
//
//	for {
//		m, rest, err := p.Next(&rules, b)
//		if err != nil || m.Opcode == 0 {
//			return err
//		}
//		handle(m)
//		b = rest
//	}
//
// b belongs to the parser during the call, and is overwritten: a frame that
// lies whole in it is unmasked in place, and m.Payload is a part of it. What is
// cut short is copied, so b is free once rest is.
//
// Text is valid UTF-8, and refused with the first byte that shows that it will
// not be; where it is compressed, when the message is
// complete. A close frame's payload is well-formed for ParseClose; call Next no more after one (RFC 6455 section 5.5.1). Control frames come out where they
// stand, also between the fragments of a message.
//
// err is nil or a static *Error. After one the parser stays failed, and nothing
// more is read, until Release.
//
// hot: a masked text or binary message of less than 64 KiB that lies whole in b
// takes the short way here, without an allocation.
func (p *Parser) Next(r *Rules, b []byte) (m Message, rest []byte, err error) {
	// FIN and Text, or FIN and Binary; masked.
	if p.s == nil && len(b) >= 6 && b[0]-(bitFIN|byte(Text)) <= 1 && b[1] >= bitMask && !r.Client {
		n, start := int(b[1]&maskLength), 6
		if n == length16 && len(b) >= 8 {
			n, start = int(binary.BigEndian.Uint16(b[2:])), 8
			if n < length16 {
				start = len(b) + 1 // not the shortest form: refused below
			}
		}
		if n <= r.MaxMessage && n != length64 && start+n <= len(b) {
			payload := b[start : start+n : start+n]
			ascii := mask(payload, [4]byte(b[start-4:]), 0)
			if !ascii && b[0] == bitFIN|byte(Text) && !utf8.Valid(payload) {
				return p.fail(errUTF8)
			}
			return Message{Opcode: Opcode(b[0] & maskOpcode), Payload: payload}, b[start+n:], nil
		}
	}
	return p.next(r, b)
}

// Release gives back what the parser holds; the parser is as new. The payload
// of the last message is not valid any more.
func (p *Parser) Release() {
	if p.s != nil {
		p.s.release()
		p.s = nil
	}
}

// Buffered is how many bytes the parser holds of an unfinished message or
// frame. It never exceeds Rules.MaxMessage by more than a control frame, and what a
// compressed message may be longer (MaxWire).
func (p *Parser) Buffered() int {
	if p.s == nil {
		return 0
	}
	return p.s.buffered()
}

// Unfinished reports whether a frame or a fragmented message has begun and not
// ended, even if nothing of its payload has come: what a deadline is for.
func (p *Parser) Unfinished() bool {
	return p.s != nil && p.s.unfinished()
}

// Age is for how long, in the units of the caller's clock, what is unfinished
// has been so: now minus the now of the first call since it began, 0 in that
// call. Control frames between the fragments of a message do not make it younger.
func (p *Parser) Age(now uint32) uint32 {
	if !p.Unfinished() {
		return 0
	}
	if !p.s.aged {
		p.s.aged, p.s.since = true, now
	}
	return now - p.s.since
}

// fail makes the parser return err now and ever after.
func (p *Parser) fail(err *Error) (Message, []byte, error) {
	if p.s == nil {
		p.s = newState()
	}
	p.s.fail(err)
	return Message{}, nil, err
}

// next is Next without the short way.
func (p *Parser) next(r *Rules, b []byte) (Message, []byte, error) {
	s := p.s
	if s == nil {
		if len(b) == 0 {
			return Message{}, nil, nil
		}
		s = newState()
		p.s = s
	}
	if s.err != nil {
		return Message{}, nil, s.err
	}
	s.takeBack()
	for len(b) > 0 || s.frame && s.left == 0 {
		var err *Error
		if !s.frame {
			if b, err = s.header(r, b); err != nil {
				return p.fail(err)
			}
			continue
		}
		var m Message
		if s.h.op.Control() {
			m, b, err = s.control(b)
		} else {
			m, b, err = s.data(r, b)
		}
		if err != nil {
			return p.fail(err)
		}
		if m.Opcode != 0 {
			if s.op == 0 {
				s.aged = false
			}
			p.settle()
			return m, b, nil
		}
	}
	p.settle()
	return Message{}, nil, nil
}

// settle gives the state back if there is nothing to remember.
func (p *Parser) settle() {
	if p.s.idle() {
		p.Release()
	}
}
