package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// testConfig is the default configuration on free ports, with a drain that does not wait.
func testConfig() *config.Config {
	cfg := config.Default()
	cfg.Listeners[0].Address = "127.0.0.1:0"
	cfg.Admin.Address = "127.0.0.1:0"
	cfg.Drain.Period = 0
	cfg.Drain.Timeout = config.Duration(10 * time.Second)
	encrypt(cfg)
	return cfg
}

// build makes a gateway that a test runs itself.
func build(t testing.TB, cfg *config.Config) *Gateway {
	t.Helper()
	g, err := New(cfg, Options{Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A node is a gateway that runs.
type node struct {
	*Gateway
	drain context.CancelFunc // ends Run
	done  <-chan error       // Run's result, once
}

// run runs a gateway.
func run(g *Gateway) *node {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return &node{g, cancel, done}
}

// start runs a gateway until the test ends, and fails the test if it does not end well.
func start(t testing.TB, cfg *config.Config) *node {
	t.Helper()
	n := run(build(t, cfg))
	t.Cleanup(func() {
		n.drain()
		if err := n.wait(t); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return n
}

// wait is what Run returned.
func (n *node) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-n.done:
		return err
	case <-time.After(patience):
		t.Fatal("Run does not return")
		return nil
	}
}

// within is a context for one test.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// web is an HTTP client that keeps no connections.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust()}}

// dial opens a WebSocket and closes it when the test ends.
func (n *node) dial(ctx context.Context, t testing.TB, target string) *websocket.Conn {
	t.Helper()
	c, err := dial(ctx, n.Addresses()[0], target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func dial(ctx context.Context, address, target string) (*websocket.Conn, error) {
	c, resp, err := websocket.Dial(ctx, public("ws", address)+target, &websocket.DialOptions{HTTPClient: web})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return c, nil
}

// peek fetches a URL from a node that may be gone.
func peek(url string) (status int, err error) {
	resp, err := web.Get(url)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// get fetches a URL.
func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	resp, err := web.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// expect reads a text message and compares it.
func expect(ctx context.Context, t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	_, got, err := c.Read(ctx)
	if err != nil || string(got) != want {
		t.Fatalf("got %.60q, %v, want %q", got, err, want)
	}
}

// say sends a text message.
func say(ctx context.Context, t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// publish publishes on a channel, as often as it takes until the hub is not busy.
func (n *node) publish(t testing.TB, channel string, payload []byte) {
	for {
		_, err := n.hub.Publish([]string{channel}, hub.Publication{Payload: payload, Binary: true})
		if err == nil {
			return
		}
		if err != hub.ErrBusy {
			t.Errorf("publish: %v", err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// joined waits until a channel has n subscribers.
func (n *node) joined(t testing.TB, channel string, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d subscribers of %s", want, channel), func() bool { return n.hub.Subscribers(channel) == want })
}

// drops is how many messages were dropped for a reason.
func (n *node) drops(reason metrics.DropReason) (sum uint64) {
	for i := range n.metrics.Shards() {
		sum += n.metrics.Cell(i).Drops[reason].Load()
	}
	return sum
}

// eventually polls for what no channel tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
