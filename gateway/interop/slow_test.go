package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

// TestSlowReaders: one reader in twenty rests until the others have
// everything. The default queues hold what waits meanwhile, so nobody loses a
// message, and nobody waits for the slow ones.
func TestSlowReaders(t *testing.T) {
	ctx := within(t)
	const readers, sluggards = 95 / scale, 5
	cfg := config.Default()
	cfg.Limits.OutboxAge = 0 // how long the others take is the machine's affair
	n := start(t, cfg)
	quick := &crowd{node: n, channel: "mixed", each: 100}
	slow := &crowd{node: n, channel: "mixed", each: 100}
	rested := make(chan struct{})
	quick.enter(ctx, t, readers, eager())
	slow.enter(ctx, t, sluggards, manner{client: narrow(), hold: func(read int) {
		if read == 1 {
			select {
			case <-rested:
			case <-ctx.Done():
			}
		}
	}})
	n.eventually(ctx, t, "mixed", readers+sluggards)
	// 7 MB for each reader, more than the kernel holds for one that rests.
	quick.pour(ctx, t, 24<<10, 0)
	quick.full.Wait() // while the slow ones rest
	if n.queued(ctx, t) == 0 {
		t.Error("nothing waits for the slow readers: they prove nothing")
	}
	close(rested)
	slow.full.Wait()
	quick.settle(ctx, t)
	slow.wg.Wait()
	slow.check(t)
}

// TestSlowReaderIsLetGo: whoever falls further behind than the limits allow is
// closed with 1013 (try again later), and nobody else notices.
func TestSlowReaderIsLetGo(t *testing.T) {
	ctx := within(t)
	cfg := config.Default()
	cfg.Limits.WriteQueue = 16 * config.KiB
	cfg.Limits.OutboxFrames = 64
	cfg.Limits.CloseTimeout = config.Duration(time.Minute) // it reads its farewell late
	n := start(t, cfg)
	idle, err := n.dialWith(ctx, "?channel=busy", narrow())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.CloseNow()
	publisher := n.mustDial(ctx, t, "?channel=busy")
	readers := []*websocket.Conn{publisher, n.mustDial(ctx, t, "?channel=busy"), n.mustDial(ctx, t, "?channel=busy")}
	n.eventually(ctx, t, "busy", len(readers)+1)

	// 20 MB are more than the kernel and the limits hold for one client. The
	// others take each message before the next one is sent.
	payload := filler(websocket.MessageBinary, 64<<10)
	for i := range 300 {
		if err := publisher.Write(ctx, websocket.MessageBinary, payload); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		for j, reader := range readers {
			if err := expect(ctx, reader, websocket.MessageBinary, payload); err != nil {
				t.Fatalf("message %d, reader %d: %v", i, j, err)
			}
		}
	}
	if err := drainUntilClosed(ctx, idle); err != nil {
		t.Error(err)
	}
	n.eventually(ctx, t, "busy", len(readers))
}

// drainUntilClosed reads what was on its way before the node gave up.
func drainUntilClosed(ctx context.Context, conn *websocket.Conn) error {
	for read := 0; ; read++ {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		if errors.As(err, &closed) && closed.Code == websocket.StatusTryAgainLater {
			return nil
		}
		return fmt.Errorf("after %d messages the slow reader saw %w, want close code 1013", read, err)
	}
}
