package edge

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/ws"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// A client is the other end of a connection, byte by byte: it does what no
// well-behaved library would.
type client struct {
	*net.TCPConn
	in  *bufio.Reader
	out io.Writer // the socket, or what encrypts
}

// Write implements io.Writer.
func (c *client) Write(p []byte) (int, error) { return c.out.Write(p) }

// connect opens a connection and sends nothing.
func connect(address string) (*client, error) { return dial(&net.Dialer{}, address) }

// connectNarrow is connect for a client whose kernel takes hardly more than it
// reads. (To narrow an open connection would take back what was offered; both
// kernels may then wait for a retransmission for minutes.)
func connectNarrow(address string) (*client, error) {
	return dial(&net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		failed := rc.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		})
		return errors.Join(failed, err)
	}}, address)
}

func dial(d *net.Dialer, address string) (*client, error) {
	d.Timeout = patience
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return nil, err
	}
	return &client{c.(*net.TCPConn), bufio.NewReaderSize(c, 4<<10), c}, nil
}

// upgrade asks for a WebSocket and reads the 101. behind follows the request in the same segment.
func (c *client) upgrade(target string, behind ...byte) error {
	if _, err := c.Write(append(request(target), behind...)); err != nil {
		return err
	}
	return c.accepted()
}

// readHead reads a response's head, and not a byte more.
func (c *client) readHead() (head []byte, err error) {
	for {
		line, err := c.in.ReadBytes('\n')
		if head = append(head, line...); err != nil {
			return head, fmt.Errorf("after %q: %w", head, err)
		}
		if len(line) == 2 {
			return head, nil
		}
	}
}

// head is readHead for a test.
func (c *client) head(t testing.TB) string {
	t.Helper()
	head, err := c.readHead()
	if err != nil {
		t.Fatal(err)
	}
	return string(head)
}

// accepted reads the 101.
func (c *client) accepted() error {
	head, err := c.readHead()
	if err != nil {
		return err
	}
	if _, err := ws.ParseUpgradeResponse(head, sampleKey); err != nil {
		return fmt.Errorf("%w: %q", err, head)
	}
	return nil
}

func request(target string, headers ...string) []byte {
	return ws.AppendUpgradeRequest(nil, "example.com", target, sampleKey, headers...)
}

// masked is a client's frame.
func masked(op ws.Opcode, payload string) []byte {
	return ws.AppendMaskedFrame(nil, op, [4]byte{1, 2, 3, 4}, []byte(payload))
}

// closing is a client's close frame.
func closing(code ws.CloseCode) []byte {
	return masked(ws.Close, string(ws.AppendClosePayload(nil, code, "")))
}

// frame reads a server's frame.
func (c *client) frame() (op ws.Opcode, payload []byte, err error) {
	var head [10]byte
	if _, err = io.ReadFull(c.in, head[:2]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xF0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("a server does not send frames that begin with %x", head[:2])
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(c.in, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(c.in, head[2:10])
		n = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return 0, nil, err
	}
	if n > 1<<30 {
		return 0, nil, errors.New("the stream is torn: a frame of more than 1 GiB")
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.in, payload)
	return ws.Opcode(head[0] & 0xF), payload, err
}

// reset leaves without a goodbye: the kernel sends RST.
func (c *client) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// connect opens a connection to the rig and closes it when the test ends.
func (r *rig) connect(t testing.TB) *client {
	t.Helper()
	c, err := connect(r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dial opens a WebSocket on the rig's endpoint.
func (r *rig) dial(t testing.TB) *client {
	t.Helper()
	c := r.connect(t)
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	return c
}

// dialNarrow is dial for a client whose kernel takes hardly more than it reads.
func (r *rig) dialNarrow(t testing.TB) *client {
	t.Helper()
	c, err := connectNarrow(r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends raw bytes.
func (c *client) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// expect reads a frame and compares it.
func (c *client) expect(t testing.TB, op ws.Opcode, payload string) {
	t.Helper()
	gotOp, got, err := c.frame()
	if err != nil {
		t.Fatalf("want %v %.40q: %v", op, payload, err)
	}
	if gotOp != op || string(got) != payload {
		t.Fatalf("got %v %.40q, want %v %.40q", gotOp, got, op, payload)
	}
}

// expectClose reads a close frame with this code, and then the end.
func (c *client) expectClose(t testing.TB, code ws.CloseCode) {
	t.Helper()
	op, payload, err := c.frame()
	if err != nil {
		t.Fatalf("want a close frame: %v", err)
	}
	if got, _, _ := ws.ParseClose(payload); op != ws.Close || got != code {
		t.Fatalf("got %v %q, want close %d", op, payload, code)
	}
	if _, _, err := c.frame(); err == nil || isTimeout(err) {
		t.Fatalf("after the close frame: %v, want the end", err)
	}
}

// rest reads everything up to the end of the connection, however it ends.
func (c *client) rest(t testing.TB) []byte {
	t.Helper()
	b, err := io.ReadAll(c.in)
	if isTimeout(err) {
		t.Fatalf("the connection is still open after %q", b)
	}
	return b
}

// response reads an HTTP response up to the end of the connection, and its
// status and body. Nothing may follow the body.
func (c *client) response(t testing.TB) (status int, body string) {
	t.Helper()
	all := string(c.rest(t))
	head, body, ok := strings.Cut(all, "\r\n\r\n")
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d ", &status); !ok || err != nil {
		t.Fatalf("no response: %q", all)
	}
	if !strings.Contains(head, "\r\nConnection: close\r\n") {
		t.Errorf("the response does not say that the connection ends: %q", head)
	}
	return status, body
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
