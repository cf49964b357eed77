package edge

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// Whatever knocks is answered or cut in time, and costs nobody else anything.
func TestGarbage(t *testing.T) {
	r := newRig()
	r.options.Settings.HandshakeTimeout = 500 * time.Millisecond
	r.start(t)
	hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3}
	noise := make([]byte, 64<<10)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, b := range map[string][]byte{
		"random bytes":      noise,
		"a TLS ClientHello": append(hello, noise[:500]...),
		"HTTP/2's preface":  []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		"zeros":             make([]byte, 20_000),
		"newlines":          bytes.Repeat([]byte("\r\n"), 1000),
		"half a request":    []byte("GET / HTT"),
		"SSH":               []byte("SSH-2.0-OpenSSH_9.6\r\n"),
		"frames":            masked(ws.Text, "no handshake"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.connect(t)
			var later time.Time // when one that comes a second later, and says nothing, is cut
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(time.Second) // the measure
				silent, err := connect(r.Addresses()[0])
				if err != nil {
					t.Error(err)
					return
				}
				defer silent.Close()
				silent.rest(t)
				later = time.Now()
			})
			_, _ = c.Write(b)
			got := string(c.rest(t))
			ended := time.Now()
			wg.Wait()
			if got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 5") {
				t.Errorf("answered %q", got)
			}
			if ended.After(later) {
				t.Errorf("it held its connection for %v longer than one that came a second later", ended.Sub(later))
			}
		})
	}
	c := r.dial(t)
	c.send(t, masked(ws.Text, "still here"))
	c.expect(t, ws.Text, "still here")
}

// Above max_connections clients get a quick 503, and get in when there is room.
func TestMaxConnections(t *testing.T) {
	r := newRig()
	r.options.MaxConnections = 2
	r.start(t)
	first := r.dial(t)
	r.dial(t)
	took := make([]time.Duration, 50)
	for i := range took {
		start := time.Now()
		c := r.connect(t)
		if got := string(c.rest(t)); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Fatalf("a third client got %q", got)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	if median := took[25]; median > 40*time.Millisecond { // one takes long where the machine stands still
		t.Errorf("the median of 50 refusals took %v", median)
	}
	if n := r.failures(metrics.HandshakeLimit); n != 50 {
		t.Errorf("%d refusals were counted, want 50", n)
	}
	first.reset()
	eventually(t, "room", func() bool { all, _ := r.Connections(); return all == 1 })
	c := r.dial(t)
	c.send(t, masked(ws.Text, "in"))
	c.expect(t, ws.Text, "in")
}

// The greeting stands right behind the 101, before any message, and the
// channel admission happens before the upgrade.
func TestGreetingAndAdmission(t *testing.T) {
	r := newRig()
	r.endpoint.Greeting = ws.AppendFrame(nil, ws.Text, []byte("Hello!"))
	r.endpoint.Session.Allow = []string{"c", "room.*"}
	r.start(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if st := r.h.Stats(); st.InboxDepth[0]+st.InboxDepth[1] >= 64 {
				runtime.Gosched()
				continue
			}
			_, _ = r.h.Publish([]string{"c"}, hub.Publication{Payload: numbered(i, 100), Binary: true})
		}
	}()
	for range 50 {
		c := r.dial(t)
		c.expect(t, ws.Text, "Hello!")
		if op, p, err := c.frame(); err != nil || op != ws.Binary || len(p) != 100 {
			t.Fatalf("after the greeting: %v %q %v", op, p, err)
		}
		_ = c.Close()
	}
	close(stop)
	<-done

	for target, want := range map[string]int{
		"/?channel=other":          403,
		"/?channel=room.1&x=y":     101,
		"/?channel=room.%E2%82%AC": 403,
		"/?channel=%zz":            403,
		"/?channel=":               403,
	} {
		c := r.connect(t)
		c.send(t, request(target))
		head, err := c.in.ReadString('\n')
		if err != nil && err != io.EOF || !strings.HasPrefix(head, fmt.Sprint("HTTP/1.1 ", want)) {
			t.Errorf("%s: %q, want %d", target, head, want)
		}
	}
}
