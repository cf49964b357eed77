package ws

import "encoding/binary"

// header is a frame's header, decoded and checked.
type header struct {
	op       Opcode
	fin      bool
	masked   bool
	deflated bool    // RSV1: the message is compressed (RFC 7692 section 6)
	key      [4]byte // where masked
	length   int     // of the payload, within the limit it was checked against
}

// expect is what a header is checked against.
type expect struct {
	rsv         byte   // bits that an extension has given a meaning
	masked      byte   // bitMask where frames must be masked, else 0
	inMessage   bool   // a fragmented message has begun
	deflated    bool   // and it is compressed
	moreFrags   bool   // one more frame may be added to the message
	room        uint64 // bytes that the message may still grow by
	deflateRoom uint64 // the same for a compressed one: what does not compress grows a little
}

// decode reads the header that b starts with and returns its size, or 0 if
// b is too short. What can be refused is refused with the first byte that shows
// it, in the order of the bytes, so that the verdict does not depend on how
// much of the header has come.
func (x *expect) decode(b []byte) (h header, size int, err *Error) {
	if len(b) == 0 {
		return header{}, 0, nil
	}
	h.fin = b[0]&bitFIN != 0
	h.deflated = b[0]&bitRSV1 != 0
	h.op = Opcode(b[0] & maskOpcode)
	if err := x.checkFirst(b[0], h.op, h.fin); err != nil {
		return header{}, 0, err
	}
	if len(b) == 1 {
		return header{}, 0, nil
	}
	if b[1]&bitMask != x.masked {
		if x.masked != 0 {
			return header{}, 0, errNotMasked
		}
		return header{}, 0, errMasked
	}
	n := uint64(b[1] & maskLength)
	if h.op.Control() && n > MaxControl {
		return header{}, 0, errControlLength
	}
	size = 2
	switch n {
	case length16:
		if size = 4; len(b) < size {
			return header{}, 0, nil
		}
		if n = uint64(binary.BigEndian.Uint16(b[2:])); n < length16 {
			return header{}, 0, errLengthForm
		}
	case length64:
		if size = 10; len(b) < size {
			return header{}, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
		switch {
		case n>>63 != 0:
			return header{}, 0, errLengthSign
		case n <= 0xFFFF:
			return header{}, 0, errLengthForm
		}
	}
	// Compared as uint64, and before anything is made of it: a claimed length
	// is an attacker's number.
	room := x.room
	if h.deflated || x.deflated {
		room = x.deflateRoom
	}
	if !h.op.Control() && n > room {
		return header{}, 0, errTooBig
	}
	h.length = int(n)
	if x.masked != 0 {
		if len(b) < size+4 {
			return header{}, 0, nil
		}
		h.masked = true
		h.key = [4]byte(b[size:])
		size += 4
	}
	return h, size, nil
}

// checkFirst checks a frame's first byte (RFC 6455 sections 5.2, 5.4 and 5.5).
func (x *expect) checkFirst(b0 byte, op Opcode, fin bool) *Error {
	switch {
	case b0&maskRSV&^x.rsv != 0:
		return errRSV
	case b0&bitRSV1 != 0 && (op.Control() || op == Continuation): // RFC 7692 sections 5.1 and 6.1
		return errRSV
	case !op.defined():
		return errOpcode
	case op.Control():
		if !fin {
			return errControlFragment
		}
	case op == Continuation:
		if !x.inMessage {
			return errNoMessage
		}
		if !x.moreFrags {
			return errFragments
		}
	case x.inMessage:
		return errInMessage
	}
	return nil
}
