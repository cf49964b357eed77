//go:build fleet

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// under publishes numbers to followers while f does something to the fleet, and
// fails the test unless each follower gets each number, in order.
func under(ctx context.Context, t *testing.T, list []*member, count int, f func(sent func(n int64))) (followers []*follower, p *publisher) {
	t.Helper()
	const channel = "news.faults"
	p = &publisher{members: list, channel: channel, pause: 2 * time.Millisecond}
	var wg, joined sync.WaitGroup
	for range 30 {
		joined.Add(1)
		follower := &follower{members: list, channel: channel, joined: joined.Done}
		followers = append(followers, follower)
		wg.Go(func() {
			if err := follower.follow(ctx, count); err != nil {
				t.Error(err)
			}
		})
	}
	joined.Wait()
	wg.Go(func() {
		if err := p.publish(ctx, count); err != nil {
			t.Error(err)
		}
	})
	f(func(n int64) {
		for p.sent.Load() < n && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
	})
	wg.Wait()
	twice, gaps, dials := 0, 0, 0
	for _, f := range followers {
		twice, gaps, dials = max(twice, f.twice), gaps+f.gaps, dials+f.dials
	}
	t.Logf("%d numbers to 30 followers over %d connections; %d tried again; at most %d twice; %d gaps told", count, dials, p.again.Load(), twice, gaps)
	if gaps > 0 {
		t.Errorf("%d gaps were told, and none was there", gaps)
	}
	if int64(twice) > p.again.Load() {
		t.Errorf("%d numbers came twice, and %d were published again", twice, p.again.Load())
	}
	return followers, p
}

// up starts nodes, and returns when they can keep histories.
func up(ctx context.Context, t *testing.T, n int, b broker) []*member {
	t.Helper()
	list := members(t, n, b)
	for _, m := range list {
		m.start(t)
	}
	begun(ctx, t, list)
	return list
}

// begun returns when nodes that were started are ready, and keep histories.
func begun(ctx context.Context, t *testing.T, list []*member) {
	t.Helper()
	for _, m := range list {
		m.ready(ctx, t)
	}
	for list[0].publish(ctx, "news.ready", "x") != nil {
		if ctx.Err() != nil {
			t.Fatal("no histories")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// D2: a node is killed, and started again later. Its clients go on elsewhere, and
// nothing that was acknowledged is missing in what they get.
func TestFleetKill(t *testing.T) {
	t.Parallel()
	onEach(t, 3, func(t *testing.T, list []*member) {
		ctx := within(t)
		under(ctx, t, list, 1500, func(sent func(n int64)) {
			sent(300)
			list[1].kill()
			sent(900)
			list[1].start(t)
			list[1].ready(ctx, t)
		})
	})
}

// D1: all nodes are restarted, one after the other, while messages are published.
// Every node ends with 0, and nobody misses a message.
func TestFleetRollingRestart(t *testing.T) {
	t.Parallel()
	onEach(t, 3, func(t *testing.T, list []*member) {
		ctx := within(t)
		under(ctx, t, list, 2500, func(sent func(n int64)) {
			for i, m := range list {
				sent(int64(200 + 500*i))
				m.stop(ctx, t)
				m.start(t)
				m.ready(ctx, t)
			}
		})
	})
}

// D1: histories in the memory of nodes outlive a restart of all, where each waits for the
// readiness of the one before: a node is ready once it has them again.
func TestFleetRestartInMemory(t *testing.T) {
	t.Parallel()
	const channels, messages = 100, 100
	ctx := within(t)
	list := up(ctx, t, 3, embeddedIn(t, 3, func() string { return "" }))
	text := strings.Repeat("x", 1000)
	for c := range channels {
		var batch []map[string]string
		for range messages {
			batch = append(batch, map[string]string{"channel": fmt.Sprint("news.", c), "text": text})
		}
		body, err := json.Marshal(map[string]any{"publish": batch})
		if err != nil {
			t.Fatal(err)
		}
		answer, status, err := list[0].call(ctx, http.MethodPost, "/api/batch", body)
		if err != nil || status != http.StatusOK || bytes.Contains(answer, []byte("error")) {
			t.Fatalf("%d %.200s %v", status, answer, err)
		}
	}
	for _, m := range list {
		m.stop(ctx, t)
		begun := time.Now()
		m.start(t)
		m.ready(ctx, t)
		t.Logf("%s is ready after %v", m.name, time.Since(begun).Round(10*time.Millisecond))
	}
	for c := range channels {
		if n := len(list[c%3].history(ctx, t, fmt.Sprint("news.", c))); n != messages {
			t.Fatalf("channel %d has %d messages, want %d", c, n, messages)
		}
	}
}
