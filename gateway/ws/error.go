package ws

// Error is a breach of the protocol by the peer. The connection is closed with
// Code; Reason is constant text that may be sent along.
type Error struct {
	Code   CloseCode
	Reason string
}

func (e *Error) Error() string { return "ws: " + e.Code.String() + ": " + e.Reason }

// Every error of the parser, and the close code that answers it. They are
// static, so that a hostile peer costs no allocation; compare Code, not the
// pointers.
var (
	errRSV             = &Error{ProtocolError, "a reserved bit is set"}                          // section 5.2
	errOpcode          = &Error{ProtocolError, "reserved opcode"}                                // section 5.2
	errNotMasked       = &Error{ProtocolError, "the frame is not masked"}                        // section 5.1
	errMasked          = &Error{ProtocolError, "the frame is masked"}                            // section 5.1
	errLengthForm      = &Error{ProtocolError, "the length is not in its shortest form"}         // section 5.2
	errLengthSign      = &Error{ProtocolError, "the highest bit of the length is set"}           // section 5.2
	errControlFragment = &Error{ProtocolError, "fragmented control frame"}                       // section 5.5
	errControlLength   = &Error{ProtocolError, "control frame of more than 125 bytes"}           // section 5.5
	errNoMessage       = &Error{ProtocolError, "continuation without a message"}                 // section 5.4
	errInMessage       = &Error{ProtocolError, "a message starts before the last one has ended"} // section 5.4
	errCloseLength     = &Error{ProtocolError, "close frame of one byte"}                        // section 5.5.1
	errCloseCode       = &Error{ProtocolError, "invalid close code"}                             // section 7.4
	errCloseUTF8       = &Error{InvalidPayload, "the close reason is not UTF-8"}                 // section 5.5.1
	errUTF8            = &Error{InvalidPayload, "the text is not UTF-8"}                         // section 8.1
	errDeflate         = &Error{InvalidPayload, "the message is not well compressed"}            // RFC 7692 section 7.2.2
	errTooBig          = &Error{MessageTooBig, "the message is too big"}                         // section 7.4.1, 1009

	// Each fragment may be small, so the size is not the matter: 1008, not 1009.
	errFragments = &Error{PolicyViolation, "the message has too many fragments"}
)
