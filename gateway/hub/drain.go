package hub

import (
	"context"
	"time"

	"sluice/gateway/metrics"
)

// drainStep is how often a drain closes its next share of the connections.
const drainStep = 50 * time.Millisecond

// Drain closes all connections, spread evenly over period, each after what was
// published before, and waits until they have ended or ctx is done. It returns
// how many are left.
func (h *Hub) Drain(ctx context.Context, period time.Duration) (left int) {
	type share struct{ total, closed int }
	shares := make([]share, len(h.shards))
	for i, sh := range h.shards {
		shares[i].total = int(sh.attached.Load())
	}
	start := time.Now()
	t := time.NewTicker(drainStep)
	defer t.Stop()
	for {
		done := 1.0
		if elapsed := time.Since(start); elapsed < period {
			done = float64(elapsed) / float64(period)
		}
		left = 0
		for i, sh := range h.shards {
			// The first goes at once, the last a step before the end: one alone need not wait.
			n := min(int(float64(shares[i].total)*done)+1, shares[i].total) - shares[i].closed
			if done >= 1 {
				n = int(sh.attached.Load()) // late comers, too
			}
			if n > 0 {
				shares[i].closed += n
				sh.post(item{kind: itemDrain, n: uint32(n)})
			}
			left += int(sh.attached.Load())
		}
		if left == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return left
		case <-h.stop:
			return left
		case <-t.C:
		}
	}
}

// drain closes the next n connections that are not closing already.
func (sh *shard) drain(n int) {
	chunks := sh.slots.all()
	slots := uint32(len(chunks)) * chunkSize
	for range slots {
		if n == 0 {
			return
		}
		slot := sh.drainAt % slots
		sh.drainAt = slot + 1
		s := chunks[slot/chunkSize].subs[slot%chunkSize]
		if s != nil && s.flags&(flagClosing|flagDoomed) == 0 {
			sh.close(s, nil, metrics.CloseDrain)
			n--
		}
	}
}
