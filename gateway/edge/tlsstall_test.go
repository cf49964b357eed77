package edge

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"sluice/gateway/metrics"
)

// hello is a whole ClientHello, as it goes over the wire.
func hello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_ = tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake()
		_ = far.Close()
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(near, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(near, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// T10: a handshake that stalls, in whatever way, ends with the timeout, and
// frees its turn for the next one.
func TestT10Stalls(t *testing.T) {
	whole := hello(t)
	for name, stall := range map[string]func(c *client){
		"silent":       func(*client) {},
		"half a hello": func(c *client) { _, _ = c.Write(whole[:len(whole)/2]) },
		"after the hello": func(c *client) {
			_, _ = c.Write(whole)
		},
		"a byte now and then": func(c *client) {
			go func() {
				for _, b := range whole {
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond) // the attack: it has to be longer than the timeout in all
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, func(t *testing.T, r *tlsRig) {
				r.tls.HandshakeTimeout = 300 * time.Millisecond
				r.start(t)
				begin := time.Now()
				c := r.connect(t)
				stall(c)
				c.rest(t)
				if took := time.Since(begin); took < 250*time.Millisecond {
					t.Errorf("cut after %v already", took)
				}
				eventually(t, "the count", func() bool { return r.errors(metrics.TLSTimeout) == 1 })
				eventually(t, "the turn", func() bool { return r.TLS().Handshakes == 0 })
				eventually(t, "the end", func() bool { all, _ := r.Connections(); return all == 0 })
				if n := r.failures(metrics.HandshakeTLS); n != 1 {
					t.Errorf("%d failed handshakes were counted", n)
				}
			})
		})
	}
}

// T10: no more handshakes are under way than max_handshakes, however many want
// to be; those above it wait in a queue of the same length, and in the kernel's.
func TestT10HandshakesAreBounded(t *testing.T) {
	const bound = 4
	whole := hello(t)
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.tls.HandshakeTimeout = 10 * time.Second
		r.tls.MaxHandshakes = bound
		r.options.Settings.HandshakeTimeout = 30 * time.Second
		r.start(t)
		before := runtime.NumGoroutine()
		var stalled []*client
		for range bound {
			c := r.connect(t)
			c.send(t, whole)
			stalled = append(stalled, c)
		}
		eventually(t, "all turns taken", func() bool { return r.TLS().Handshakes == bound })
		first := r.connect(t)
		first.send(t, whole) // it waits for a turn, and from now on nobody is accepted
		eventually(t, "one that waits", r.listeners[0].secure.handshakes.crowded)
		for range 50 {
			r.connect(t).send(t, whole)
		}
		if n := runtime.NumGoroutine() - before; n > bound+4 {
			t.Errorf("%d goroutines", n)
		}
		if n := r.TLS().Handshakes; n != bound {
			t.Errorf("%d handshakes are under way", n)
		}
		if all, _ := r.Connections(); all > 2*bound+2 {
			t.Errorf("%d connections were accepted", all)
		}
		for _, c := range stalled {
			c.reset()
		}
		if _, err := first.in.ReadByte(); err != nil {
			t.Errorf("the first that waited got no answer: %v", err)
		}
	})
}

// T10: beyond the queue connections are refused, and good clients come in as
// soon as the others are gone.
func TestT10Refused(t *testing.T) {
	whole := hello(t)
	r := newTLSRig(t)
	r.tls.MaxHandshakes = 2
	r.start(t)
	var silent []*client
	for range 8 {
		silent = append(silent, r.connect(t)) // accepted, as nobody waits yet
	}
	eventually(t, "the connections", func() bool { all, _ := r.Connections(); return all == 8 })
	for _, c := range silent {
		c.send(t, whole)
	}
	eventually(t, "four that are refused", func() bool { return r.errors(metrics.TLSBusy) == 4 })
	for _, c := range silent {
		c.reset()
	}
	eventually(t, "the turns", func() bool { return r.TLS().Handshakes == 0 })
	r.dial(t)
}
