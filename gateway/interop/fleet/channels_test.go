//go:build fleet

package fleet

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// B1: one node subscribes to a hundred thousand channels at the broker, each with one
// subscriber; what another node publishes arrives there, and once they have left, nothing
// is subscribed to any more.
func TestFleetManyChannels(t *testing.T) {
	onEach(t, 3, func(t *testing.T, list []*member) {
		const clients, each = 1000, 100
		ctx := within(t)
		before := list[0].memory(t)
		begun := time.Now()
		conns := make([]*websocket.Conn, clients)
		var wg sync.WaitGroup
		for first := range 10 {
			wg.Go(func() {
				for i := first; i < clients; i += 10 {
					q := url.Values{}
					for j := range each {
						q.Add("channel", fmt.Sprint("room.", i*each+j))
					}
					c, _, err := websocket.Dial(ctx, "ws://"+list[0].public+"/?"+q.Encode(), nil)
					if err != nil {
						t.Error(err)
						return
					}
					conns[i] = c
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		answered := time.Since(begun)
		// Who hears from another node is subscribed; the last ones were the last to ask.
		var flowing time.Duration
		for i := clients - 1; i >= 0; i-- {
			hears(ctx, t, conns[i], func() error { return list[1].publish(ctx, fmt.Sprint("room.", i*each+each-1), "hello") })
			if i == clients-1 {
				flowing = time.Since(begun)
			}
		}
		t.Logf("%d channels of %d clients: all let in after %v, the last one heard from another node after %v; %d bytes of the node's memory each",
			clients*each, clients, answered.Round(10*time.Millisecond), flowing.Round(10*time.Millisecond), (list[0].memory(t)-before)/(clients*each))
		for _, c := range conns {
			_ = c.CloseNow()
		}
		for list[0].metric(ctx, t, "sluice_broker_channels") > 0 {
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// hears publishes until the client gets something.
func hears(ctx context.Context, t *testing.T, c *websocket.Conn, publish func() error) {
	t.Helper()
	heard := make(chan error, 1)
	go func() { _, _, err := c.Read(ctx); heard <- err }()
	for {
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-heard:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// metric is the value of one without labels.
func (m *member) metric(ctx context.Context, t *testing.T, name string) (value float64) {
	t.Helper()
	answer, status, err := m.call(ctx, http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("metrics: %d, %v", status, err)
	}
	_, rest, _ := strings.Cut(string(answer), "\n"+name+" ")
	if _, err := fmt.Sscan(rest, &value); err != nil {
		t.Fatalf("metric %s: %v", name, err)
	}
	return value
}
