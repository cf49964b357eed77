package drain

import (
	"context"
	"math"
	"time"

	"sluice/gateway/metrics"
)

// Rule is when and how fast a node lets go of what it has too much.
type Rule struct {
	Enabled bool
	// Above is how far above the mean of all nodes it may be, as a share of the mean.
	Above float64
	// After is for how long it must have been.
	After time.Duration
	// MaxRate bounds how many connections are let go in a second.
	MaxRate int
}

// look is how often a node compares itself with the others.
const look = time.Second

// Rebalance lets go of what this node has too much, by a rule that may change,
// until ctx is done. A node that is drained or not ready does not take part.
func (d *Drainer) Rebalance(ctx context.Context, rule func() Rule, ready func() bool) {
	t := time.NewTicker(look)
	defer t.Stop()
	var since time.Time // it has been above
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			r := rule()
			if !r.Enabled || !ready() || d.excess(r.Above) == 0 {
				since = time.Time{}
				continue
			}
			if since.IsZero() {
				since = now
			}
			if now.Sub(since) >= r.After {
				d.shed(ctx, r, ready)
				since = time.Time{}
			}
		}
	}
}

// shed lets go until half of what is allowed above the mean is left. How many
// that are is known from the beginning: those who go are on no other node for a
// while, and their number does not change the mean. A node that is gone does, and ends it.
func (d *Drainer) shed(ctx context.Context, r Rule, ready func() bool) {
	begun, closed, left := time.Now(), 0, d.excess(r.Above/2)
	nodes := d.node.Room().Nodes
	d.log.Info().Int("connections", left).Int("max_rate", r.MaxRate).Msg("rebalancing: this node has more than its share")
	p := newPace(Plan{MaxRate: r.MaxRate}, begun)
	t := time.NewTicker(step)
	defer t.Stop()
	for left > 0 && ready() {
		_, open := d.node.Connections()
		left = min(left, open)
		room := d.node.Room()
		if room.Nodes < nodes {
			break
		}
		if n, _ := p.next(time.Now(), left, room); n > 0 {
			n = d.node.Release(n, metrics.CloseRebalance)
			p.told(time.Now(), n)
			closed, left = closed+n, left-n
		}
		d.setShedding(p.rate(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
	d.setShedding(0)
	d.log.Info().Int("connections", closed).Dur("dur_ms", time.Since(begun)).Msg("rebalanced")
}

// excess is how many connections this node has above the mean of all and a share of it.
func (d *Drainer) excess(above float64) int {
	_, open := d.node.Connections()
	return excess(open, d.node.Room().Loads, above)
}

func excess(own int, others []int, above float64) int {
	if len(others) == 0 {
		return 0
	}
	sum := own
	for _, n := range others {
		sum += n
	}
	mean := float64(sum) / float64(len(others)+1)
	return max(0, own-int(math.Ceil(mean*(1+above))))
}
