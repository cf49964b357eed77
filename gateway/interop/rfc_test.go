package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/flate"

	"sluice/gateway/config"
)

// A row is a conversation of RFC 6455 or 7692 with a node that echoes: what a
// client sends, and what must come back.
type row struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	Deflate bool   `json:"deflate"` // the client offers permessage-deflate
	// Send are frames, in order.
	Send []frame `json:"send"`
	// Want are the messages and pongs that come back, as "text Hello".
	Want []string `json:"want"`
	// Code is that of the node's close frame; 0: the conversation is sound, and
	// the client ends it with 1000, which is echoed.
	Code int `json:"code"`
}

// A frame is what a client sends. Its payload is bytes.
type frame struct {
	Op      byte   `json:"op"`
	Fin     bool   `json:"fin"`
	RSV     byte   `json:"rsv,omitempty"`  // 4: RSV1, 2: RSV2, 1: RSV3
	Bare    bool   `json:"bare,omitempty"` // it is not masked
	Payload []byte `json:"payload"`
}

// Opcodes.
const (
	opMore   = 0
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

func f(op byte, payload string) frame { return frame{Op: op, Fin: true, Payload: []byte(payload)} }

// part is a fragment that another one follows.
func part(op byte, payload string) frame { return frame{Op: op, Payload: []byte(payload)} }

func rsv(bits byte, fr frame) frame {
	fr.RSV = bits
	return fr
}

func bare(fr frame) frame {
	fr.Bare = true
	return fr
}

func closing(code uint16, reason string) frame {
	return f(opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// small is a message as RFC 7692 section 7.2.1 has it.
func small(s string) string {
	var b strings.Builder
	w, _ := flate.NewWriter(&b, 6)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// rows is the table. The parser's own, with every split of every byte, is in
// gateway/ws; this one is what strangers find on the wire.
func rows() []row {
	long, kilo := strings.Repeat("x", 125), strings.Repeat("sluice ", 1000)
	list := []row{
		{"5.6", "text", false, []frame{f(opText, "Hello")}, []string{"text Hello"}, 0},
		{"5.6", "binary", false, []frame{f(opBinary, "\xff\x00")}, []string{"binary \xff\x00"}, 0},
		{"5.6", "empty messages", false, []frame{f(opText, ""), f(opBinary, "")}, []string{"text ", "binary "}, 0},
		{"5.6", "in order", false, []frame{f(opText, "1"), f(opBinary, "2"), f(opText, "3")}, []string{"text 1", "binary 2", "text 3"}, 0},
		{"5.2", "lengths of one, three and nine bytes", false, []frame{f(opBinary, long), f(opBinary, long+"x"), f(opBinary, strings.Repeat("y", 65535)), f(opBinary, strings.Repeat("z", 65536))}, []string{"binary " + long, "binary " + long + "x", "binary " + strings.Repeat("y", 65535), "binary " + strings.Repeat("z", 65536)}, 0},
		{"5.4", "two fragments", false, []frame{part(opText, "Hel"), f(opMore, "lo")}, []string{"text Hello"}, 0},
		{"5.4", "empty fragments", false, []frame{part(opText, ""), part(opMore, ""), f(opMore, "")}, []string{"text "}, 0},
		{"5.4", "a ping between fragments", false, []frame{part(opText, "Hel"), f(opPing, "p"), f(opMore, "lo")}, []string{"pong p", "text Hello"}, 0},
		{"5.4", "a continuation of nothing", false, []frame{f(opMore, "x")}, nil, 1002},
		{"5.4", "a message within a message", false, []frame{part(opText, "a"), f(opText, "b")}, nil, 1002},
		{"5.4", "good before bad", false, []frame{f(opText, "a"), f(opMore, "b")}, []string{"text a"}, 1002},
		{"5.5.2", "ping", false, []frame{f(opPing, long)}, []string{"pong " + long}, 0},
		{"5.5.2", "empty ping", false, []frame{f(opPing, "")}, []string{"pong "}, 0},
		{"5.5.3", "a pong that nobody asked for", false, []frame{f(opPong, "x"), f(opText, "y")}, []string{"text y"}, 0},
		{"5.5", "a long ping", false, []frame{f(opPing, long+"x")}, nil, 1002},
		{"5.5", "a ping in fragments", false, []frame{part(opPing, "x")}, nil, 1002},
		{"5.5.1", "close without a code", false, []frame{f(opClose, "")}, nil, 1000},
		{"5.5.1", "close of one byte", false, []frame{f(opClose, "\x03")}, nil, 1002},
		{"5.5.1", "close with a reason", false, []frame{closing(1000, "good night")}, nil, 1000},
		{"5.5.1", "a reason that is not UTF-8", false, []frame{closing(1000, "\xff")}, nil, 1007},
		{"5.5.1", "nothing counts after a close", false, []frame{closing(1000, ""), f(opText, "late")}, nil, 1000},
		{"5.1", "a frame that is not masked", false, []frame{bare(f(opText, "x"))}, nil, 1002},
		{"5.1", "a ping that is not masked", false, []frame{bare(f(opPing, "x"))}, nil, 1002},
		{"5.2", "RSV1", false, []frame{rsv(4, f(opText, "x"))}, nil, 1002},
		{"5.2", "RSV2", false, []frame{rsv(2, f(opBinary, "x"))}, nil, 1002},
		{"5.2", "RSV3", false, []frame{rsv(1, f(opPing, "x"))}, nil, 1002},
		{"5.2", "opcode 3", false, []frame{f(3, "x")}, nil, 1002},
		{"5.2", "opcode 15", false, []frame{f(15, "x")}, nil, 1002},
		{"8.1", "all planes", false, []frame{f(opText, "κόσμε 🙂 \U0010FFFF")}, []string{"text κόσμε 🙂 \U0010FFFF"}, 0},
		{"8.1", "a character in two fragments", false, []frame{part(opText, "\xe2\x82"), f(opMore, "\xac")}, []string{"text €"}, 0},
		{"8.1", "a surrogate", false, []frame{f(opText, "\xed\xa0\x80")}, nil, 1007},
		{"8.1", "overlong", false, []frame{f(opText, "\xc0\xaf")}, nil, 1007},
		{"8.1", "cut at the end", false, []frame{f(opText, "x\xe2\x82")}, nil, 1007},
		{"8.1", "in the first of fragments", false, []frame{part(opText, "\xff")}, nil, 1007},
		{"7.4.1", "too big", false, []frame{f(opBinary, strings.Repeat("x", 128<<10+1))}, nil, 1009},

		{"7692 7.2.3.1", "one block", true, []frame{rsv(4, f(opText, "\xf2\x48\xcd\xc9\xc9\x07\x00"))}, []string{"text Hello"}, 0},
		{"7692 7.2.3.1", "in two fragments", true, []frame{rsv(4, part(opText, "\xf2\x48\xcd")), f(opMore, "\xc9\xc9\x07\x00")}, []string{"text Hello"}, 0},
		{"7692 7.2.3.3", "a block without compression", true, []frame{rsv(4, f(opText, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"))}, []string{"text Hello"}, 0},
		{"7692 7.2.3.4", "a final block", true, []frame{rsv(4, f(opText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))}, []string{"text Hello"}, 0},
		{"7692 7.2.3.5", "two blocks", true, []frame{rsv(4, f(opText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"))}, []string{"text Hello"}, 0},
		{"7692 7.2.3.6", "an empty message", true, []frame{rsv(4, f(opText, "\x00"))}, []string{"text "}, 0},
		{"7692 6", "long ones come back compressed", true, []frame{rsv(4, f(opText, small(kilo))), f(opText, kilo)}, []string{"text " + kilo, "text " + kilo}, 0},
		{"7692 6.1", "a ping between fragments", true, []frame{rsv(4, part(opBinary, small(kilo)[:10])), f(opPing, "p"), f(opMore, small(kilo)[10:])}, []string{"pong p", "binary " + kilo}, 0},
		{"7692 6.1", "RSV1 on a continuation", true, []frame{rsv(4, part(opText, small("a"))), rsv(4, f(opMore, ""))}, nil, 1002},
		{"7692 5.1", "RSV1 on a ping", true, []frame{rsv(4, f(opPing, "x"))}, nil, 1002},
		{"7692 7.2.2", "what is not deflate", true, []frame{rsv(4, f(opText, "\x07"))}, nil, 1007},
		{"7692 7.2.2", "text that is not UTF-8", true, []frame{rsv(4, f(opText, small("\xff")))}, nil, 1007},
		{"7692 8", "a bomb", true, []frame{rsv(4, f(opBinary, small(strings.Repeat("\x00", 1<<20))))}, nil, 1009},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		list = append(list, row{"7.4", fmt.Sprint("close code ", code), false, []frame{closing(code, "")}, nil, int(code)})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		list = append(list, row{"7.4", fmt.Sprint("close code ", code), false, []frame{closing(code, "")}, nil, 1002})
	}
	return list
}

// echo starts a node for the table.
func echo(t *testing.T) *node {
	t.Helper()
	cfg := config.Default()
	ep := &cfg.Listeners[0].Endpoints[0]
	ep.Compression = config.Compression{Enabled: true, Level: 1, MinSize: 64}
	cfg.Limits.MessageSize = 128 << 10
	return start(t, cfg)
}

// TestRFCWithGobwas: C3, W1, W2, W3, W6, W7, W8 and W10, frame by frame, with gobwas/ws.
func TestRFCWithGobwas(t *testing.T) {
	n := echo(t)
	for i, r := range rows() {
		t.Run(r.Section+"/"+r.Name, func(t *testing.T) {
			d := ws.Dialer{Timeout: patience}
			if r.Deflate {
				d.Extensions = append(d.Extensions, wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}.Option())
			}
			conn, in, _, err := d.Dial(within(t), fmt.Sprintf("%s/?channel=gobwas-%d", n.ws, i))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			from := io.Reader(conn)
			if in != nil {
				from = in
			}
			for _, fr := range r.Send {
				_ = writeFrame(conn, fr) // the node may have closed already
			}
			count := len(r.Want)
			if r.Code != 0 {
				count = -1 // up to the close frame
			}
			got, code := readAll(t, from, count)
			if r.Code == 0 {
				if err := writeFrame(conn, closing(1000, "")); err != nil {
					t.Fatal(err)
				}
				_, code = readAll(t, from, -1)
			}
			r.check(t, got, code)
			if b, err := io.ReadAll(from); len(b) > 0 || err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("after the close frame: %q, %v", b, err)
			}
		})
	}
}

// check compares what came with the row.
func (r *row) check(t *testing.T, got []string, code int) {
	t.Helper()
	want := r.Code
	if want == 0 {
		want = 1000
	}
	if d := cmp.Diff(r.Want, got); d != "" || code != want {
		t.Errorf("close code %d, want %d; messages (-want +got):\n%.1000s", code, want, d)
	}
}

// writeFrame sends a frame as it is described, good or bad.
func writeFrame(w io.Writer, fr frame) error {
	h := ws.Header{Fin: fr.Fin, Rsv: fr.RSV, OpCode: ws.OpCode(fr.Op), Length: int64(len(fr.Payload)), Masked: !fr.Bare}
	payload := append([]byte(nil), fr.Payload...)
	if h.Masked {
		h.Mask = ws.NewMask()
		ws.Cipher(payload, h.Mask, 0)
	}
	if err := ws.WriteHeader(w, h); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readAll reads messages and pongs until there are n (-1: any number) or a close
// frame comes, and returns its code.
func readAll(t *testing.T, from io.Reader, n int) (got []string, code int) {
	t.Helper()
	for {
		if len(got) == n {
			return got, 0
		}
		h, err := ws.ReadHeader(from)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		if h.Masked || !h.Fin || h.Rsv&3 != 0 {
			t.Fatalf("a server does not send %+v", h)
		}
		whole := make([]byte, h.Length)
		if _, err := io.ReadFull(from, whole); err != nil {
			t.Fatal(err)
		}
		payload := string(whole)
		if h.Rsv == 4 {
			b, err := io.ReadAll(flate.NewReader(strings.NewReader(payload + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
			if err != nil {
				t.Fatal(err)
			}
			payload = string(b)
		}
		switch h.OpCode {
		case ws.OpText:
			got = append(got, "text "+payload)
		case ws.OpBinary:
			got = append(got, "binary "+payload)
		case ws.OpPong:
			got = append(got, "pong "+payload)
		case ws.OpClose:
			if len(payload) < 2 {
				return got, 1005
			}
			return got, int(binary.BigEndian.Uint16([]byte(payload)))
		}
	}
}

// TestRFCWithCoder: the same table, as far as a client with a message interface
// can say it, with coder/websocket.
func TestRFCWithCoder(t *testing.T) {
	n := echo(t)
	played := 0
	for i, r := range rows() {
		if !r.sayable() {
			continue
		}
		played++
		t.Run(r.Section+"/"+r.Name, func(t *testing.T) {
			ctx := within(t)
			o := &websocket.DialOptions{}
			if r.Deflate {
				o.CompressionMode, o.CompressionThreshold = websocket.CompressionNoContextTakeover, 1
			}
			c, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/?channel=coder-%d", n.ws, i), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.CloseNow() }()
			c.SetReadLimit(-1)
			if err := r.say(ctx, c); err != nil {
				t.Fatal(err)
			}
			var got []string
			for range r.Want {
				kind, b, err := c.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.ToLower(strings.TrimPrefix(kind.String(), "Message"))+" "+string(b))
			}
			if r.Code == 0 {
				if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
					t.Errorf("the close was not echoed: %v", err)
				}
				r.check(t, got, 1000)
				return
			}
			_, _, err = c.Read(ctx)
			r.check(t, got, int(websocket.CloseStatus(err)))
		})
	}
	if played < 20 {
		t.Errorf("only %d rows can be said", played)
	}
}

// sayable: whole messages, or fragments without anything between, and no pings.
func (r *row) sayable() bool {
	for _, fr := range r.Send {
		if fr.RSV&3 != 0 || fr.Bare || fr.Op > opBinary || r.Code == 1002 || fr.RSV != 0 && r.Section == "7692 7.2.2" {
			return false
		}
	}
	return true
}

// say sends the row's messages through the client's interface.
func (r *row) say(ctx context.Context, c *websocket.Conn) error {
	var w io.WriteCloser
	for _, fr := range r.Send {
		payload := fr.Payload
		if w == nil {
			kind := websocket.MessageText
			if fr.Op == opBinary {
				kind = websocket.MessageBinary
			}
			if fr.RSV == 4 { // what it means, and the client compresses itself
				whole := string(payload)
				for _, next := range r.Send[1:] {
					if next.Op == opMore {
						whole += string(next.Payload)
					}
				}
				b, err := io.ReadAll(flate.NewReader(strings.NewReader(whole + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
				if err != nil {
					return err
				}
				if err := c.Write(ctx, kind, b); err != nil {
					return err
				}
				if !fr.Fin {
					return nil
				}
				continue
			}
			var err error
			if w, err = c.Writer(ctx, kind); err != nil {
				return err
			}
		}
		if _, err := w.Write(payload); err != nil {
			return err
		}
		if fr.Fin {
			if err := w.Close(); err != nil {
				return err
			}
			w = nil
		}
	}
	if w != nil { // what the client keeps of an unfinished message goes out with a ping
		go func() { _ = c.Ping(ctx) }()
	}
	return nil
}
