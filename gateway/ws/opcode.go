package ws

// Opcode says what a frame carries (RFC 6455 section 5.2).
type Opcode byte

// The opcodes of RFC 6455. All others are reserved, and refused.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether op is a control opcode: its frames are never
// fragmented and carry at most MaxControl bytes (RFC 6455 section 5.5).
func (op Opcode) Control() bool { return op&0x8 != 0 }

// defined reports whether RFC 6455 gives op a meaning.
func (op Opcode) defined() bool { return op <= Binary || op >= Close && op <= Pong }

func (op Opcode) String() string {
	switch op {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved"
}

// MaxControl is the largest payload of a control frame, in bytes (RFC 6455 section 5.5).
const MaxControl = 125

// Bits of a frame's first two bytes.
const (
	bitFIN  = 0x80
	bitRSV1 = 0x40 // permessage-deflate's "compressed" (RFC 7692 section 6)
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80

	maskRSV    = bitRSV1 | bitRSV2 | bitRSV3
	maskOpcode = 0x0F
	maskLength = 0x7F

	length16 = 126 // the length is in the next 2 bytes
	length64 = 127 // the length is in the next 8 bytes
)
