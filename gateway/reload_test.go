package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"sluice/gateway/config"
)

// A reload takes effect for the next message, handshake and publication, also
// of connections and channels that exist; what needs a restart is named, and
// stays as it was.
func TestReload(t *testing.T) {
	ctx := within(t)
	n := start(t, testConfig())
	before := n.config()
	c := n.dial(ctx, t, "/?channel=quiet")
	say(ctx, t, c, strings.Repeat("x", 1000))
	expect(ctx, t, c, strings.Repeat("x", 1000))

	next := testConfig()
	next.Limits.MessageSize = 100
	next.Limits.SubscriptionsPerConnection = 1
	next.Namespaces = []config.Namespace{{Match: "full", MaxSubscribers: 1}, {Match: "*", SlowConsumer: config.Latest}}
	next.Listeners[0].Endpoints[0].Origins = []string{"https://app.example"}
	next.Listeners[0].Endpoints[0].Greeting = "not before a restart"
	next.Hub.Shards = 7
	live, restart := n.Reload(next)
	slices.Sort(live)
	slices.Sort(restart)
	if d := cmp.Diff([]string{
		"limits.message_size", "limits.subscriptions_per_connection",
		"listeners.0.endpoints.0.origins", "namespaces",
	}, live); d != "" {
		t.Errorf("live keys (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"hub.shards", "listeners.0.endpoints.0.greeting"}, restart); d != "" {
		t.Errorf("keys that need a restart (-want +got):\n%s", d)
	}
	if now := n.config(); now.Hub.Shards != before.Hub.Shards || now.Limits != next.Limits {
		t.Error("what the node calls its configuration is not what it runs with")
	}

	say(ctx, t, c, strings.Repeat("y", 100))
	expect(ctx, t, c, strings.Repeat("y", 100))
	say(ctx, t, c, strings.Repeat("z", 101))
	_, _, err := c.Read(ctx)
	if code := websocket.CloseStatus(err); code != websocket.StatusMessageTooBig {
		t.Errorf("a message above the new limit: %v", err)
	}

	if got := n.status(t, "/", "https://app.example"); got != 101 {
		t.Errorf("an origin of the new list: %d", got)
	}
	if got := n.status(t, "/", public("http", n.Addresses()[0])); got != 403 {
		t.Errorf("the same host, which the new list does not have: %d", got)
	}
	if got := n.status(t, "/?channel=a&channel=b", ""); got != 400 {
		t.Errorf("more channels than the new limit: %d", got)
	}

	first := n.dial(ctx, t, "/?channel=full")
	say(ctx, t, first, "no greeting")
	expect(ctx, t, first, "no greeting")
	second := n.dial(ctx, t, "/?channel=full")
	if _, _, err := second.Read(ctx); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("a second subscriber of a channel for one: %v", err)
	}

	strict := testConfig()
	strict.Listeners[0].Endpoints[0].AllowMissingOrigin = false
	n.Reload(strict)
	if got := n.status(t, "/", ""); got != 403 {
		t.Errorf("no origin, where one has to be: %d", got)
	}
}

// status is what an upgrade request is answered with.
func (n *node) status(t *testing.T, target, origin string) int {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	c, resp, err := websocket.Dial(within(t), public("ws", n.Addresses()[0])+target, &websocket.DialOptions{HTTPClient: web, HTTPHeader: header})
	if resp == nil {
		t.Fatal(err)
	}
	if err == nil {
		_ = c.CloseNow()
	}
	return resp.StatusCode
}

// Reloads may come while traffic flows, from several goroutines.
func TestReloadUnderLoad(t *testing.T) {
	ctx := within(t)
	n := start(t, testConfig())
	c := n.dial(ctx, t, "/")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			cfg := testConfig()
			cfg.Limits.WriteQueue = config.Size(64+i%2*64) * config.KiB
			cfg.Namespaces[0].MaxSubscribers = 10 + i%3
			n.Reload(cfg)
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			t.Logf("%d messages during 200 reloads", i)
			return
		default:
		}
		say(ctx, t, c, "x")
		expect(ctx, t, c, "x")
	}
}

// The namespaces of a reload reach channels that exist.
func TestReloadReachesExistingChannels(t *testing.T) {
	ctx := within(t)
	n := start(t, testConfig())
	n.dial(ctx, t, "/")
	n.joined(t, "lobby", 1)
	cfg := testConfig()
	cfg.Namespaces[0].MaxSubscribers = 1
	n.Reload(cfg)
	c := n.dial(ctx, t, "/")
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("a second subscriber: %v", err)
	}
	n.Reload(testConfig())
	c = n.dial(ctx, t, "/")
	say(ctx, t, c, "in")
	expect(ctx, t, c, "in")
}
