package edge

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/gateway/ws"
)

// numbered is a payload of n bytes that begins with its number.
func numbered(i, n int) []byte {
	p := bytes.Repeat([]byte{byte(i)}, n)
	binary.BigEndian.PutUint64(p, uint64(i))
	return p
}

// expectNumbered reads message i.
func (c *client) expectNumbered(t testing.TB, i, n int) {
	t.Helper()
	op, p, err := c.frame()
	if err != nil {
		t.Fatalf("message %d: %v", i, err)
	}
	if op != ws.Binary || !bytes.Equal(p, numbered(i, n)) {
		t.Fatalf("want message %d, got %v of %d bytes: %.16x", i, op, len(p), p)
	}
}

// A peer that stops reading in mid-stream, sends pings meanwhile and then reads
// everything finds each frame whole and in its place: a partial write goes on
// where it stopped, and a pong never lands inside another frame. When all is
// read, nothing counts as queued any more.
func TestPartialWrites(t *testing.T) {
	r := newRig().start(t)
	partialWrites(t, r, r.dialNarrow(t))
}

func partialWrites(t *testing.T, r *rig, c *client) {
	t.Helper()
	before := r.set.Edge().BytesIn.Load()
	r.conns(t, 1)
	const messages, size = 800, 20_000
	for i := range messages / 2 {
		r.publish(t, numbered(i, size))
	}
	eventually(t, "a full socket", func() bool { return r.h.Stats().QueuedBytes > 1<<20 })
	c.send(t, masked(ws.Ping, "first"))
	c.send(t, masked(ws.Ping, "second"))
	eventually(t, "the pings", func() bool { return r.set.Edge().BytesIn.Load() >= before+20 })
	for i := range messages / 2 {
		r.publish(t, numbered(messages/2+i, size))
	}

	pongs := 0
	for i := 0; i < messages; {
		op, p, err := c.frame()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		switch {
		case op == ws.Pong && pongs < 2:
			pongs++
		case op == ws.Binary && bytes.Equal(p, numbered(i, size)):
			i++
		default:
			t.Fatalf("want message %d, got %v of %d bytes: %.16x", i, op, len(p), p)
		}
	}
	if pongs == 0 {
		// The second took the place of the first, and comes behind all that was
		// posted before it: that may be every message.
		c.expect(t, ws.Pong, "second")
	}
	eventually(t, "the meter to come down to 0", func() bool {
		return r.h.Stats().QueuedBytes == 0 && r.conns(t, 1)[0].Queued() == 0
	})
	r.publish(t, numbered(messages, size))
	c.expectNumbered(t, messages, size)
}

// What is queued for a connection that the peer has just reset does not close
// it: the number of its descriptor would be free while the poller still has
// events for it, and they would hit the next connection that gets it.
func TestQueueLeavesAResetConnectionOpen(t *testing.T) {
	r := newRig().start(t)
	c := r.dial(t)
	conn := r.conns(t, 1)[0]
	conn.nc.Lock() // the poller waits for it
	c.reset()
	fd := []unix.PollFd{{Fd: int32(conn.nc.Hash())}}
	if _, err := unix.Poll(fd, int(patience.Milliseconds())); err != nil || fd[0].Revents&unix.POLLHUP == 0 {
		t.Errorf("the reset did not come: %v, events %#x", err, fd[0].Revents)
	}
	conn.Queue(100)
	queue(conn.nc, make([]byte, 100))
	closed, _ := conn.nc.IsClosed()
	conn.nc.Unlock()
	if closed {
		t.Error("the connection was closed by its sender")
	}
	eventually(t, "the poller to close it", func() bool { all, _ := r.Connections(); return all == 0 })
}

// Beyond the backstop a connection ends, and nothing more is queued for it.
func TestQueueHasABound(t *testing.T) {
	r := newRig().start(t)
	c := r.dial(t)
	conn := r.conns(t, 1)[0]
	conn.Queue(maxQueued - 10)
	conn.Send(make([]byte, 11))
	if n := conn.Queued(); n > maxQueued-10 {
		t.Errorf("%d bytes are queued", n)
	}
	if got := c.rest(t); len(got) != 0 {
		t.Errorf("got %d bytes", len(got))
	}
}

// What is queued when a connection is closed politely arrives, all of it, and
// then the close frame. (Close on nbio's side would throw it away.)
func TestPoliteClose(t *testing.T) {
	r := newRig()
	r.hub.Settings.WriteQueue = 64 << 20 // in nbio's queue, not in the hub's outbox
	r.start(t)
	politeClose(t, r, r.dialNarrow(t))
}

func politeClose(t *testing.T, r *rig, c *client) {
	t.Helper()
	r.conns(t, 1)
	const messages, size = 256, 64 << 10 // 16 MiB
	for i := range messages {
		r.publish(t, numbered(i, size))
	}
	eventually(t, "the queue", func() bool { return r.set.Cell(0).Deliveries.Load()+r.set.Cell(1).Deliveries.Load() == messages })
	id := r.h.Connections(1)[0].ID
	if !r.h.Disconnect(id, ws.AppendClose(nil, ws.ServiceRestart, "")) {
		t.Fatal("the connection is not known")
	}
	for i := range messages {
		c.expectNumbered(t, i, size)
	}
	c.expectClose(t, ws.ServiceRestart)
	_ = c.Close()
	eventually(t, "the connection to end", func() bool { all, _ := r.Connections(); return all == 0 && r.h.Stats().QueuedBytes == 0 })
}

// A connection that ends with a full queue leaves nothing behind on the meter.
func TestMeterOfLostConnections(t *testing.T) {
	r := newRig().start(t)
	for range 20 {
		c := r.dial(t)
		r.conns(t, 1)
		for i := range 200 {
			r.publish(t, numbered(i, 64<<10))
		}
		eventually(t, "a full socket", func() bool { return r.h.Stats().QueuedBytes > 1<<20 })
		c.reset()
		eventually(t, "the meter to come down to 0", func() bool {
			st := r.h.Stats()
			return st.Connections == 0 && st.QueuedBytes == 0
		})
	}
}

// Idle connections have no goroutines, on either side of the upgrade.
func TestGoroutinesOfIdleConnections(t *testing.T) {
	n := 5000
	if raceEnabled {
		n = 1500
	}
	r := newRig().start(t)
	before := runtime.NumGoroutine()
	for range n {
		r.dial(t)
	}
	r.conns(t, n)
	if more := runtime.NumGoroutine() - before; more >= 32 {
		t.Errorf("%d idle connections brought %d goroutines", n, more)
	}
}

// hot: sending to a socket that takes everything, and reading what a client sends.
func TestSendAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	r := newRig().start(t)
	c := r.dial(t)
	conn := r.conns(t, 1)[0]
	p := ws.AppendFrame(nil, ws.Binary, make([]byte, 128))
	buf := make([]byte, 64<<10)
	if allocs := testing.AllocsPerRun(500, func() {
		conn.Send(p)
		for n := 0; n < len(p); {
			m, err := c.TCPConn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for a Send", allocs)
	}
}
