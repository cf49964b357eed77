package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/broker/enginetest"
	"sluice/gateway/config"
)

// One node is asked to drain another one, and to have it take clients again; the
// last one that takes any is not drained by mistake.
func TestFleetDrainCalls(t *testing.T) {
	ctx := within(t)
	configs := embeddedFleet(t, 2)
	nodes := startFleet(ctx, t, configs)
	api := "http://" + nodes[1].AdminAddress() + "/api"
	want := func(what string, status int, body, contains string) {
		t.Helper()
		if !strings.Contains(body, contains) {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	status, body := post(t, api+"/drain", `{"node":"node-0","delay":"1h","over":"1h"}`)
	want("drain", status, body, `{"result":{"node":"node-0","state":"delayed"`)
	status, body = post(t, api+"/drain", `{"node":"node-0","delay":"0s","over":"1h"}`) // its clients are few: it may be over
	want("another plan", status, body, `{"result":{"node":"node-0","state":`)
	eventually(t, "the node to be fenced", func() bool {
		_, body := get(t, api+"/drain?node=node-0")
		return strings.Contains(body, `"state":"drained"`)
	})
	eventually(t, "the others to know", func() bool {
		others := nodes[1].fleet.Others()
		return len(others) == 1 && others[0].Draining && !others[0].Ready
	})
	if _, resp, err := websocket.Dial(ctx, "ws://"+nodes[0].Addresses()[0]+"/", nil); err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("a drained node lets a client in: %v", err)
	}
	status, body = post(t, api+"/drain", `{}`)
	want("the last one", status, body, `"no_survivors"`)
	if nodes[1].draining.Load() {
		t.Error("it is drained")
	}
	status, body = post(t, api+"/drain", `{"node":"node-9"}`)
	want("nobody", status, body, `"unknown_node"`)

	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, api+"/drain?node=node-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	c := nodes[0].dial(ctx, t, "/?channel=a")
	if ready, why := nodes[0].readiness(); !ready {
		t.Errorf("not ready: %s", why)
	}
	eventually(t, "the others to know", func() bool { o := nodes[1].fleet.Others(); return len(o) == 1 && o[0].Ready })
	status, body = post(t, api+"/drain", `{"delay":"1h","over":"1h"}`)
	want("the other one", status, body, `"state":"delayed"`)
	_ = c.CloseNow()
}

// Clients that stay where they are when nodes are added are sent elsewhere, a few at
// a time, until no node has much more than its share.
func TestFleetRebalance(t *testing.T) {
	const clients = 60
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	configs := embeddedFleet(t, 3)
	for _, cfg := range configs {
		cfg.Rebalance = config.Rebalance{Enabled: true, Above: 0.2, After: config.Duration(time.Second), MaxRate: 50}
		cfg.Drain.RetryWithin = config.Duration(50 * time.Millisecond)
	}
	nodes := startFleet(ctx, t, configs)
	least := func() *node { // as a balancer chooses
		found := nodes[0]
		for _, n := range nodes {
			if n.hub.Open() < found.hub.Open() {
				found = n
			}
		}
		return found
	}
	var mu sync.Mutex
	moves := 0
	var wg sync.WaitGroup
	for range clients {
		c := nodes[0].dial(ctx, t, "/?channel=a")
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _, err := c.Read(ctx)
				var closed websocket.CloseError
				if !errors.As(err, &closed) {
					continue
				}
				if closed.Code != websocket.StatusServiceRestart || !strings.HasPrefix(closed.Reason, "another node has more room, retry in ") {
					t.Errorf("closed with %v", closed)
					return
				}
				mu.Lock()
				moves++
				n := least()
				next, resp, err := websocket.Dial(ctx, "ws://"+n.Addresses()[0]+"/?channel=a", nil)
				mu.Unlock()
				if err != nil {
					t.Error(resp, err)
					return
				}
				c = next
			}
			_ = c.CloseNow()
		})
	}
	shares := func() (most int) {
		sum := 0
		for _, n := range nodes {
			sum += n.hub.Open()
			most = max(most, n.hub.Open())
		}
		if sum != clients {
			return clients
		}
		return most
	}
	eventually(t, "even shares", func() bool { return shares() <= clients/3*12/10 })
	time.Sleep(2 * time.Second) // nobody goes any more
	mu.Lock()
	if n := shares(); n > clients/3*12/10 || moves > clients {
		t.Errorf("one has %d, after %d moves", n, moves)
	}
	t.Logf("%d moves", moves)
	mu.Unlock()
	cancel()
	wg.Wait()
}

// A node that does not hear the others since the broker is down is not drained as if it were
// alone: nobody knows whether they take its clients.
func TestFleetDrainWithoutBroker(t *testing.T) {
	ctx := within(t)
	cfg := fleetConfig()
	cfg.Broker.Type = config.NATSBroker
	cfg.Broker.URL = []string{"nats://" + enginetest.FreeAddresses(t, 1)[0]}
	cfg.Broker.WhenDown = config.LocalWhenDown
	cfg.Namespaces[0].Presence = true
	n := start(t, cfg)
	c := n.dial(ctx, t, "/?channel=a")
	n.joined(t, "a", 1)
	api := "http://" + n.AdminAddress() + "/api"
	if status, body := post(t, api+"/drain", `{"delay":"0s","over":"0s"}`); status != 409 || !strings.Contains(body, `"no_survivors"`) {
		t.Errorf("%d %s", status, body)
	}
	if n.draining.Load() {
		t.Error("it is drained")
	}
	n.cannotAsk(t, "edge-2")
	_ = c.CloseNow()
}

// cannotAsk holds a node without a broker to telling that it cannot ask the others.
func (n *node) cannotAsk(t testing.TB, other string) {
	t.Helper()
	api := "http://" + n.AdminAddress() + "/api/"
	for _, call := range []string{"presence?channel=news", "presence_stats?channel=news", "drain?node=" + other} {
		if status, body := get(t, api+call); status != 503 || !strings.Contains(body, "fleet_down") {
			t.Errorf("%s without a broker: %d %s", call, status, body)
		}
	}
	for _, call := range [][2]string{
		{"disconnect", `{"user":"alice"}`}, {"disconnect", `{"node":"` + other + `","connection":"00000000000000ff"}`}, {"drain", `{"node":"` + other + `"}`},
	} {
		if status, body := post(t, api+call[0], call[1]); status != 503 || !strings.Contains(body, "fleet_down") || !strings.Contains(body, "admin address") {
			t.Errorf("%v without a broker: %d %s", call, status, body)
		}
	}
	if status, body := post(t, api+"disconnect", `{"connection":"00000000000000ff"}`); status != 400 {
		t.Errorf("a connection of nobody knows which node: %d %s", status, body)
	}
	if _, body := get(t, api+"info"); !strings.Contains(body, `"nodes_unheard":true`) {
		t.Errorf("it says nothing of the others: %s", body)
	}
}
