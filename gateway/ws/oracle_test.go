package ws

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	gobwas "github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// reference reads frames with another implementation's header reader and
// checks, and puts messages together in the simplest way: everything is in
// memory, and text is looked at when it is whole.
func reference(in []byte) (events []string, code CloseCode) {
	r := bytes.NewReader(in)
	state := gobwas.StateServerSide
	var op Opcode
	var message []byte
	for {
		before := r.Len()
		h, err := gobwas.ReadHeader(r)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return events, 0
		case err != nil || gobwas.CheckHeader(h, state) != nil:
			return events, ProtocolError
		case before-r.Len() != gobwas.HeaderSize(h): // it reads other forms too
			return events, ProtocolError
		}
		if !h.OpCode.IsControl() && h.Length > DefaultMaxMessage-int64(len(message)) {
			return events, MessageTooBig
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return events, 0
		}
		gobwas.Cipher(payload, h.Mask, 0)
		if h.OpCode.IsControl() {
			if h.OpCode == gobwas.OpClose {
				if e := checkClose(payload); e != nil {
					return events, e.Code
				}
				return append(events, event(Message{Opcode: Close, Payload: payload})), 0
			}
			events = append(events, event(Message{Opcode: Opcode(h.OpCode), Payload: payload}))
			continue
		}
		if h.OpCode != gobwas.OpContinuation {
			op = Opcode(h.OpCode)
		}
		message = append(message, payload...)
		if !h.Fin {
			state = state.Set(gobwas.StateFragmented)
			continue
		}
		if op == Text && !utf8.Valid(message) {
			return events, InvalidPayload
		}
		events = append(events, event(Message{Opcode: op, Payload: message}))
		state, message = state.Clear(gobwas.StateFragmented), nil
	}
}

// randomFrames is a stream of mostly good frames, some with a bit turned over.
func randomFrames(rnd *rand.Rand) []byte {
	ops := []Opcode{Text, Binary, Continuation, Continuation, Ping, Pong, Text, Binary, Continuation, Close, 3, 11}
	sizes := []int{0, 1, 5, 20, 124, 125, 126, 127, 200, 300, 40_000, 65_536}
	var in []byte
	inMessage := false
	for range 1 + rnd.IntN(10) {
		op := ops[rnd.IntN(len(ops))]
		if rnd.IntN(10) > 0 && !op.Control() { // mostly in place
			if inMessage {
				op = Continuation
			} else if op == Continuation {
				op = Text
			}
		}
		if op >= Close && op != Ping && op != Pong && rnd.IntN(4) > 0 {
			op = Ping
		}
		fin := op.Control() || rnd.IntN(2) == 0
		if !op.Control() {
			inMessage = !fin
		}
		size := sizes[rnd.IntN(len(sizes))]
		if op.Control() {
			size = sizes[rnd.IntN(6)]
		}
		payload := strings.Repeat("aé€🙂", size/10) + "0123456789"[:size%10]
		if op == Close && size > 1 {
			payload = "\x03\xe8" + payload[:min(size-2, len(payload))]
			payload = strings.ToValidUTF8(payload[2:], "")
			payload = "\x03\xe8" + payload
		}
		start := len(in)
		in = AppendMaskedFragment(in, op, fin, [4]byte{1, 2, byte(rnd.Uint32()), 4}, []byte(payload))
		if rnd.IntN(15) == 0 {
			i := start + rnd.IntN(min(8, len(in)-start))
			in[i] ^= 1 << rnd.IntN(8)
		}
	}
	return in
}

// The parser agrees with another implementation on what frames mean.
func TestAgainstAnotherImplementation(t *testing.T) {
	rnd := rand.New(rand.NewPCG(64, 55))
	codes := map[CloseCode]int{}
	for range 800 {
		in := randomFrames(rnd)
		want, wantCode := reference(in)
		var cuts []int
		for at := 0; rnd.IntN(3) > 0; {
			if at += 1 + rnd.IntN(1+len(in)/3); at >= len(in) {
				break
			}
			cuts = append(cuts, at)
		}
		var p Parser
		got := feed(t, &p, &Rules{}, in, cuts...)
		codes[got.Code]++
		p.Release()
		switch got.Code {
		case InvalidPayload, MessageTooBig, ProtocolError:
			// Found as soon as it shows, perhaps before messages that the
			// reference still lets out, or in a frame that it never saw whole.
			if len(got.Events) > len(want) || !cmp.Equal(got.Events, want[:len(got.Events):len(got.Events)]) && len(got.Events) > 0 {
				t.Fatalf("% .60x: messages %.200q, want a part of %.200q", in, got.Events, want)
			}
			if got.Code == wantCode || wantCode == 0 || got.Code == InvalidPayload {
				continue
			}
		case wantCode:
			if cmp.Equal(got.Events, want) {
				continue
			}
		}
		t.Fatalf("% .60x cut at %d: close code %d %q, want %d; messages %.200q, want %.200q", in, cuts, got.Code, got.Reason, wantCode, got.Events, want)
	}
	for _, code := range []CloseCode{0, ProtocolError, InvalidPayload, MessageTooBig} {
		if codes[code] < 10 {
			t.Errorf("only %d streams ended with %d: the test has lost its point", codes[code], code)
		}
	}
}

// What we write is what the other implementation writes, byte for byte.
func TestFramesAgainstAnotherImplementation(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65_535, 65_536, 100_000} {
		payload := bytes.Repeat([]byte{'p'}, size)
		for _, op := range []Opcode{Text, Binary, Continuation} {
			for _, fin := range []bool{true, false} {
				frame := gobwas.NewFrame(gobwas.OpCode(op), fin, payload)
				if got, want := AppendFragment(nil, op, fin, payload), gobwas.MustCompileFrame(frame); !bytes.Equal(got, want) {
					t.Errorf("%s of %d, FIN %v: server frames differ", op, size, fin)
				}
				masked := gobwas.MaskFrameWith(frame, key)
				if got, want := AppendMaskedFragment(nil, op, fin, key, payload), gobwas.MustCompileFrame(masked); !bytes.Equal(got, want) {
					t.Errorf("%s of %d, FIN %v: client frames differ", op, size, fin)
				}
			}
		}
	}
}

// The two sides of the handshake against the other implementation's.
func TestHandshakeAgainstAnotherImplementation(t *testing.T) {
	const challenge = "dGhlIHNhbXBsZSBub25jZQ=="
	request := AppendUpgradeRequest(nil, "example.com:8080", "/a?b=c", challenge, "Sec-WebSocket-Protocol: x, chat")
	conn := struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(request), new(bytes.Buffer)}
	u := gobwas.Upgrader{Protocol: func(p []byte) bool { return string(p) == "chat" }}
	if _, err := u.Upgrade(conn); err != nil {
		t.Fatalf("our request: %v", err)
	}
	theirs := conn.Writer.(*bytes.Buffer).Bytes()
	if n, err := ParseUpgradeResponse(theirs, challenge); n != len(theirs) || err != nil {
		t.Errorf("their response %q: %d, %v", theirs, n, err)
	}
	for i := range theirs {
		if n, err := ParseUpgradeResponse(theirs[:i], challenge); n != 0 || err != nil {
			t.Errorf("their response, %d bytes of it: %d, %v", i, n, err)
		}
	}
	req, _, err := ParseRequest(&HandshakeLimits{}, request)
	if err != nil {
		t.Fatal(err)
	}
	ours := AppendUpgradeResponse(nil, &req, "chat", Deflate{})
	if !strings.Contains(string(theirs), string(AppendAccept(nil, challenge))) || !strings.Contains(string(ours), string(AppendAccept(nil, challenge))) {
		t.Errorf("theirs %q, ours %q", theirs, ours)
	}
}
