package ws

import "encoding/binary"

// MaxHeader is the size of the longest frame header: 2 bytes, a 64-bit length
// and a masking key.
const MaxHeader = 2 + 8 + 4

// AppendHeader appends the header of a server's frame, not masked and with FIN,
// whose n bytes of payload follow.
func AppendHeader(dst []byte, op Opcode, n int) []byte {
	return appendHeader(dst, bitFIN|byte(op), 0, n)
}

// AppendFrame appends a server's frame, not masked and with FIN. payload must
// not overlap the free capacity of dst.
//
// hot: it allocates only when dst has to grow.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = appendHeader(dst, bitFIN|byte(op), 0, len(payload))
	return append(dst, payload...)
}

// AppendFragment appends a server's frame that is part of a fragmented message:
// op is Continuation in all but the first, fin is true in the last.
func AppendFragment(dst []byte, op Opcode, fin bool, payload []byte) []byte {
	dst = appendHeader(dst, first(op, fin), 0, len(payload))
	return append(dst, payload...)
}

// AppendMaskedFrame appends a client's frame with FIN. The payload is left as
// it is; its copy in dst is masked with key.
func AppendMaskedFrame(dst []byte, op Opcode, key [4]byte, payload []byte) []byte {
	return AppendMaskedFragment(dst, op, true, key, payload)
}

// AppendMaskedFragment is AppendFragment for a client.
func AppendMaskedFragment(dst []byte, op Opcode, fin bool, key [4]byte, payload []byte) []byte {
	dst = appendHeader(dst, first(op, fin), bitMask, len(payload))
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	Mask(dst[start:], key, 0)
	return dst
}

// first is a frame's first byte.
func first(op Opcode, fin bool) byte {
	if fin {
		return bitFIN | byte(op)
	}
	return byte(op)
}

// appendHeader appends a header up to the masking key, with n in the shortest
// of the three forms (RFC 6455 section 5.2).
func appendHeader(dst []byte, b0, maskBit byte, n int) []byte {
	switch {
	case n < length16:
		return append(dst, b0, maskBit|byte(n))
	case n <= 0xFFFF:
		return append(dst, b0, maskBit|length16, byte(n>>8), byte(n))
	default:
		dst = append(dst, b0, maskBit|length64)
		return binary.BigEndian.AppendUint64(dst, uint64(n))
	}
}
