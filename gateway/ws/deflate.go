package ws

import "strconv"

// Deflate is what was agreed on about permessage-deflate (RFC 7692). Neither
// side takes its context over from one message to the next: so a message is
// compressed once, for all who get it, and a connection that is silent costs
// nothing. The zero value is no compression.
type Deflate struct {
	// Bits is the logarithm of the server's window, 8 to 15; 0: there is no compression.
	Bits int
	// asked: the client wants to hear the number.
	asked bool
}

// MaxBits is the largest window, 32 KiB.
const MaxBits = 15

// Deflate returns what the first offer of permessage-deflate that can be
// accepted comes to; Bits is 0 when there is none. One with a parameter that is
// unknown, given twice or out of its range is declined (RFC 7692 section 7), and
// the next is looked at.
func (r *Request) Deflate() Deflate {
	for e := range r.extensions() {
		if equalFold(e.name, "permessage-deflate") {
			if d, ok := parseDeflate(e.params); ok {
				return d
			}
		}
	}
	return Deflate{}
}

// parseDeflate reads the parameters of an offer (RFC 7692 section 7.1).
func parseDeflate(params string) (d Deflate, ok bool) {
	const (
		serverTakeover = 1 << iota
		clientTakeover
		serverBits
		clientBits
	)
	d.Bits = MaxBits
	seen := 0
	for params != "" {
		name, value, rest, ok := cutParam(params)
		if !ok {
			return Deflate{}, false
		}
		params = trim(rest)
		bit := 0
		switch name {
		case "server_no_context_takeover": // section 7.1.1.1
			bit, ok = serverTakeover, value == ""
		case "client_no_context_takeover": // section 7.1.1.2
			bit, ok = clientTakeover, value == ""
		case "server_max_window_bits": // section 7.1.2.1
			bit = serverBits
			d.Bits, ok = windowBits(value)
			d.asked = true
		case "client_max_window_bits": // section 7.1.2.2: ours takes any window, so there is nothing to ask for
			bit = clientBits
			if value != "" {
				_, ok = windowBits(value)
			}
		default:
			ok = false
		}
		if !ok || seen&bit != 0 {
			return Deflate{}, false
		}
		seen |= bit
	}
	return d, true
}

// windowBits reads 8 to 15, without leading zeros.
func windowBits(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 8 && n <= MaxBits && strconv.Itoa(n) == s
}

// append appends the header that accepts d, with its CRLF in front. A server may
// ask a client not to take its context over, whether it has offered that or not
// (RFC 7692 section 7.1.1.2).
func (d Deflate) append(dst []byte) []byte {
	if d.Bits == 0 {
		return dst
	}
	dst = append(dst, "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"...)
	if d.asked {
		dst = append(dst, "; server_max_window_bits="...)
		dst = strconv.AppendInt(dst, int64(d.Bits), 10)
	}
	return dst
}
