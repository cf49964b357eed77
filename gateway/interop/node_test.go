package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"sluice/gateway"
	"sluice/gateway/config"
)

// patience bounds each test that talks to a node.
const patience = 90 * time.Second

// A node is a gateway of this process on free ports of the loopback.
type node struct {
	// Static after start.
	ws, http, api string // base URLs without a trailing slash
	metrics       string // the URL of the node's metrics
	drain         func() // tells the node to drain, which the end of the test does otherwise; does not wait
}

// start runs a gateway until the test ends, and fails the test if it does not
// drain cleanly then.
func start(t *testing.T, cfg *config.Config) *node {
	t.Helper()
	cfg.Listeners[0].Address = "127.0.0.1:0"
	cfg.Admin.Address = "127.0.0.1:0"
	cfg.Drain.Period = 0
	cfg.Drain.Timeout = config.Duration(10 * time.Second)
	g, err := gateway.New(cfg, gateway.Options{Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the node did not end well: %v", err)
		}
	})
	address, admin, s := g.Addresses()[0], "http://"+g.AdminAddress(), ""
	if len(cfg.Listeners[0].TLS.Certificates) > 0 {
		s = "s"
	}
	return &node{
		ws: "ws" + s + "://" + address, http: "http" + s + "://" + address, api: admin + "/api", metrics: admin + "/metrics", drain: cancel,
	}
}

// within is a context for one test.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial joins the channels of the query with no limit on what a message may be.
func (n *node) dial(ctx context.Context, query string) (*websocket.Conn, error) {
	return n.dialWith(ctx, query, http.DefaultClient)
}

func (n *node) dialWith(ctx context.Context, query string, client *http.Client) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, n.ws+"/"+query, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return c, nil
}

// narrow is a client whose kernel takes little more than it reads. (Much less,
// and each small window would wait for the sender's persist timer.)
func narrow() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn, conn.(*net.TCPConn).SetReadBuffer(128 << 10)
		},
	}}
}

// mustDial is dial for a test's own goroutine.
func (n *node) mustDial(ctx context.Context, t *testing.T, query string) *websocket.Conn {
	t.Helper()
	c, err := n.dial(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// publish publishes through the server API and returns the subscriber count.
// body is what stands in the request beside the channel.
func (n *node) publish(ctx context.Context, t *testing.T, channel string, body map[string]any) int {
	t.Helper()
	request := map[string]any{"channel": channel}
	for k, v := range body {
		request[k] = v
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.api+"/publish", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Result struct{ Subscribers int }
		Error  struct{ Code, Message string }
	}
	n.do(t, req, &answer)
	if answer.Error.Code != "" {
		t.Fatalf("publish: %s: %s", answer.Error.Code, answer.Error.Message)
	}
	return answer.Result.Subscribers
}

// subscribers asks the server API how many a channel has.
func (n *node) subscribers(ctx context.Context, t *testing.T, channel string) int {
	t.Helper()
	var answer struct {
		Result struct {
			Channels []struct {
				Channel     string
				Subscribers int
			}
		}
	}
	n.get(ctx, t, "/channels?prefix="+channel, &answer)
	for _, c := range answer.Result.Channels {
		if c.Channel == channel {
			return c.Subscribers
		}
	}
	return 0
}

// queued is how many bytes wait on the node for its clients.
func (n *node) queued(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	var answer struct {
		Result struct {
			QueuedBytes int64 `json:"queued_bytes"`
		}
	}
	n.get(ctx, t, "/info", &answer)
	return answer.Result.QueuedBytes
}

func (n *node) get(ctx context.Context, t *testing.T, path string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.api+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	n.do(t, req, answer)
}

func (n *node) do(t *testing.T, req *http.Request, answer any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatalf("%s %s: %s: %v", req.Method, req.URL.Path, resp.Status, err)
	}
}

// eventually waits until the channel has n subscribers: a leave is seen by the
// node only after its client is gone.
func (n *node) eventually(ctx context.Context, t *testing.T, channel string, want int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := n.subscribers(ctx, t, channel)
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("channel %s has %d subscribers, want %d", channel, got, want)
		case <-tick.C:
		}
	}
}
