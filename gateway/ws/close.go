package ws

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// CloseCode says why a connection is closed (RFC 6455 section 7.4).
type CloseCode uint16

// The codes of RFC 6455 section 7.4.1 and of IANA's registry.
const (
	NormalClosure     CloseCode = 1000
	GoingAway         CloseCode = 1001 // the server shuts down, or the page is left
	ProtocolError     CloseCode = 1002
	UnsupportedData   CloseCode = 1003
	NoStatus          CloseCode = 1005 // a close frame without a code; never on the wire
	Abnormal          CloseCode = 1006 // no close frame came; never on the wire
	InvalidPayload    CloseCode = 1007 // text that is not UTF-8
	PolicyViolation   CloseCode = 1008
	MessageTooBig     CloseCode = 1009
	MissingExtension  CloseCode = 1010
	InternalError     CloseCode = 1011
	ServiceRestart    CloseCode = 1012
	TryAgainLater     CloseCode = 1013
	BadGateway        CloseCode = 1014
	TLSHandshakeError CloseCode = 1015 // never on the wire
)

// ValidReceived reports whether a close frame may carry c: the codes above that
// may be on the wire, and those of libraries (3000-3999) and applications
// (4000-4999). All others are reserved (RFC 6455 section 7.4.2).
func (c CloseCode) ValidReceived() bool {
	switch {
	case c >= 3000 && c <= 4999:
		return true
	case c == NoStatus, c == Abnormal, c == 1004:
		return false
	}
	return c >= NormalClosure && c <= BadGateway
}

// String is the code's number and, where it has one, its name: "1009 message too big".
func (c CloseCode) String() string {
	n := strconv.Itoa(int(c))
	if name := c.name(); name != "" {
		return n + " " + name
	}
	return n
}

func (c CloseCode) name() string {
	switch c {
	case NormalClosure:
		return "normal closure"
	case GoingAway:
		return "going away"
	case ProtocolError:
		return "protocol error"
	case UnsupportedData:
		return "unsupported data"
	case NoStatus:
		return "no status"
	case Abnormal:
		return "abnormal closure"
	case InvalidPayload:
		return "invalid payload"
	case PolicyViolation:
		return "policy violation"
	case MessageTooBig:
		return "message too big"
	case MissingExtension:
		return "missing extension"
	case InternalError:
		return "internal error"
	case ServiceRestart:
		return "service restart"
	case TryAgainLater:
		return "try again later"
	case BadGateway:
		return "bad gateway"
	case TLSHandshakeError:
		return "TLS handshake error"
	}
	return ""
}

// ParseClose reads the payload of a close frame (RFC 6455 section 5.5.1). An
// empty one is NoStatus. The reason is a copy. The error is an *Error: a
// payload of one byte or an invalid code is a protocol error, a reason that is
// not UTF-8 an invalid payload.
func ParseClose(payload []byte) (code CloseCode, reason string, err error) {
	if e := checkClose(payload); e != nil {
		return 0, "", e
	}
	if len(payload) == 0 {
		return NoStatus, "", nil
	}
	return CloseCode(binary.BigEndian.Uint16(payload)), string(payload[2:]), nil
}

// checkClose is ParseClose without the result.
func checkClose(payload []byte) *Error {
	switch {
	case len(payload) == 0:
		return nil
	case len(payload) == 1:
		return errCloseLength
	case !CloseCode(binary.BigEndian.Uint16(payload)).ValidReceived():
		return errCloseCode
	case !utf8.Valid(payload[2:]):
		return errCloseUTF8
	}
	return nil
}

// AppendClosePayload appends the payload of a close frame: the code and the
// reason, which is cut to the 123 bytes that a control frame has room for, at a
// character's boundary, and left out where it is not UTF-8. A code that may not
// be on the wire (NoStatus, for one) gives an empty payload.
func AppendClosePayload(dst []byte, code CloseCode, reason string) []byte {
	if !code.ValidReceived() {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, cutReason(reason)...)
}

// AppendClose appends a server's close frame with AppendClosePayload's payload.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if !code.ValidReceived() {
		return AppendHeader(dst, Close, 0)
	}
	reason = cutReason(reason)
	dst = AppendHeader(dst, Close, 2+len(reason))
	return AppendClosePayload(dst, code, reason)
}

// cutReason shortens s to what fits beside the code.
func cutReason(s string) string {
	if !utf8.ValidString(s) {
		return ""
	}
	const room = MaxControl - 2
	if len(s) <= room {
		return s
	}
	n := room
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
