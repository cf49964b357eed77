package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// narrow opens a WebSocket over TLS for a client whose kernel takes hardly more
// than it reads.
func (r *tlsRig) narrow(t *testing.T) *tlsClient {
	t.Helper()
	raw, err := connectNarrow(r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c, err := over(raw, r.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	return c
}

// L5: what waits as ciphertext counts: a full socket, and one that is read
// again, are over TLS what they are without, to the last byte of the meter.
func TestTLSPartialWrites(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		partialWrites(t, r.rig, r.narrow(t).client)
	})
}

// What is queued arrives, then the close frame, and then a close_notify, after
// which the client knows that nothing was cut off.
func TestTLSPoliteClose(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.hub.Settings.WriteQueue = 64 << 20
		r.start(t)
		politeClose(t, r.rig, r.narrow(t).client)

		c := r.dial(t)
		c.send(t, closing(ws.NormalClosure))
		c.expect(t, ws.Close, string(ws.AppendClosePayload(nil, ws.NormalClosure, "")))
		if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("after the close frame: %v, want the end that a close_notify says", err)
		}
	})
}

// A client that says that it leaves is told so, too, and its connection ends.
func TestTLSCloseNotify(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		c := r.dial(t)
		r.tlsConns(t, 1)
		if err := c.tls.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the answer is %v", err)
		}
		eventually(t, "the end", func() bool { all, _ := r.Connections(); return all == 0 })
		eventually(t, "the lost one to be counted", func() bool { return r.closed(metrics.CloseLost) == 1 }) // the hub hears later
	})
}

// A batch of many frames leaves in as few writes as its bytes need, not in one
// for each record.
func TestTLSCork(t *testing.T) {
	r := newTLSRig(t).startTLS(t)
	c := r.dial(t)
	conn := r.tlsConns(t, 1)[0]
	big := ws.AppendFrame(nil, ws.Binary, numbered(1, 60_000)) // four records
	var got int
	conn.nc.Lock() // while it is held, nothing leaves
	done := make(chan struct{})
	go func() { conn.Send(big); close(done) }()
	conn.nc.Unlock()
	<-done
	conn.nc.Lock()
	if conn.corked != nil {
		t.Error("still corked")
	}
	conn.nc.Unlock()
	buf := make([]byte, 128<<10)
	for want := len(big) + 4*22; got < want; {
		n, err := c.TCPConn.Read(buf[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	records := 0
	for at := 0; at < got; records++ {
		at += 5 + int(buf[at+3])<<8 + int(buf[at+4])
	}
	if records != 4 {
		t.Errorf("%d records carried it", records)
	}
}

// A peer that asks for answers and reads none of them is cut.
func TestTLSAnswersAreBounded(t *testing.T) {
	r := newTLSRig(t).startTLS(t)
	c := r.dial(t)
	conn := r.tlsConns(t, 1)[0]
	w := (*wire)(conn)
	conn.nc.Lock()
	conn.Queue(1) // as if the socket took nothing
	conn.nc.Unlock()
	var err error
	n := 0
	for ; n < 2*maxAnswers && err == nil; n += 64 {
		_, err = w.Write(make([]byte, 64))
	}
	if !errors.Is(err, errAnswers) || n > maxAnswers+64 {
		t.Errorf("after %d bytes: %v", n, err)
	}
	_ = c.Close()
}

// T17: a panic, wherever it comes, ends the connection that it came in, and no other.
func TestT17Panic(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		dead := &Endpoint{Path: "/dead"} // no session, no origins: the upgrade panics
		r.options.Listeners[0].Endpoints = append(r.options.Listeners[0].Endpoints, dead)
		if err := r.prepare(); err != nil {
			t.Fatal(err)
		}
		conf := r.listeners[0].secure.config.Load()
		conf.VerifyConnection = func(st tls.ConnectionState) error {
			if st.ServerName == "panic.example" {
				panic("injected")
			}
			return nil
		}
		r.run(t)
		good := r.dial(t)

		c := r.config()
		c.ServerName, c.InsecureSkipVerify = "panic.example", true
		bad, err := r.handshake(t, c)
		if err == nil {
			err = bad.upgrade("/")
		}
		if err == nil {
			t.Error("a connection whose handshake panicked was answered")
		}
		if n := r.errors(metrics.TLSPanic); n != 1 {
			t.Errorf("%d handshakes were counted as panicked", n)
		}

		worse, err := r.handshake(t, r.config())
		if err != nil {
			t.Fatal(err)
		}
		worse.send(t, request("/dead"))
		if b, _ := io.ReadAll(worse.in); len(b) > 0 {
			t.Errorf("answered %q", b)
		}

		r.live.Store(nil) // whatever is said now panics
		worst := r.dial(t)
		worst.send(t, masked(ws.Text, "no limits are set"))
		worst.expectClose(t, ws.InternalError)
		r.live.Store(&r.limits)

		if n := r.set.Edge().Panics.Load(); n != 3 {
			t.Errorf("%d panics were counted, want 3", n)
		}
		eventually(t, "the turns", func() bool { return r.TLS().Handshakes == 0 })
		good.send(t, masked(ws.Text, "still here"))
		good.expect(t, ws.Text, "still here")
	})
}

// Stop ends handshakes under way, those that wait for a turn, and connections
// with goroutines, and leaves nothing behind.
func TestTLSStop(t *testing.T) {
	whole := hello(t)
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.tls.MaxHandshakes = 2
		r.start(t)
		open := r.dial(t)
		r.tlsConns(t, 1)
		for range 3 {
			r.connect(t).send(t, whole)
		}
		eventually(t, "one that waits", r.listeners[0].secure.handshakes.crowded)
		if err := r.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		open.rest(t)
	})
}
