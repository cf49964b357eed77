//go:build fleet

package fleet

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// D1: a node of three, which have 10,000 clients under load, is drained over 20 s
// by a command that asks another node. Its clients come back elsewhere as evenly as
// they were let go, and nobody misses a message; then the node ends with 0.
func TestFleetDrain(t *testing.T) {
	const (
		clients  = 10_000
		channels = 100
		count    = 35 // numbers on each channel, one a second
		over     = 20 * time.Second
	)
	ctx := within(t)
	list := up(ctx, t, 3, embedded(t, 3))

	var mu sync.Mutex
	var backs []time.Time
	var wg, joined sync.WaitGroup
	followers := make([]*follower, clients)
	dialling := make(chan struct{}, 50)
	for i := range followers {
		joined.Add(1)
		dialling <- struct{}{}
		f := &follower{
			members: list, channel: fmt.Sprint("news.drain-", i%channels),
			joined: func() { joined.Done(); <-dialling },
			back:   func() { mu.Lock(); backs = append(backs, time.Now()); mu.Unlock() },
		}
		followers[i] = f
		wg.Go(func() {
			if err := f.follow(ctx, count); err != nil {
				t.Error(err)
			}
		})
	}
	joined.Wait()
	for i := range channels {
		p := &publisher{members: list, channel: fmt.Sprint("news.drain-", i), pause: time.Second}
		wg.Go(func() {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			if err := p.publish(ctx, count); err != nil {
				t.Error(err)
			}
		})
	}

	time.Sleep(2 * time.Second) // the load stands
	begun := time.Now()
	said := sluice(ctx, t, list[1], "drain", "--node", list[0].name, "--over", over.String(), "--delay", "0s")
	took := time.Since(begun)
	t.Logf("%s after %v", strings.TrimSpace(said), took.Round(time.Millisecond))
	var of int
	if _, err := fmt.Sscanf(said, list[0].name+" is drained: of %d connections none is left", &of); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	list[0].stop(ctx, t)
	var times []time.Time
	for end := time.Now().Add(20 * time.Second); len(times) < of && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		mu.Lock()
		times = slices.Clone(backs)
		mu.Unlock()
	}

	perSecond := make([]int, int(took.Seconds())+3)
	for _, at := range times {
		perSecond[min(int(at.Sub(begun).Seconds()), len(perSecond)-1)]++
	}
	plan := float64(of) / over.Seconds()
	t.Logf("%d came back, %.0f a second by the plan; by seconds: %v, at most %.2f times the plan", len(times), plan, perSecond, float64(slices.Max(perSecond))/plan)
	if len(times) != of {
		t.Errorf("%d of %d came back", len(times), of)
	}
	// By five seconds at a time, which a busy machine does not blur.
	for i := range len(perSecond) - 4 {
		sum := 0
		for _, n := range perSecond[i : i+5] {
			sum += n
		}
		if float64(sum) > 1.3*5*plan {
			t.Errorf("%d came back in the 5 s from second %d on: more than 1.3 times the plan", sum, i)
		}
	}
	wg.Wait()
	for _, f := range followers {
		if f.gaps > 0 {
			t.Fatalf("a gap was told, and none was there")
		}
	}
}

// sluice runs a command of the server's binary against a node, and returns what it printed.
func sluice(ctx context.Context, t testing.TB, m *member, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, append(args, "--api", "http://"+m.admin)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sluice %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}
