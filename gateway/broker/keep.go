package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Bounds of the pause between attempts to connect, of which a random part is taken.
const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
)

// Keep connects for ever, until ctx is done: it is what a Link's contract says of
// losses. connect returns what hands over a connection's messages until it ends,
// and why it did; r is told when it has, and when a first attempt failed.
func Keep(ctx context.Context, r Receiver, connect func() (serve func() error, err error)) {
	upper, told := minPause, false
	for ctx.Err() == nil {
		serve, err := connect()
		if err == nil {
			upper, told = minPause, false
			err = serve()
		}
		if ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			r.Down(fmt.Errorf("%w: %w", ErrDown, err))
		}
		pause(ctx, rand.N(upper))
		upper = min(2*upper, maxPause)
	}
}
