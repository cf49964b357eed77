package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/config"
	"sluice/gateway/hub"
)

// D1: a drain under load. Five hundred clients read what a publisher sends as
// fast as the node takes it. Each gets everything that was published up to its
// own close frame, which is 1001; the goodbyes are spread over the period, and
// Run ends well and in time.
func TestDrainUnderLoad(t *testing.T) {
	const period = 2 * time.Second
	clients := 500
	if raceEnabled {
		clients = 250
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience) // one process does it all
	defer cancel()
	cfg := testConfig()
	cfg.Limits.OutboxFrames = 1_000_000 // nobody is cut for being slow: one process does it all
	cfg.Drain = config.Drain{Period: config.Duration(period), Timeout: config.Duration(20 * time.Second)}
	n := run(build(t, cfg))

	var wg sync.WaitGroup
	var reads atomic.Uint64 // all clients' messages
	read := make([]uint64, clients)
	for i := range clients {
		c := n.dial(ctx, t, "/")
		wg.Go(func() {
			var err error
			read[i], err = untilGoodbye(ctx, c, &reads)
			if err != nil {
				t.Errorf("client %d, after %d messages: %v", i, read[i], err)
			}
		})
	}
	n.joined(t, "lobby", clients)

	stop := make(chan struct{})
	published := make(chan uint64)
	go func() {
		p := make([]byte, 100)
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				published <- i
				return
			default:
			}
			// As fast as the clients of this process read: beyond that the kernel would
			// gather seconds of messages in front of the close frames.
			for n.delivered() > reads.Load()+uint64(4*clients) || slices.Max(n.hub.Stats().InboxDepth) > 16 {
				time.Sleep(100 * time.Microsecond)
			}
			if n.draining.Load() && n.hub.Stats().Connections == 0 {
				published <- i // it may be gone already
				return
			}
			binary.BigEndian.PutUint64(p, i)
			_, err := n.hub.Publish([]string{"lobby"}, hub.Publication{Payload: p, Binary: true})
			switch {
			case err == hub.ErrBusy:
				i-- // once more
				time.Sleep(time.Millisecond)
			case err != nil && !n.draining.Load():
				t.Errorf("publish: %v", err)
			}
		}
	}()
	eventually(t, "the load", func() bool { return n.published() > 200 })

	begin := time.Now()
	n.drain()
	var thirds [3]int // goodbyes that were said by the end of each
	var due [3]int    // by then, which is later on a busy machine
	for i := range thirds {
		time.Sleep(time.Until(begin.Add(period * time.Duration(i+1) / 3))) // the measure
		st := n.hub.Stats()
		thirds[i], due[i] = clients-(st.Connections-st.Closing), min(clients, int(time.Duration(clients)*time.Since(begin)/period))
	}
	wg.Wait()
	close(stop)
	total := <-published
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v", err)
	}
	took := time.Since(begin)
	if took < period || took > period+5*time.Second {
		t.Errorf("the drain took %v, with a period of %v", took, period)
	}
	if thirds[0] < due[0]*3/8 || thirds[0] > due[0]*3/2 || thirds[1] < due[1]/2 || thirds[1] > due[1]*21/16 {
		t.Errorf("goodbyes said by the thirds of the period: %v of %d, where %v were due", thirds, clients, due)
	}
	t.Logf("%d messages, %d to %d of them for one client; goodbyes by the thirds of the period: %v, all over in %v",
		total, slices.Min(read), slices.Max(read), thirds, took)
}

// untilGoodbye reads numbered messages up to the close frame and answers it. It
// returns how many there were, and adds them to reads. The first number may be any.
func untilGoodbye(ctx context.Context, c *websocket.Conn, reads *atomic.Uint64) (n uint64, err error) {
	var next uint64
	for {
		_, p, err := c.Read(ctx)
		var closed websocket.CloseError
		switch {
		case errors.As(err, &closed) && closed.Code == websocket.StatusGoingAway:
			return n, nil
		case err != nil:
			return n, err
		}
		got := binary.BigEndian.Uint64(p)
		if n > 0 && got != next {
			return n, fmt.Errorf("message %d came where %d was due", got, next)
		}
		next = got + 1
		n++
		reads.Add(1)
	}
}

// Connections that do not leave make the drain end with drain.timeout, and Run say so.
func TestDrainTimeout(t *testing.T) {
	ctx := within(t)
	cfg := testConfig()
	cfg.Drain.Timeout = config.Duration(500 * time.Millisecond)
	n := run(build(t, cfg))
	c := n.dial(ctx, t, "/") // reads nothing, so it does not answer the close frame
	n.joined(t, "lobby", 1)
	begin := time.Now()
	n.drain()
	if err := n.wait(t); err == nil {
		t.Error("Run returned nil with a connection open")
	}
	if took := time.Since(begin); took < 400*time.Millisecond || took > 5*time.Second {
		t.Errorf("the drain took %v", took)
	}
	_ = c.CloseNow()
}

// Without connections a drain is over at once, whatever its period; with a
// delay, readiness goes first and new clients still get in.
func TestDrainDelay(t *testing.T) {
	ctx := within(t)
	cfg := testConfig()
	cfg.Drain = config.Drain{Delay: config.Duration(500 * time.Millisecond), Period: config.Duration(time.Hour), Timeout: config.Duration(2 * time.Hour)}
	n := run(build(t, cfg))
	eventually(t, "readiness", func() bool { status, _ := get(t, "http://"+n.AdminAddress()+"/readyz"); return status == 200 })
	begin := time.Now()
	n.drain()
	eventually(t, "readiness to go", func() bool { status, _ := get(t, "http://"+n.AdminAddress()+"/readyz"); return status == 503 })
	c := n.dial(ctx, t, "/")
	say(ctx, t, c, "late, but welcome")
	expect(ctx, t, c, "late, but welcome")
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(begin); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

// An operator's order that comes at the same moment as SIGTERM does not take the place of
// the drain that ends the process: all clients are told to leave, and waited for.
func TestDrainIsNotReplaced(t *testing.T) {
	ctx := within(t)
	cfg := testConfig()
	cfg.Drain.Period = config.Duration(time.Second)
	n := run(build(t, cfg))
	var wg sync.WaitGroup
	for range 20 {
		c := n.dial(ctx, t, "/")
		wg.Go(func() {
			var closed websocket.CloseError
			if _, _, err := c.Read(ctx); !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
				t.Errorf("a client's connection ended with %v", err)
			}
		})
	}
	n.joined(t, "lobby", 20)
	n.drain()
	eventually(t, "the drain", n.draining.Load)
	n.drainer.Abort() // by a handler that has looked before whether the node is ending
	wg.Wait()
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v", err)
	}
}
