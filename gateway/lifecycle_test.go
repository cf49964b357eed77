package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/edge"
)

// Two nodes in one process share nothing: what is said on one is not heard on
// the other, counted by the other, or ended with the other.
func TestTwoGateways(t *testing.T) {
	ctx := within(t)
	a, b := start(t, testConfig()), start(t, testConfig())
	ca, cb := a.dial(ctx, t, "/"), b.dial(ctx, t, "/")
	for i := range 100 {
		say(ctx, t, ca, fmt.Sprint("a", i))
		say(ctx, t, cb, fmt.Sprint("b", i))
	}
	for i := range 100 {
		expect(ctx, t, ca, fmt.Sprint("a", i))
		expect(ctx, t, cb, fmt.Sprint("b", i))
	}
	for _, n := range []*node{a, b} {
		_, body := get(t, "http://"+n.AdminAddress()+"/metrics")
		if !strings.Contains(body, "\nsluice_session_received_messages_total 100\n") {
			t.Errorf("the node did not count 100 messages:\n%s", body)
		}
		if got := n.metrics.Edge().MessagesIn.Load(); got != 100 {
			t.Errorf("%d messages came in, want 100", got)
		}
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	say(ctx, t, cb, "still here")
	expect(ctx, t, cb, "still here")
}

// Stop may come twice, from everywhere at once, and during a drain.
func TestStop(t *testing.T) {
	ctx := within(t)
	n := run(build(t, testConfig()))
	c := n.dial(ctx, t, "/")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := n.wait(t); err != nil {
		t.Errorf("Run returned %v after Stop", err)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the connection is still open: %v", err)
	}
	n.drain()
}

// Stop before Run leaves nothing that runs, and Run says so.
func TestStopBeforeRun(t *testing.T) {
	g := build(t, testConfig())
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if err := g.Run(t.Context()); !errors.Is(err, edge.ErrStopped) {
		t.Errorf("Run after Stop: %v", err)
	}
	if _, err := net.Dial("tcp", g.Addresses()[0]); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the listener is open: %v", err)
	}
}

// D3: Stop, which a second signal calls, ends a drain, in its delay and in its period, at once.
func TestStopDuringDrain(t *testing.T) {
	for _, phase := range []string{"delay", "period"} {
		t.Run(phase, func(t *testing.T) {
			ctx := within(t)
			cfg := testConfig()
			cfg.Drain = config.Drain{Period: config.Duration(time.Hour), Timeout: config.Duration(3 * time.Hour)}
			if phase == "delay" {
				cfg.Drain.Delay = config.Duration(time.Hour)
			}
			n := run(build(t, cfg))
			c := n.dial(ctx, t, "/")
			n.joined(t, "lobby", 1)
			n.drain()
			eventually(t, "the drain", n.draining.Load)
			if phase == "period" {
				eventually(t, "the end of accepting", func() bool {
					c, err := net.Dial("tcp", n.Addresses()[0])
					if err == nil {
						_ = c.Close()
					}
					return err != nil
				})
			}
			if status, _ := get(t, "http://"+n.AdminAddress()+"/readyz"); status != 503 {
				t.Errorf("/readyz says %d while draining", status)
			}
			begin := time.Now()
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
			if err := n.wait(t); err != nil {
				t.Errorf("Run returned %v", err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
}

// A context that is done already ends Run as soon as it began, again and again.
func TestRunWithNothingToDo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if err := build(t, testConfig()).Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// Where New fails, it lets go of everything that it had opened.
func TestNewFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	spare, err := net.Listen("tcp", "127.0.0.9:0") // whose ports nobody else takes meanwhile
	if err != nil {
		t.Fatal(err)
	}
	free := spare.Addr().String()
	_ = spare.Close()

	for name, change := range map[string]func(*config.Config){
		"the second listener": func(cfg *config.Config) {
			cfg.Listeners = append(cfg.Listeners, cfg.Listeners[0])
			cfg.Listeners[1].Address = taken.Addr().String()
		},
		"the admin listener":    func(cfg *config.Config) { cfg.Admin.Address = taken.Addr().String() },
		"an address of no host": func(cfg *config.Config) { cfg.Admin.Address = "192.0.2.1:0" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Listeners[0].Address = free
			change(cfg)
			if g, err := New(cfg, Options{Log: zerolog.Nop()}); err == nil {
				_ = g.Stop()
				t.Fatal("New did not fail")
			}
			ln, err := net.Listen("tcp", free)
			if err != nil {
				t.Fatalf("the first listener is still open: %v", err)
			}
			_ = ln.Close()
		})
	}
}

// O1: what operators see is not on the clients' port; what clients do does not
// keep operators out.
func TestPublicAndAdminPorts(t *testing.T) {
	ctx := within(t)
	cfg := testConfig()
	cfg.Admin.Pprof = true
	cfg.Engine.MaxConnections = 1
	n := start(t, cfg)
	clients, admin := public("http", n.Addresses()[0]), "http://"+n.AdminAddress()
	for _, path := range []string{"/admin", "/admin/", "/debug", "/debug/vars", "/debug/pprof", "/metrics/", "//metrics", "/../metrics", "/%6Detrics", "/api/connections", "/api/openapi.yaml"} {
		eventually(t, "room for one connection", func() bool { all, _ := n.edge.Connections(); return all == 0 })
		if status, _ := get(t, clients+path); status != 404 {
			t.Errorf("GET %s on the public port: %d, want 404", path, status)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/api/info", "/api/publish", "/api/channels", "/debug/pprof/", "/debug/pprof/heap"} {
		eventually(t, "room for one connection", func() bool { all, _ := n.edge.Connections(); return all == 0 })
		status, _ := get(t, clients+path)
		if status != 404 {
			t.Errorf("GET %s on the public port: %d, want 404", path, status)
		}
		if status, _ := get(t, admin+path); status == 404 {
			t.Errorf("GET %s on the admin port: 404", path)
		}
	}
	eventually(t, "room for one connection", func() bool { all, _ := n.edge.Connections(); return all == 0 })
	c := n.dial(ctx, t, "/")
	second, err := net.Dial("tcp", n.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	answer, err := io.ReadAll(second)
	if encrypted() && len(answer) > 0 || !encrypted() && (err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ")) {
		t.Errorf("a second client: %q, %v", answer, err)
	}
	if status, _ := get(t, admin+"/healthz"); status != 200 {
		t.Errorf("/healthz of a full node: %d", status)
	}
	say(ctx, t, c, "one")
	expect(ctx, t, c, "one")
}

// Memory is given back after a storm of connects, and nobody notices.
func TestMemoryIsReleased(t *testing.T) {
	ctx := within(t)
	cfg := testConfig()
	cfg.Engine.IdleRelease = config.Duration(20 * time.Millisecond)
	n := start(t, cfg)
	c := n.dial(ctx, t, "/")
	for i := range 50 {
		n.metrics.Edge().Accepted.Add(manyAccepts)
		say(ctx, t, c, fmt.Sprint(i))
		expect(ctx, t, c, fmt.Sprint(i))
		time.Sleep(5 * time.Millisecond) // a release comes after 20 ms without a connect
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}
