package interop

import (
	"context"
	"fmt"

	"github.com/coder/websocket"
)

// visit joins the crowd's channel, reads n messages, or what there is until
// stay ends, and leaves: with a closing handshake or by dropping the
// connection. It returns how many it read.
func visit(ctx, stay context.Context, c *crowd, n int, polite bool) (int, error) {
	conn, err := c.node.dial(ctx, "?channel="+c.channel)
	if err != nil {
		return 0, fmt.Errorf("visit: %w", err)
	}
	defer conn.CloseNow()
	var l ledger
	l.unset()
	for l.read < n {
		kind, payload, err := conn.Read(stay)
		switch {
		case stay.Err() != nil:
			return l.read, nil
		case err != nil:
			return l.read, fmt.Errorf("visit: after %d messages: %w", l.read, err)
		}
		if err := l.take(kind, payload); err != nil {
			return l.read, fmt.Errorf("visit: %w", err)
		}
	}
	if polite {
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			return l.read, fmt.Errorf("visit: close: %w", err)
		}
	}
	return l.read, nil
}
