package ws

import (
	"bytes"
	"fmt"
	"testing"
)

// key is the masking key of the tests' clients.
var key = [4]byte{0xA5, 0x5A, 0x0F, 0xF1}

// client is a masked frame.
func client(op Opcode, fin bool, payload string) []byte {
	return AppendMaskedFragment(nil, op, fin, key, []byte(payload))
}

// closing is a masked close frame with any code.
func closing(code uint16, reason string) []byte {
	return client(Close, true, string([]byte{byte(code >> 8), byte(code)})+reason)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// event is how a message is written in tables.
func event(m Message) string {
	if m.Opcode == Close {
		code, reason, err := ParseClose(m.Payload)
		if err != nil {
			return "close with a bad payload: " + err.Error()
		}
		return fmt.Sprintf("close %d %s", code, reason)
	}
	return m.Opcode.String() + " " + string(m.Payload)
}

// transcript is everything that a parser says about some bytes.
type transcript struct {
	Events []string
	Code   CloseCode // of the error; 0: none
	Reason string
	Bytes  int // consumed when the last event came out
}

// feed gives in to p, cut into pieces, and writes down what comes out. It stops
// at an error and behind a close frame, as a session does. Each piece is
// overwritten when it is used up: nothing of it may matter any more.
func feed(t testing.TB, p *Parser, r *Rules, in []byte, cuts ...int) transcript {
	t.Helper()
	var got transcript
	from := 0
	for _, to := range append(cuts, len(in)) {
		piece := bytes.Clone(in[from:to])
		b := piece
		for {
			m, rest, err := p.Next(r, b)
			if err != nil {
				e := err.(*Error)
				got.Code, got.Reason = e.Code, e.Reason
				if m.Opcode != 0 || rest != nil {
					t.Fatalf("a message or a rest came with %v", err)
				}
				if _, _, again := p.Next(r, bytes.Clone(in)); again != err {
					t.Fatalf("after %v, the next call returned %v", err, again)
				}
				return got
			}
			if m.Opcode == 0 {
				if len(rest) != 0 {
					t.Fatalf("no message, but %d bytes are left", len(rest))
				}
				break
			}
			got.Events = append(got.Events, event(m))
			got.Bytes = to - len(rest)
			// The payload is the caller's to change.
			for i := range m.Payload {
				m.Payload[i] ^= 0xFF
			}
			if m.Opcode == Close {
				return got
			}
			b = rest
		}
		for i := range piece {
			piece[i] = 0xEE
		}
		if limit := r.maxMessage() + MaxControl + MaxHeader; p.Buffered() > limit {
			t.Fatalf("%d bytes are buffered, more than %d", p.Buffered(), limit)
		}
		from = to
	}
	return got
}

// everyByte cuts n bytes into single ones.
func everyByte(n int) []int {
	cuts := make([]int, 0, n)
	for i := 1; i < n; i++ {
		cuts = append(cuts, i)
	}
	return cuts
}
