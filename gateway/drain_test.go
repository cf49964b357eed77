package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/drain"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
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
	g := build(t, cfg)
	told := &goodbyes{Node: drained{g}}
	g.drainer = drain.New(told, zerolog.Nop())
	n := run(g)

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
	wg.Wait()
	close(stop)
	total := <-published
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v", err)
	}
	took := time.Since(begin)
	if took < period*9/10 || took > period+5*time.Second { // all have been told a step before the end
		t.Errorf("the drain took %v, with a period of %v", took, period)
	}
	early, late := told.astray(period, clients)
	if early > clients/20+1 || late > clients/5 {
		t.Errorf("of %d goodbyes up to %d were said too early, and up to %d too late: %s", clients, early, late, told)
	}
	t.Logf("%d messages, %d to %d of them for one client; all over in %v; goodbyes: %s", total, slices.Min(read), slices.Max(read), took, told)
}

// goodbyes notes how many connections of a node its drainer tells to leave, in which of its steps.
type goodbyes struct {
	drain.Node

	// Owned by the drain, until it is over.
	begun time.Time       // when connections are refused
	at    []time.Duration // of each step
	n     []int
}

// Fence implements drain.Node.
func (g *goodbyes) Fence(on bool) {
	g.begun = time.Now()
	g.Node.Fence(on)
}

// Room implements drain.Node: each step asks for it.
func (g *goodbyes) Room() drain.Room {
	g.at, g.n = append(g.at, time.Since(g.begun)), append(g.n, 0)
	return g.Node.Room()
}

// Release implements drain.Node.
func (g *goodbyes) Release(n int, reason metrics.CloseReason) int {
	n = g.Node.Release(n, reason)
	g.n[len(g.n)-1] += n
	return n
}

// astray is how far the goodbyes were ahead of the plan by two steps, and behind it, at
// most. They are not due as long as this machine kept the drain from its next step, but
// for a quarter of a second: so much of the time is made up for.
func (g *goodbyes) astray(period time.Duration, clients int) (early, late int) {
	due := func(d time.Duration) int { return min(clients, int(time.Duration(clients)*d/period)) }
	sum := 0
	var last, worked time.Duration
	for i, at := range g.at {
		sum += g.n[i]
		worked += min(at-last, 250*time.Millisecond)
		last = at
		early, late = max(early, sum-due(at+100*time.Millisecond)), max(late, due(worked)-sum)
	}
	return early, late
}

func (g *goodbyes) String() string {
	var b strings.Builder
	for i, at := range g.at {
		fmt.Fprintf(&b, "%d at %v, ", g.n[i], at.Round(time.Millisecond))
	}
	return b.String()
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
	// On a machine that stands still for so long, the delay may be over before a client has come.
	for delay := 500 * time.Millisecond; !drainDelay(t, delay) && !t.Failed(); delay *= 4 {
		t.Logf("nobody came within %v", delay)
	}
}

// drainDelay is false where the delay was over before the client dialled.
func drainDelay(t *testing.T, delay time.Duration) bool {
	ctx := within(t)
	cfg := testConfig()
	cfg.Drain = config.Drain{Delay: config.Duration(delay), Period: config.Duration(time.Hour), Timeout: config.Duration(2 * time.Hour)}
	n := run(build(t, cfg))
	admin := "http://" + n.AdminAddress() + "/readyz"
	eventually(t, "readiness", func() bool { status, _ := get(t, admin); return status == 200 })
	begin := time.Now()
	n.drain()
	eventually(t, "the drain", n.draining.Load)
	status, err := peek(admin)
	c, dialErr := dial(ctx, n.Addresses()[0], "/")
	inTime := time.Since(begin) < delay
	switch {
	case !inTime && (err != nil || dialErr != nil):
		if dialErr == nil {
			_ = c.CloseNow()
		}
	case err != nil || dialErr != nil || status != 503:
		t.Errorf("in the delay: /readyz says %d, %v; a client: %v", status, err, dialErr)
	default:
		inTime = true
		say(ctx, t, c, "late, but welcome")
		expect(ctx, t, c, "late, but welcome")
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(begin); took < delay || took > delay+5*time.Second {
		t.Errorf("the drain took %v", took)
	}
	return inTime
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
