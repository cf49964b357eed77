package broker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"
)

// Bounds of the pause between attempts to connect, of which a random part is taken.
const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
)

// stillDown is how often an outage that goes on is logged.
const stillDown = 30 * time.Second

// Keep connects for ever, until ctx is done: it is what a Link's contract says of
// losses. connect returns what hands over a connection's messages until it ends,
// and why it did; r is told when it has, and when a first attempt failed.
//
// An outage is logged by the Receiver when it begins, and here every half minute.
func Keep(ctx context.Context, r Receiver, log zerolog.Logger, connect func() (serve func() error, err error)) {
	var attempts Backoff
	told := false
	var logged, since time.Time
	for ctx.Err() == nil {
		serve, err := connect()
		if err == nil {
			attempts, told = Backoff{}, false
			err = serve()
		}
		if ctx.Err() != nil {
			return
		}
		if now := time.Now(); !told {
			told, logged, since = true, now, now
			r.Down(Down(err))
		} else if now.Sub(logged) >= stillDown {
			logged = now
			log.Warn().Err(err).Dur("for_ms", now.Sub(since)).Msg("the broker link is still down")
		}
		attempts.Pause(ctx)
	}
}

// Backoff makes the pauses between attempts, by full jitter. The zero Backoff is before the first attempt.
type Backoff struct {
	Max   time.Duration // 0: maxPause
	upper time.Duration
}

// Pause waits before the next attempt, unless ctx ends.
func (b *Backoff) Pause(ctx context.Context) {
	if b.Max == 0 {
		b.Max = maxPause
	}
	b.upper = min(max(2*b.upper, minPause), b.Max)
	pause(ctx, rand.N(b.upper))
}
