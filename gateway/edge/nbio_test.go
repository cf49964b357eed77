package edge

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lesismal/nbio"

	"sluice/gateway/internal/pool"
	"sluice/gateway/metrics"
	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// What nbio v1.6.12 needs to be handled with care, one test for each. The ones
// about queues are in queue_test.go, about descriptors that are used again in
// reuse_test.go, about running out of them in emfile_test.go.

// Level-triggered events, reads on the poller, TCP, our
// allocator, one engine: every other mode spins, drops bytes or keeps memory.
func TestEngineModes(t *testing.T) {
	r := newRig()
	r.options.Pollers = 3
	r.start(t)
	e := r.engine
	if e.EpollMod != nbio.EPOLLLT || e.EPOLLONESHOT != 0 {
		t.Errorf("epoll mode %#x, one-shot %#x, want level-triggered", e.EpollMod, e.EPOLLONESHOT)
	}
	if e.AsyncReadInPoller || e.IOExecute != nil {
		t.Error("reads leave the poller: the default pool for that hands out buffers of 0 bytes")
	}
	if e.Network != "tcp" || len(e.Addrs) != 0 {
		t.Errorf("nbio listens itself, on %s %v", e.Network, e.Addrs)
	}
	if _, ok := e.BodyAllocator.(pool.Allocator); !ok {
		t.Errorf("write queues come from a %T", e.BodyAllocator)
	}
	if e.NPoller != 3 {
		t.Errorf("%d pollers, want those of the one engine", e.NPoller)
	}
}

// The calls of nbio.Conn that lose bytes, start timers or close a connection
// under another's events stand nowhere in this package. By convention nc is an
// nbio.Conn and tc a net.TCPConn that nbio has not seen.
func TestForbiddenCalls(t *testing.T) {
	forbidden := map[string]string{
		"Write":            "it closes the connection when the peer resets it in that moment",
		"Writev":           "after a partial write the later slices are dropped",
		"Sendfile":         "it blocks the poller",
		"SetDeadline":      "its timer outlives the write and closes a healthy connection",
		"SetReadDeadline":  "each call costs a timer",
		"SetWriteDeadline": "its timer outlives the write and closes a healthy connection",
		"AsyncRead":        "reads stay on the poller",
		"OnData":           "reads stay in onRead",
		"SetETAsyncRead":   "reads stay on the poller",
		"Execute":          "a goroutine a connection",
		"ExecuteLen":       "it locks what the callbacks hold",
		"Close":            "only the poller may",
		"CloseWithError":   "only the poller may",
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			on := types.ExprString(sel.X)
			if on != "nc" && !strings.HasSuffix(on, ".nc") && on != "e.engine" {
				return true
			}
			why, bad := forbidden[sel.Sel.Name]
			// read.go runs on the poller.
			if bad && (name != "read.go" || !strings.HasPrefix(sel.Sel.Name, "Close")) {
				t.Errorf("%s: %s.%s: %s", fset.Position(call.Pos()), on, sel.Sel.Name, why)
			}
			return true
		})
	}
}

// T17: a panic while a client's bytes are handled ends that connection, with a
// close frame that says so, and nothing else. It runs on the poller, where it
// would end the process.
func TestPanicCostsOneConnection(t *testing.T) {
	r := newRig()
	broken := &Endpoint{Path: "/broken", Session: &session.Endpoint{Cell: r.set.Edge(), Limits: new(atomic.Pointer[session.Limits])}}
	broken.Origins.Store(new(Origins))
	dead := &Endpoint{Path: "/dead"} // no session, no origins: the upgrade itself panics
	r.options.Listeners[0].Endpoints = append(r.options.Listeners[0].Endpoints, broken, dead)
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	broken.Session.Hub = r.h
	r.run(t)

	good := r.dial(t)
	bad := r.connect(t)
	if err := bad.upgrade("/broken"); err != nil {
		t.Fatal(err)
	}
	bad.send(t, masked(ws.Text, "no limits are set: this panics"))
	bad.expectClose(t, ws.InternalError)
	worse := r.connect(t)
	worse.send(t, request("/dead"))
	if got := worse.rest(t); len(got) > 0 {
		t.Errorf("answered %q", got)
	}
	if n := r.set.Edge().Panics.Load(); n != 2 {
		t.Errorf("%d panics were counted, want 2", n)
	}
	if n := r.failures(metrics.HandshakePanic); n != 1 {
		t.Errorf("%d handshakes ended in a panic, want 1", n)
	}
	good.send(t, masked(ws.Text, "still here"))
	good.expect(t, ws.Text, "still here")
	_ = bad.Close()
	eventually(t, "both to be gone", func() bool {
		all, handshaking := r.Connections()
		return all == 1 && handshaking == 0 && r.closed(metrics.ClosePanic) == 1
	})
}

// Nothing is closed while a connection is being added; one that its peer has
// already left is found by the poller, and counted down again.
func TestGoneBeforeItWasAdded(t *testing.T) {
	r := newRig().start(t)
	for i := range 300 {
		c, err := connect(r.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			c.reset()
		case 1:
			_ = c.Close()
		case 2: // resets during the upgrade
			_, _ = c.Write(request("/"))
			c.reset()
		}
	}
	eventually(t, "300 to come and go", func() bool {
		all, handshaking := r.Connections()
		return all == 0 && handshaking == 0 && r.set.Edge().Accepted.Load() == 300
	})
	eventually(t, "the hub to forget them", func() bool {
		st := r.h.Stats()
		return st.Connections == 0 && st.Channels == 0 && st.QueuedBytes == 0
	})
	cell := r.set.Edge()
	eventually(t, "300 handshakes to have ended well or to be lost", func() bool {
		return cell.Handshakes.Load()+r.failures(metrics.HandshakeLost) == 300
	})
}

// A peer that sends, says goodbye and closes its side at once loses nothing of
// what it sent: the socket is emptied before the end is acted upon.
func TestHalfClose(t *testing.T) {
	r := newRig().start(t)
	reader := r.dial(t)
	const messages = 400
	for run := range 10 {
		var all []byte
		for i := range messages {
			all = append(all, masked(ws.Text, fmt.Sprintf("%d %d %s", run, i, strings.Repeat("x", 700)))...)
		}
		c := r.dial(t)
		c.send(t, append(all, closing(ws.NormalClosure)...))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			reader.expect(t, ws.Text, fmt.Sprintf("%d %d %s", run, i, strings.Repeat("x", 700)))
		}
		go func() { _, _ = io.Copy(io.Discard, c.in) }()
	}
	eventually(t, "ten goodbyes", func() bool { return r.closed(metrics.CloseByClient) == 10 })
}

// The kernel sends no probes: Go's default is one every 15 s and connection.
func TestKeepAliveIsOff(t *testing.T) {
	r := newRig().start(t)
	r.dial(t)
	nc := r.conns(t, 1)[0].nc
	on, err := syscall.GetsockoptInt(nc.Hash(), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
	if err != nil || on != 0 {
		t.Errorf("SO_KEEPALIVE is %d, %v", on, err)
	}
	if off, err := syscall.GetsockoptInt(nc.Hash(), syscall.IPPROTO_TCP, syscall.TCP_NODELAY); err != nil || off == 0 {
		t.Errorf("TCP_NODELAY is %d, %v: small frames would wait for acknowledgements", off, err)
	}
}

// L5: what the kernel takes for a client that does not read has a bound of its own.
func TestSendBuffer(t *testing.T) {
	const bytes = 32 << 10
	r := newRig()
	r.options.Listeners[0].SendBuffer = bytes
	r.start(t)
	r.dial(t)
	nc := r.conns(t, 1)[0].nc
	if n, err := syscall.GetsockoptInt(nc.Hash(), syscall.SOL_SOCKET, syscall.SO_SNDBUF); err != nil || n != 2*bytes { // socket(7): it is doubled
		t.Errorf("SO_SNDBUF is %d, %v, not twice %d", n, err, bytes)
	}
}

// nbio.Conn holds no addresses (160 bytes a connection); who is there is asked from
// the kernel, also on a listener for IPv4 and IPv6 together.
func TestRemoteAddr(t *testing.T) {
	if _, err := layoutOf(); err != nil {
		t.Fatal(err)
	}
	r := newRig()
	r.options.Listeners = append(r.options.Listeners, Listener{Address: ":0", Endpoints: []*Endpoint{r.endpoint}})
	r.start(t)
	var want []string
	for _, address := range r.Addresses() {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := connect("127.0.0.1:" + port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		want = append(want, c.LocalAddr().String())
	}
	for _, c := range r.conns(t, 2) {
		if !slices.Contains(want, c.RemoteAddr()) {
			t.Errorf("RemoteAddr is %s, want one of %s", c.RemoteAddr(), want)
		}
		if c.nc.RemoteAddr() != nil || c.nc.LocalAddr() != nil {
			t.Error("the addresses are still held")
		}
	}
}
