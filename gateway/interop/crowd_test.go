package interop

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A crowd is a number of readers of one channel who each keep a ledger.
type crowd struct {
	node    *node
	channel string
	each    int // messages from each publisher
	wg      sync.WaitGroup
	full    sync.WaitGroup // one count per reader that has not got everything

	// Guarded by mu.
	mu   sync.Mutex
	errs []error
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// check reports the first few failures.
func (c *crowd) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.errs[:min(len(c.errs), 5)] {
		t.Error(err)
	}
	if n := len(c.errs); n > 5 {
		t.Errorf("and %d more", n-5)
	}
}

// A manner is how a reader reads.
type manner struct {
	client *http.Client   // what it dials with
	hold   func(read int) // called before each read with the number of messages so far; nil = nothing
}

func eager() manner { return manner{client: http.DefaultClient} }

// enter dials n readers, a few at a time, and starts them.
func (c *crowd) enter(ctx context.Context, t *testing.T, n int, m manner) {
	t.Helper()
	slots := make(chan struct{}, 32)
	var dialing sync.WaitGroup
	for range n {
		c.full.Add(1)
		slots <- struct{}{}
		dialing.Go(func() {
			defer func() { <-slots }()
			conn, err := c.node.dialWith(ctx, "?channel="+c.channel, m.client)
			if err != nil {
				c.fail(fmt.Errorf("dial: %w", err))
				c.full.Done()
				return
			}
			c.wg.Go(func() { c.read(ctx, conn, m) })
		})
	}
	dialing.Wait()
	c.check(t)
	if t.Failed() {
		t.FailNow()
	}
}

// read keeps one reader's ledger until the stop message.
func (c *crowd) read(ctx context.Context, conn *websocket.Conn, m manner) {
	defer conn.CloseNow()
	var l ledger
	left := sync.OnceFunc(c.full.Done)
	defer left()
	for {
		if m.hold != nil {
			m.hold(l.read)
		}
		kind, payload, err := conn.Read(ctx)
		switch {
		case err != nil:
			c.fail(fmt.Errorf("after %d messages (next are %v): %w", l.read, l.next, err))
			return
		case string(payload) == stop && l.complete(c.each):
			return
		}
		if err := l.take(kind, payload); err != nil {
			c.fail(err)
			return
		}
		if l.complete(c.each) {
			left()
		}
	}
}

// pour has three clients join and then publish each messages; they read all of
// them themselves. pause is the time between two messages of a publisher;
// 0 = none. It returns when the first messages are on their way.
func (c *crowd) pour(ctx context.Context, t *testing.T, size int, pause time.Duration) {
	t.Helper()
	before := c.node.subscribers(ctx, t, c.channel)
	var conns [publishers]*websocket.Conn
	for p := range conns {
		conns[p] = c.node.mustDial(ctx, t, "?channel="+c.channel)
	}
	c.node.eventually(ctx, t, c.channel, before+publishers)
	for p, conn := range conns {
		c.full.Add(1)
		c.wg.Go(func() { c.read(ctx, conn, eager()) })
		c.wg.Go(func() {
			if err := c.send(ctx, conn, p, size, pause); err != nil {
				c.fail(fmt.Errorf("publisher %d: %w", p, err))
			}
		})
	}
}

func (c *crowd) send(ctx context.Context, conn *websocket.Conn, p, size int, pause time.Duration) error {
	for seq := range c.each {
		kind, payload := number(p, seq, size)
		if err := conn.Write(ctx, kind, payload); err != nil {
			return fmt.Errorf("message %d: %w", seq, err)
		}
		if pause == 0 {
			continue
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle waits until every reader has everything, then says stop: whoever gets
// anything else before it got a message twice.
func (c *crowd) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	c.full.Wait()
	c.check(t)
	if t.Failed() {
		t.FailNow()
	}
	c.node.publish(ctx, t, c.channel, map[string]any{"text": stop})
	c.wg.Wait()
	c.check(t)
}
