package edge

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// heap is what is in use after garbage has been collected.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// idle opens n WebSockets over TLS whose clients keep nothing but the socket,
// and returns what each costs on the heap, with the client's own part.
func (r *tlsRig) idle(t *testing.T, n int, c *tls.Config) (bytesEach int64, goroutines int) {
	t.Helper()
	r.dial(t) // what is made once
	sockets := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, s := range sockets {
			_ = s.Close()
		}
	})
	before, running := heap(), runtime.NumGoroutine()
	for range n {
		client, err := connect(r.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, client.TCPConn)
		if err := client.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		encrypted, err := over(client, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := encrypted.upgrade("/"); err != nil {
			t.Fatal(err)
		}
	}
	r.tlsConns(t, n+1)
	eventually(t, "the handshakes' ends", func() bool { return r.TLS().Handshakes == 0 })
	return (heap() - before) / int64(n), runtime.NumGoroutine() - running
}

// T9: two thousand idle connections have no goroutines, and cost less than 5 KB
// each on the heap, the client's socket (0.5 KB) and the WebSocket's state included.
func TestT9Idle(t *testing.T) {
	n := 2000
	if raceEnabled {
		n = 500
	}
	r := newTLSRig(t).startTLS(t)
	c := r.config()
	c.ClientSessionCache = nil
	each, goroutines := r.idle(t, n, c)
	t.Logf("%d bytes on the heap and %d goroutines for %d connections", each, goroutines, n)
	if goroutines > n/100+8 {
		t.Errorf("%d goroutines for %d connections", goroutines, n)
	}
	if each > 5<<10 && !raceEnabled {
		t.Errorf("%d bytes each", each)
	}
	if !r.TLS().Release {
		t.Error("buffers are not released: crypto/tls's fields are others than expected")
	}
}

// largeHello makes a ClientHello of 58 KB.
func largeHello(c *tls.Config) {
	for i := range 226 {
		c.NextProtos = append(c.NextProtos, fmt.Sprintf("%03d", i)+strings.Repeat("x", 252))
	}
	c.NextProtos = append(c.NextProtos, "http/1.1")
}

// T8: a ClientHello of 58 KB, where so much is allowed, leaves nothing behind
// once the connection is idle.
func TestT8LargeHello(t *testing.T) {
	n := 1000
	if raceEnabled {
		n = 100
	}
	r := newTLSRig(t)
	r.tls.ClientAuth, r.tls.ClientCA = tls.VerifyClientCertIfGiven, r.root.write(t, r.dir, "ca").Certificate
	r.start(t)
	c := r.config()
	largeHello(c)
	each, _ := r.idle(t, n, c)
	t.Logf("%d bytes on the heap for each of %d connections", each, n)
	if each > 8<<10 && !raceEnabled {
		t.Errorf("%d bytes each", each)
	}
}

// T11: without client certificates 16 KiB are all that may come before the
// handshake is complete, and with them 64; a connection that sends more is closed.
func TestT11BytesBeforeTheHandshake(t *testing.T) {
	for limit, auth := range map[int]tls.ClientAuthType{maxHello: tls.NoClientCert, maxHelloWithCerts: tls.VerifyClientCertIfGiven} {
		bothModes(t, func(t *testing.T, r *tlsRig) {
			r.tls.ClientAuth = auth
			if auth != tls.NoClientCert {
				r.tls.ClientCA = r.root.write(t, r.dir, "ca").Certificate
			}
			r.start(t)
			c := r.config()
			largeHello(c)
			large, err := r.handshake(t, c)
			if (err == nil) != (limit == maxHelloWithCerts) {
				t.Errorf("a ClientHello of 58 KB, where %d bytes may come: %v", limit, err)
			}
			if err == nil {
				large.reset()
			}
			// Records of one byte, so that much comes which is no part of a hello yet:
			// it says that it has 60 KB.
			slow := r.connect(t)
			slow.send(t, []byte{0x16, 3, 1, 0, 4, 1, 0, 0xF0, 0})
			for sent := 9; sent <= limit; sent += 6 * 1000 {
				if _, err := slow.Write(bytes.Repeat([]byte{0x16, 3, 1, 0, 1, 0}, 1000)); err != nil {
					break
				}
			}
			slow.rest(t)
			refused := uint64(1)
			if limit == maxHello {
				refused = 2
			}
			eventually(t, "the count", func() bool { return r.errors(metrics.TLSTooLarge) == refused })
			if taken := r.set.Edge().BytesIn.Load(); taken > uint64(2*limit+3*64<<10) {
				t.Errorf("%d bytes were taken", taken)
			}
			r.dial(t)
		})
	}
}

// hot: sealing and sending allocates nothing.
func TestTLSSendAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	r := newTLSRig(t).startTLS(t)
	c := r.dial(t)
	conn := r.tlsConns(t, 1)[0]
	p := ws.AppendFrame(nil, ws.Binary, make([]byte, 128))
	buf := make([]byte, 64<<10)
	if allocs := testing.AllocsPerRun(500, func() {
		conn.Send(p)
		if _, err := c.TCPConn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}); allocs >= 1 {
		t.Errorf("%v allocations for a Send", allocs)
	}
}
