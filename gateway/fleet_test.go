package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"sluice/gateway/auth"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/config"
	"sluice/gateway/fleet"
	"sluice/gateway/hub"
)

// fleetConfig is a configuration where channels that begin with n have histories.
// They are long: a server may not hand over all that it has stored (nats-server
// 2.9 does, rarely), and then it is read.
func fleetConfig() *config.Config {
	cfg := remembering()
	cfg.Namespaces[0].History.Size = 1000
	return cfg
}

// embeddedFleet are the configurations of nodes whose embedded NATS servers make a
// cluster; the first one also listens for NATS clients.
func embeddedFleet(t testing.TB, n int) (all []*config.Config) {
	t.Helper()
	routes := enginetest.FreeAddresses(t, n)
	for i := range n {
		cfg := fleetConfig()
		cfg.Broker.Type, cfg.Broker.Embedded = config.NATSBroker, true
		cfg.Broker.Node = fmt.Sprint("node-", i)
		cfg.Broker.Cluster.Listen, cfg.Broker.Cluster.Routes = routes[i], routes
		cfg.Broker.StoreDir = t.TempDir()
		all = append(all, cfg)
	}
	all[0].Broker.ClientListen = enginetest.FreeAddresses(t, 1)[0]
	return all
}

// startFleet starts nodes, and returns when each hears each other, and histories can be kept.
func startFleet(ctx context.Context, t testing.TB, configs []*config.Config) (nodes []*node) {
	t.Helper()
	for _, cfg := range configs {
		nodes = append(nodes, start(t, cfg))
	}
	meet(ctx, t, nodes)
	for _, n := range nodes {
		eventually(t, "word that the others are ready", func() bool {
			ready := 0
			for _, o := range n.fleet.Others() {
				if o.Ready {
					ready++
				}
			}
			return ready == len(nodes)-1
		})
		eventually(t, "histories: servers that begin elect a leader first", func() bool {
			return n.tryPublish("n-ready") == nil
		})
	}
	return nodes
}

// tryPublish publishes, and says what became of it.
func (n *node) tryPublish(channel string) error {
	done := make(chan error, 1)
	_, err := n.hub.Publish([]string{channel}, hub.Publication{Payload: []byte("x"), Done: func(_ hub.Receipt, err error) { done <- err }})
	if err != nil {
		return err
	}
	return <-done
}

// meet returns when each node hears each other.
func meet(ctx context.Context, t testing.TB, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "readiness", func() bool { ok, _ := n.readiness(); return ok })
	}
	var wg sync.WaitGroup
	for i, n := range nodes {
		c := n.dial(ctx, t, "/?channel=meet")
		wg.Go(func() {
			missing := map[string]bool{}
			for j := range nodes {
				missing[fmt.Sprint("node ", j)] = true
			}
			for len(missing) > 0 {
				_, b, err := c.Read(ctx)
				if err != nil {
					t.Errorf("node %d did not hear of %v: %v", i, missing, err)
					return
				}
				delete(missing, string(b))
			}
			_ = c.CloseNow()
		})
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	for {
		for i, n := range nodes {
			_, _ = n.hub.Publish([]string{"meet"}, hub.Publication{Payload: fmt.Append(nil, "node ", i)})
		}
		select {
		case <-all:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// B1: what is published anywhere in a fleet reaches every subscriber once, in its
// publisher's order: from clients, the server API and straight from a client of the
// broker, on channels with a history and without.
func TestFleetExactlyOnce(t *testing.T) {
	ctx := within(t)
	configs := embeddedFleet(t, 3)
	nodes := startFleet(ctx, t, configs)
	exactlyOnce(ctx, t, nodes, natsPublisher(t, configs[0].Broker.ClientListen))
}

// straight publishes to the broker, without a node.
type straight func(channel, text string) error

// natsPublisher is a client of NATS.
func natsPublisher(t testing.TB, address string) straight {
	nc, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return func(channel, text string) error {
		subject := "sluice.c." + channel
		if strings.HasPrefix(channel, "n") {
			subject = "sluice.h." + class("n*") + "." + channel
		}
		return nc.Publish(subject, []byte("sluice/1\n"+text))
	}
}

// exactlyOnce publishes from everywhere, and compares what subscribers get.
func exactlyOnce(ctx context.Context, t *testing.T, nodes []*node, straight straight) {
	messages := 50
	if raceEnabled {
		messages = 20 // one process does it all
	}
	for _, channel := range []string{"plain", "news"} {
		t.Run(channel, func(t *testing.T) {
			var readers []*websocket.Conn
			for _, n := range nodes {
				readers = append(readers, n.dial(ctx, t, "/?channel="+channel), n.dial(ctx, t, "/?channel="+channel))
			}
			publishers := map[string]func(text string) error{}
			for i, n := range nodes {
				c := n.dial(ctx, t, "/?channel="+channel)
				go func() { // it hears all, too
					for {
						if _, _, err := c.Read(ctx); err != nil {
							return
						}
					}
				}()
				publishers[fmt.Sprint("client", i)] = func(text string) error { return c.Write(ctx, websocket.MessageText, []byte(text)) }
				publishers[fmt.Sprint("api", i)] = func(text string) error { n.posted(t, channel, text); return nil }
			}
			if straight != nil {
				publishers["straight"] = func(text string) error { return straight(channel, text) }
			}
			var wg sync.WaitGroup
			for name, publish := range publishers {
				wg.Go(func() {
					for i := range messages {
						if err := publish(fmt.Sprintf("%s %d", name, i)); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				})
			}
			for i, c := range readers {
				wg.Go(func() {
					if err := inOrder(ctx, c, len(publishers)*messages); err != nil {
						t.Errorf("reader %d: %v", i, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// inOrder reads n messages, NAME NUMBER, and compares the numbers of each name.
func inOrder(ctx context.Context, c *websocket.Conn, n int) error {
	next := map[string]int{}
	for range n {
		_, b, err := c.Read(ctx)
		if err != nil {
			return fmt.Errorf("%w, after %v", err, next)
		}
		name, number, _ := strings.Cut(string(b), " ")
		if number != fmt.Sprint(next[name]) {
			return fmt.Errorf("%s, want %d", b, next[name])
		}
		next[name]++
	}
	return nil
}

// post calls the server API.
func post(t testing.TB, url, body string) (status int, answer string) {
	t.Helper()
	resp, err := web.Post(url, "application/json", strings.NewReader(body))
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

// A6: what is asked of one node is done on all: who is there, whose connections are closed, which
// tokens are refused, also by a node that joins later; and a node that is gone has no members.
func TestFleetIsOne(t *testing.T) {
	ctx := within(t)
	configs := embeddedFleet(t, 3)
	for _, cfg := range configs {
		cfg.Auth = authConfig().Auth
		room := cfg.Listeners[0].Endpoints[0]
		cfg.Listeners[0].Endpoints[0].Auth.Mode = config.AuthNone
		room.Path = "/room"
		cfg.Listeners[0].Endpoints = append(cfg.Listeners[0].Endpoints, room)
		cfg.Namespaces[len(cfg.Namespaces)-1].Presence = true
	}
	first := startFleet(ctx, t, configs[:2])
	third := run(build(t, configs[2]))
	nodes := []*node{first[0], first[1], third}
	api := "http://" + first[0].AdminAddress() + "/api"
	presence := func() (p struct {
		Result struct {
			Members []struct{ Node, Connection, User string }
			Total   int
			Missing []string
		}
	},
	) {
		_, body := get(t, api+"/presence?channel=room.7")
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	eventually(t, "three nodes", func() bool { return len(first[0].fleet.Nodes()) == 3 })
	eventually(t, "routes to both others in the metrics", func() bool {
		_, page := get(t, "http://"+first[0].AdminAddress()+"/metrics")
		return strings.Contains(page, "\nsluice_broker_routes 2\n")
	})
	clients := map[string]*websocket.Conn{}
	for i, n := range nodes {
		for _, user := range []string{"alice", "bob"} {
			clients[fmt.Sprint(user, i)] = n.enter(ctx, t, "/room?channel=room.7", token(t, map[string]any{"sub": user}))
		}
	}
	p := presence()
	eventually(t, "six members", func() bool { p = presence(); return p.Result.Total == 6 })
	if m := p.Result.Members; len(m) != 6 || m[0].Node != "node-0" || m[5].Node != "node-2" || p.Result.Missing != nil {
		t.Errorf("%+v", p)
	}
	if _, body := get(t, api+"/presence_stats?channel=room.7"); body != `{"result":{"channel":"room.7","connections":6,"users":2,"truncated":false}}`+"\n" {
		t.Error(body)
	}

	for _, m := range p.Result.Members {
		if m.Node == "node-1" && m.User == "bob" {
			n, body := post(t, api+"/disconnect", fmt.Sprintf(`{"node":"node-1","connection":%q,"code":4001}`, m.Connection))
			if n != 200 {
				t.Errorf("%d %s", n, body)
			}
		}
	}
	expectClose(ctx, t, clients["bob1"], 4001, "")
	if n, body := post(t, api+"/disconnect", `{"user":"bob","code":4002}`); n != 200 || body != `{"result":{"connections":2}}`+"\n" {
		t.Errorf("%d %s", n, body)
	}
	expectClose(ctx, t, clients["bob0"], 4002, "")
	expectClose(ctx, t, clients["bob2"], 4002, "")

	third.drain()
	if err := third.wait(t); err != nil {
		t.Error(err)
	}
	eventually(t, "two members", func() bool { p := presence(); return p.Result.Total == 2 && p.Result.Missing == nil })

	if n, body := post(t, api+"/revoke", `{"user":"alice"}`); n != 200 || body != `{"result":{"connections":2}}`+"\n" {
		t.Errorf("%d %s", n, body)
	}
	expectClose(ctx, t, clients["alice0"], 4401, "")
	expectClose(ctx, t, clients["alice1"], 4401, "")
	const more = 20 * revocationsAtOnce // more messages than a node answers at the same time
	for i := range more {
		if err := nodes[0].identities.revocations.Add(auth.Revocation{User: fmt.Sprint("user", i)}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	again := start(t, configs[2])
	eventually(t, "the node that joined to be told of all", func() bool { return again.identities.revocations.Len() == 1+more })
	again.refused(ctx, t, "a token that was revoked before the node joined", "/room?channel=room.7", bearer(token(t, map[string]any{"iat": time.Now().Add(-time.Minute).Unix()})), 401)
}

// What a node answers may be larger than a message of the broker: it comes in parts.
func TestFleetLargeAnswers(t *testing.T) {
	size := 1 << 20
	if raceEnabled {
		size = 128 << 10 // a node may take fleet.Patience, and the race detector makes JSON ten times as slow
	}
	ctx := within(t)
	var nodes []*node
	for _, cfg := range embeddedFleet(t, 2) {
		g := build(t, cfg)
		g.fleet.Handle("large", func(json.RawMessage) (any, error) { return strings.Repeat(`"`, size), nil })
		n := run(g)
		t.Cleanup(func() {
			n.drain()
			if err := n.wait(t); err != nil {
				t.Errorf("Run returned %v", err)
			}
		})
		nodes = append(nodes, n)
	}
	for _, n := range nodes { // each: who is heard may not hear yet
		eventually(t, "two nodes", func() bool { return len(n.fleet.Nodes()) == 2 })
	}
	var a *fleet.Answers
	eventually(t, "an answer of both nodes", func() (both bool) { // who takes too long for it is missing in it
		var err error
		if a, err = nodes[0].fleet.Ask(ctx, "large", nil); err != nil {
			t.Fatal(err)
		}
		return len(a.ByNode)+len(a.Failed) == 2
	})
	if len(a.Failed) > 0 {
		t.Fatalf("no answers: %v", a.Failed)
	}
	for node, raw := range a.ByNode {
		if len(raw) != 2*size+2 {
			t.Errorf("%s answers with %d bytes", node, len(raw))
		}
	}
}

// member is a connection without a socket.
type member struct {
	hub.Subscriber
	id *auth.Identity
}

func (*member) Send([]byte)                {}
func (*member) Finish()                    {}
func (*member) Abort()                     {}
func (*member) RemoteAddr() string         { return "" }
func (m *member) Identity() *auth.Identity { return m.id }

// The members of a large channel are counted on all nodes, whatever their tokens say of them
// beside the name: all that together would be more than a node answers.
func TestFleetPresenceStats(t *testing.T) {
	many, large := 20_000, 1000
	if raceEnabled {
		many, large = 5_000, 4000 // a node may take fleet.Patience
	}
	ctx := within(t)
	configs := embeddedFleet(t, 2)
	for _, cfg := range configs {
		cfg.Namespaces[len(cfg.Namespaces)-1].Presence = true
	}
	nodes := startFleet(ctx, t, configs)
	meta := []byte(`{"about":"` + strings.Repeat("x", large) + `"}`)
	for i := range many {
		m := &member{id: &auth.Identity{User: fmt.Sprint("user-", i/2), Meta: meta}}
		nodes[1].hub.Attach(&m.Subscriber, m, 0)
		if err := nodes[1].hub.Subscribe(&m.Subscriber, []hub.Join{{Channel: "arena"}}, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Detach)
	}
	nodes[1].joined(t, "arena", many)
	var status int
	var body string
	eventually(t, "an answer of all nodes", func() bool { // who takes too long for it is missing in it
		status, body = get(t, "http://"+nodes[0].AdminAddress()+"/api/presence_stats?channel=arena")
		return !strings.Contains(body, `"missing"`)
	})
	if want := fmt.Sprintf(`{"result":{"channel":"arena","connections":%d,"users":%d,"truncated":false}}`+"\n", many, many/2); body != want {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "an answer of all nodes", func() bool {
		status, body = get(t, "http://"+nodes[0].AdminAddress()+"/api/presence?channel=arena&limit=2")
		return !strings.Contains(body, `"missing"`)
	})
	if strings.Count(body, string(meta)) != 2 {
		t.Errorf("%d %.200s", status, body)
	}
}

// A publisher is told how many nodes have subscribers.
func TestFleetInterest(t *testing.T) {
	ctx := within(t)
	nodes := startFleet(ctx, t, embeddedFleet(t, 3))
	for _, channel := range []string{"plain", "nkept"} {
		for i, n := range nodes[:2] {
			for range i + 1 {
				c := n.dial(ctx, t, "/?channel="+channel)
				t.Cleanup(func() { _ = c.CloseNow() })
			}
			n.joined(t, channel, i+1)
		}
		for i, want := range []string{`"subscribers":1,"nodes":2`, `"subscribers":2,"nodes":2`, `"subscribers":0,"nodes":2`} {
			if status, body := post(t, "http://"+nodes[i].AdminAddress()+"/api/publish", `{"channel":"`+channel+`","text":"x"}`); status != 200 || !strings.Contains(body, want) {
				t.Errorf("on %s, node %d: %d %s, want %s", channel, i, status, body, want)
			}
		}
	}
	if status, body := post(t, "http://"+nodes[0].AdminAddress()+"/api/publish", `{"channel":"nobody","text":"x"}`); status != 200 || !strings.Contains(body, `"subscribers":0,"nodes":0`) {
		t.Errorf("%d %s", status, body)
	}
}

// What clients send reaches a backend that listens to the broker, with who sent it.
func TestFleetForward(t *testing.T) {
	ctx := within(t)
	const subject, probe = "sluice.f.orders", "probe"
	configs := forwardingTo(embeddedFleet(t, 2))
	configs[1].Broker.ClientListen = enginetest.FreeAddresses(t, 1)[0]
	nodes := startFleet(ctx, t, configs)
	var clients []*nats.Conn // of each node's server
	for _, cfg := range configs {
		nc, err := nats.Connect("nats://" + cfg.Broker.ClientListen)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		clients = append(clients, nc)
	}
	messages := make(chan *nats.Msg, 10_000)
	if _, err := clients[0].ChanSubscribe(subject, messages); err != nil {
		t.Fatal(err)
	}
	if err := clients[0].Flush(); err != nil {
		t.Fatal(err)
	}
	// The other node's server learns a moment later that somebody listens.
	eventually(t, "a message from the other server", func() bool {
		if err := clients[1].Publish(subject, []byte(probe)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-messages:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
	forwarded(ctx, t, nodes, func() string {
		for {
			select {
			case m := <-messages:
				if string(m.Data) != probe {
					return string(m.Data)
				}
			case <-ctx.Done():
				return "nothing came"
			}
		}
	})
}

// forwardingTo are the configurations with what clients send given to backends, and to nobody else.
func forwardingTo(configs []*config.Config) []*config.Config {
	for _, cfg := range configs {
		e := &cfg.Listeners[0].Endpoints[0]
		e.Forward, e.Publish = "orders", false
	}
	return configs
}

// forwarded has a client of each node send something, and compares what next returns.
func forwarded(ctx context.Context, t *testing.T, nodes []*node, next func() string) {
	t.Helper()
	for i, n := range nodes {
		c := n.dial(ctx, t, "/?channel=a&channel=b")
		n.joined(t, "a", 1)
		for op, text := range map[websocket.MessageType]string{websocket.MessageText: "buy 7", websocket.MessageBinary: "\xff\n"} {
			if err := c.Write(ctx, op, []byte(text)); err != nil {
				t.Fatal(err)
			}
			binary := ""
			if op == websocket.MessageBinary {
				binary = " binary=1"
			}
			want := fmt.Sprintf("sluice/1%s from=node-%d/%v path=%%2F channels=a,b\n%s", binary, i, n.hub.Connections(1)[0].ID, text)
			if got := next(); got != want {
				t.Errorf("node %d: %q, want %q", i, got, want)
			}
		}
		_ = c.CloseNow()
	}
}
