package attack

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"sluice/gateway/ws"
)

// conn is one connection of an attacker: TCP, or TLS over it.
type conn struct {
	net.Conn              // what bytes are written to and read from
	tcp      *net.TCPConn // what is below
	a        *assault
	unwatch  func() bool
	reader   *bufio.Reader
	upgraded bool
	extended bool          // permessage-deflate was agreed on
	opened   chan struct{} // closed with the upgrade
	got      atomic.Bool   // a message came
}

// drop resets the connection.
func (c *conn) drop() {
	c.unwatch()
	_ = c.tcp.Close()
}

// Write counts what was sent.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.a.sent.Add(uint64(n))
	return n, err
}

func (c *conn) in() *bufio.Reader {
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(c.Conn, 2<<10)
	}
	return c.reader
}

// tlsConfig takes any certificate: the attack is on who shows it.
func tlsConfig(host string) *tls.Config {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: []string{"http/1.1"}} //nolint:gosec // an attacker trusts anyone
}

// connect is dial, with TLS where the URL says so.
func (a *assault) connect() (*conn, error) {
	c, err := a.dial()
	if err != nil || !a.secure {
		return c, err
	}
	if err := c.handshake(tlsConfig(a.host)); err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

func (c *conn) handshake(config *tls.Config) error {
	t := tls.Client(c.Conn, config)
	if err := t.HandshakeContext(c.a.ctx); err != nil {
		return err
	}
	c.Conn = t
	return nil
}

// upgrade opens a WebSocket. Where it is refused, o says how, and c is nil.
func (a *assault) upgrade(target string, headers ...string) (c *conn, o outcome) {
	c, err := a.connect()
	if err != nil {
		return nil, a.failed(err)
	}
	if _, err := c.Write(a.request(target, headers...)); err != nil {
		o := c.fate()
		c.drop()
		return nil, o
	}
	if o := c.answer(); !c.upgraded {
		c.drop()
		return nil, o
	}
	return c, outcome{}
}

// request is a whole upgrade request.
func (a *assault) request(target string, headers ...string) []byte {
	return ws.AppendUpgradeRequest(nil, a.host, target, newKey(), headers...)
}

func newKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}

// answer reads a response, and says which status it has.
func (c *conn) answer() outcome {
	line, err := c.in().ReadString('\n')
	if err != nil {
		return c.ended(err)
	}
	status, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(status) < 3 {
		return outcome{what: "no HTTP"}
	}
	for {
		line, err := c.in().ReadString('\n')
		if err != nil {
			return c.ended(err)
		}
		if line == "\r\n" {
			break
		}
		if strings.HasPrefix(strings.ToLower(line), "sec-websocket-extensions: permessage-deflate") {
			c.extended = true
		}
	}
	if c.upgraded = status[:3] == "101"; c.upgraded {
		close(c.opened)
	}
	return outcome{what: "HTTP " + status[:3]}
}

// fate waits for the end that the server makes of the connection: a status, if
// there was no upgrade yet, or a close frame, or neither.
func (c *conn) fate() outcome {
	if !c.upgraded {
		if o := c.answer(); !c.upgraded {
			return o
		}
	}
	for {
		op, payload, err := c.frame()
		if err != nil {
			return c.ended(err)
		}
		if op == ws.Close {
			return closedWith(payload)
		}
		if op == ws.Text || op == ws.Binary {
			c.got.Store(true)
		}
	}
}

func closedWith(payload []byte) outcome {
	if len(payload) < 2 {
		return outcome{what: "close 1005"} // no status (RFC 6455 section 7.1.5)
	}
	return outcome{what: fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload))}
}

// frame reads one frame of the server; of its payload it keeps the first 125 bytes.
func (c *conn) frame() (ws.Opcode, []byte, error) {
	r := c.in()
	var h [8]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return 0, nil, err
	}
	op, n := ws.Opcode(h[0]&0x0F), uint64(h[1]&0x7F)
	switch n {
	case 126:
		if _, err := io.ReadFull(r, h[:2]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(h[:2]))
	case 127:
		if _, err := io.ReadFull(r, h[:8]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(h[:8])
	}
	kept := make([]byte, min(n, 125))
	if _, err := io.ReadFull(r, kept); err != nil {
		return 0, nil, err
	}
	_, err := r.Discard(int(n) - len(kept))
	return op, kept, err
}

// ended is the outcome where reading or writing failed.
func (c *conn) ended(err error) outcome {
	var alert tls.AlertError
	switch {
	case c.a.ctx.Err() != nil:
		return outcome{what: held}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return outcome{what: "no answer"}
	case errors.As(err, &alert):
		return outcome{what: "TLS alert"}
	}
	return outcome{what: cut}
}

// end is how a connection ended, once done is closed.
type end struct {
	done chan struct{}
	outcome
}

// listen has the server's words read while the attacker writes.
func (c *conn) listen() *end {
	e := &end{done: make(chan struct{})}
	go func() {
		e.outcome = c.fate()
		close(e.done)
	}()
	return e
}

func (e *end) wait() outcome {
	<-e.done
	return e.outcome
}

// flood writes what next returns, with pauses between, until the server ends the
// connection or next returns nothing, waits for that end and says how it was.
func (c *conn) flood(pause time.Duration, next func() []byte) outcome {
	e := c.listen()
	var tick <-chan time.Time
	if pause > 0 {
		t := time.NewTicker(pause)
		defer t.Stop()
		tick = t.C
	}
	for {
		b := next()
		if len(b) == 0 {
			return e.wait()
		}
		if _, err := c.Write(b); err != nil {
			return e.wait()
		}
		if pause == 0 {
			select {
			case <-e.done:
				return e.outcome
			default:
				continue
			}
		}
		select {
		case <-e.done:
			return e.outcome
		case <-tick:
		}
	}
}

// deaf writes what next returns, and reads nothing before the server has ended
// the connection, or the attack is over.
func (c *conn) deaf(next func() []byte) outcome {
	for {
		if _, err := c.Write(next()); err != nil {
			return c.fate()
		}
	}
}

// unread holds the connection without reading from it, and sends a pong now and
// then: that is how it learns of the end.
func (c *conn) unread() outcome {
	pong := masked(ws.Pong, nil)
	for c.a.rest(250 * time.Millisecond) {
		if _, err := c.Write(pong); err != nil {
			return c.fate()
		}
	}
	return outcome{what: held}
}

// squeeze makes the receive buffer as small as it can be.
func (c *conn) squeeze() { _ = c.tcp.SetReadBuffer(4 << 10) }

// masked is one frame of a client.
func masked(op ws.Opcode, payload []byte) []byte {
	return ws.AppendMaskedFrame(nil, op, maskKey(), payload)
}

// maskKey is the same for all frames: it protects proxies from hostile scripts
// (RFC 6455 section 10.3), and an attacker is one.
func maskKey() [4]byte { return [4]byte{0x5A, 0xC3, 0x96, 0x1F} }
