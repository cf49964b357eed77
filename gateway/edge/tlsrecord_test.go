package edge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"sluice/gateway/ws"
)

// A splitter is a client's socket that writes in pieces, each after the edge
// has read the one before, or holds back what is written.
type splitter struct {
	*net.TCPConn
	read func() uint64 // bytes that the edge has read
	sent uint64
	cut  func(n int) []int // where a write of n bytes is cut, ascending
	held *bytes.Buffer     // nil: nothing is held back
}

// errUnread: the edge does not read on, as it has cut the connection.
var errUnread = errors.New("a piece is not read")

func (s *splitter) Write(p []byte) (int, error) {
	if s.held != nil {
		return s.held.Write(p)
	}
	total := len(p)
	for _, next := range append(s.cuts(total), total) {
		from := total - len(p)
		if next = min(next, total); next <= from {
			continue
		}
		piece := p[:next-from]
		p = p[next-from:]
		if _, err := s.TCPConn.Write(piece); err != nil {
			return 0, err
		}
		s.sent += uint64(len(piece))
		for end := time.Now().Add(patience); len(p) > 0 && s.read() < s.sent; runtime.Gosched() {
			if time.Now().After(end) {
				return 0, errUnread
			}
		}
	}
	return total, nil
}

func (s *splitter) cuts(n int) []int {
	if s.cut == nil {
		return nil
	}
	return s.cut(n)
}

// release sends what was held back, in one write.
func (s *splitter) release() error {
	b := s.held.Bytes()
	s.held = nil
	_, err := s.TCPConn.Write(b)
	return err
}

// split opens a connection whose writes are cut.
func (r *tlsRig) split(t testing.TB, c *tls.Config, cut func(int) []int) (*tlsClient, *splitter, error) {
	t.Helper()
	raw := r.connect(t)
	cell := r.set.Edge()
	begin := cell.BytesIn.Load()
	s := &splitter{TCPConn: raw.TCPConn, cut: cut, read: func() uint64 { return cell.BytesIn.Load() - begin }}
	conn := tls.Client(s, c)
	if err := conn.Handshake(); err != nil {
		return nil, s, err
	}
	in := *raw
	in.in.Reset(conn)
	in.out = conn
	return &tlsClient{&in, conn}, s, nil
}

// T12: a record may come in two pieces that are cut at any byte, the handshake's
// records in single bytes, and what is read is the same.
func TestT12SplitAnywhere(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		// A busy machine takes seconds for a handshake of single bytes.
		r.tls.HandshakeTimeout, r.options.Settings.HandshakeTimeout = 2*patience, 2*patience
		r.start(t)
		for _, v := range bothVersions {
			c := r.config()
			c.MinVersion, c.MaxVersion = v, v
			single := func(n int) (cuts []int) {
				for i := range n {
					cuts = append(cuts, i)
				}
				return cuts
			}
			client, s, err := r.split(t, c, single)
			if err != nil {
				t.Fatal(err)
			}
			s.cut = nil
			if err := client.upgrade("/"); err != nil {
				t.Fatal(err)
			}
			const overhead = 6 + 5 + 16 + 8 + 1 // of a frame and of a record, at most
			for _, size := range []int{0, 1, 20, 125} {
				for at := range size + overhead {
					s.cut = func(int) []int { return []int{at} }
					text := fmt.Sprintf("%0*d", size, at)
					client.send(t, masked(ws.Text, text))
					client.expect(t, ws.Text, text)
				}
			}
			// A record of the largest size, and a message of several, around their edges.
			for _, size := range []int{16 << 10, 40_000} {
				for _, at := range []int{1, 4, 5, 6, 13, 21, 16<<10 - 1, 16 << 10, 16<<10 + 5, 16<<10 + 21, 16<<10 + 22, 16<<10 + 27} {
					s.cut = func(int) []int { return []int{at, at + 1} }
					text := string(numbered(at, size))
					client.send(t, masked(ws.Binary, text))
					client.expect(t, ws.Binary, text)
				}
			}
		}
	})
}

// FuzzTLSRecords: T12: whatever records bytes are put in, and however these are
// cut, a listener whose pollers decrypt reads what one with goroutines reads.
func FuzzTLSRecords(f *testing.F) {
	f.Add([]byte("hello"), []byte{1, 2, 3})
	f.Add(bytes.Repeat([]byte("x"), 40_000), []byte{255, 0, 7, 255, 255})
	f.Add([]byte{}, []byte{0})
	f.Add(bytes.Repeat([]byte{0, 1}, 100), []byte{5, 16, 1})
	rigs := []*tlsRig{newTLSRig(f), newTLSRig(f)}
	rigs[1].tls.Goroutines = true
	var clients []*tlsClient
	var cutters []*splitter
	for _, r := range rigs {
		r.start(f)
		c, s, err := r.split(f, r.config(), nil)
		if err != nil {
			f.Fatal(err)
		}
		if err := c.upgrade("/"); err != nil {
			f.Fatal(err)
		}
		clients, cutters = append(clients, c), append(cutters, s)
	}
	f.Fuzz(func(t *testing.T, payload, script []byte) {
		if len(payload) > 200_000 || len(script) > 64 {
			return
		}
		var got [2][]byte
		for i, c := range clients {
			_ = c.SetDeadline(time.Now().Add(patience)) // they are dialled once
			frame := masked(ws.Binary, string(payload))
			for k := 0; len(frame) > 0; k++ { // records of these sizes, cut at these places
				size := len(frame)
				if k < len(script) {
					size = min(size, 1+int(script[k])*100)
					cutters[i].cut = func(n int) []int { return []int{int(script[k]) % (n + 1)} }
				} else {
					cutters[i].cut = nil
				}
				if _, err := c.Write(frame[:size]); err != nil {
					t.Fatal(err)
				}
				frame = frame[size:]
			}
			op, p, err := c.frame()
			if err != nil || op != ws.Binary {
				t.Fatalf("listener %d: %v %v", i, op, err)
			}
			got[i] = p
		}
		if !bytes.Equal(got[0], payload) || !bytes.Equal(got[1], payload) {
			t.Errorf("of %d bytes: the loop read %d, the goroutine %d", len(payload), len(got[0]), len(got[1]))
		}
	})
}

// T13: a request that comes in the same segment as the end of the handshake is
// answered, although no event tells of it any more.
func TestT13CoalescedRequest(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		for _, v := range bothVersions {
			c := r.config()
			c.MinVersion, c.MaxVersion = v, v
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			if v == tls.VersionTLS12 { // the client speaks last in a resumed handshake only
				first, err := r.handshake(t, c)
				if err != nil {
					t.Fatal(err)
				}
				if err := first.upgrade("/"); err != nil {
					t.Fatal(err)
				}
			}
			for range 20 {
				raw := r.connect(t)
				s := &splitter{TCPConn: raw.TCPConn}
				conn := tls.Client(&holdSecond{s}, c)
				if err := conn.Handshake(); err != nil {
					t.Fatal(err)
				}
				if s.held == nil || s.held.Len() == 0 {
					t.Fatalf("%s: nothing was held back", tls.VersionName(v))
				}
				if _, err := conn.Write(append(request("/"), masked(ws.Text, "and a message")...)); err != nil {
					t.Fatal(err)
				}
				if err := s.release(); err != nil {
					t.Fatal(err)
				}
				raw.in.Reset(conn)
				raw.out = conn
				if err := raw.accepted(); err != nil {
					t.Fatalf("%s: %v", tls.VersionName(v), err)
				}
				raw.expect(t, ws.Text, "and a message")
				raw.reset()
			}
		}
	})
}

// holdSecond sends the first write, the ClientHello, and holds back all others.
type holdSecond struct{ *splitter }

func (h *holdSecond) Write(p []byte) (int, error) {
	n, err := h.splitter.Write(p)
	if h.held == nil && err == nil && h.sent == uint64(n) {
		h.held = new(bytes.Buffer)
	}
	return n, err
}

// The self-test passes with what the wire returns, and not with an error that poisons.
func TestTLSSelfTest(t *testing.T) {
	if err := selfTest(errWouldBlock); err != nil {
		t.Error(err)
	}
	if err := selfTest(errors.New("not temporary")); err == nil {
		t.Error("an error that is not temporary did no harm: the self-test proves nothing")
	}
	if b := buffersOf(); !b.ok {
		t.Error("crypto/tls has other buffers")
	}
}

// Where the self-test fails, connections get goroutines and all else is the same.
func TestTLSWithoutTheLoop(t *testing.T) {
	r := newTLSRig(t)
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	r.loop, r.buffers.ok = false, false
	r.run(t)
	c := r.dial(t)
	c.send(t, masked(ws.Text, "by goroutine"))
	c.expect(t, ws.Text, "by goroutine")
	if r.tlsConns(t, 1)[0].relay.Load() == nil {
		t.Error("the poller reads")
	}
	if g := r.TLS(); g.Loop || g.Release {
		t.Errorf("the state is shown as %+v", *g)
	}
}
