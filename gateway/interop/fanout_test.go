package interop

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sluice/gateway/config"
)

// TestFanout: nothing lost, doubled or reordered from three publishers to
// 2,000 readers, 1.2 million deliveries in all.
func TestFanout(t *testing.T) {
	ctx := within(t)
	c := &crowd{node: start(t, config.Default()), channel: "many", each: 200 / scale}
	const readers = 2000 / scale
	c.enter(ctx, t, readers, eager())
	c.node.eventually(ctx, t, c.channel, readers)
	begin := time.Now()
	c.pour(ctx, t, 64, 0)
	c.settle(ctx, t)
	took := time.Since(begin)
	deliveries := (readers + publishers) * publishers * c.each
	t.Logf("%d deliveries in %v: %.0f a second, clients included", deliveries, took.Round(time.Millisecond), float64(deliveries)/took.Seconds())
}

// TestFanoutWhileClientsComeAndGo: those who stay get everything once and in
// order, and those who pass through get an unbroken run of each publisher.
func TestFanoutWhileClientsComeAndGo(t *testing.T) {
	ctx := within(t)
	c := &crowd{node: start(t, config.Default()), channel: "station", each: max(500/scale, 200)}
	c.enter(ctx, t, 200/scale, eager())

	c.pour(ctx, t, 64, 4*time.Millisecond)
	stay, leave := context.WithCancel(ctx)
	defer leave()
	var passing sync.WaitGroup
	var mu sync.Mutex
	visits, messages := 0, 0
	for worker := range 20 {
		passing.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(worker)))
			for stay.Err() == nil {
				n, err := visit(ctx, stay, c, 1+r.IntN(60), r.IntN(2) == 0)
				mu.Lock()
				visits++
				messages += n
				mu.Unlock()
				if err != nil {
					c.fail(err)
					return
				}
			}
		})
	}
	c.full.Wait()
	leave()
	passing.Wait()
	// The stayers and the publishers are left, and nobody else.
	c.node.eventually(ctx, t, c.channel, 200/scale+publishers)
	c.settle(ctx, t)
	t.Logf("%d visits saw %d messages", visits, messages)
	if visits < 20 || messages == 0 {
		t.Errorf("%d visits and %d messages prove nothing", visits, messages)
	}
}
