//go:build fleet

package gateway

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/rueidis"

	"sluice/gateway/broker/enginetest"
	"sluice/gateway/config"
	"sluice/gateway/hub"
)

// engine is a broker that is not inside the nodes.
type engine struct {
	*enginetest.Server
	cluster enginetest.Cluster // of Redis, of which Server is one; nil: it stands alone
}

// engines are the brokers of these tests that stand alone, not started yet.
func engines(t testing.TB) []*engine {
	t.Helper()
	return []*engine{{Server: enginetest.NATS(t)}, {Server: enginetest.Redis(t)}}
}

// onEach runs a test with each kind of broker, running.
func onEach(t *testing.T, test func(ctx context.Context, t *testing.T, e *engine)) {
	e := enginetest.NATS(t)
	t.Run(e.Name, func(t *testing.T) {
		e.Start(t)
		test(within(t), t, &engine{Server: e})
	})
	onRedis(t, test)
}

func onRedis(t *testing.T, test func(ctx context.Context, t *testing.T, e *engine)) {
	e := enginetest.Redis(t)
	t.Run(e.Name, func(t *testing.T) {
		e.Start(t)
		test(within(t), t, &engine{Server: e})
	})
	t.Run("redis-cluster", func(t *testing.T) {
		c := enginetest.StartCluster(t)
		test(within(t), t, &engine{c[0], c})
	})
}

// configs are those of n nodes.
func (e *engine) configs(n int) (all []*config.Config) {
	for i := range n {
		cfg := fleetConfig()
		b := &cfg.Broker
		b.Node = fmt.Sprint("node-", i)
		switch {
		case e.cluster != nil:
			b.Type, b.Address, b.RedisCluster = config.RedisBroker, e.cluster.Addresses(), true
		case e.Name == "redis-server":
			b.Type, b.Address = config.RedisBroker, []string{e.Address}
		default:
			b.Type, b.URL = config.NATSBroker, []string{"nats://" + e.Address}
		}
		all = append(all, cfg)
	}
	return all
}

// publisher publishes to the engine itself.
func (e *engine) publisher(ctx context.Context, t testing.TB) straight {
	if e.Name == "nats-server" {
		return natsPublisher(t, e.Address)
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{e.Address}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return func(channel, text string) error {
		if e.cluster != nil {
			return c.Do(ctx, c.B().Spublish().Channel("sluice:c:"+channel).Message("sluice/1\n"+text).Build()).Error()
		}
		return c.Do(ctx, c.B().Publish().Channel("sluice:c:"+channel).Message("sluice/1\n"+text).Build()).Error()
	}
}

// B1, with brokers that are processes of their own.
func TestFleetExactlyOnceExternal(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, e *engine) {
		exactlyOnce(ctx, t, startFleet(ctx, t, e.configs(3)), e.publisher(ctx, t))
	})
}

func TestFleetResumeExternal(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, e *engine) {
		resume(ctx, t, startFleet(ctx, t, e.configs(3)))
	})
}

func TestFleetTooLongExternal(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, e *engine) { tooLong(ctx, t, e.configs(2)) })
}

// B2: the broker is gone, and comes back empty. Publishers are told, readiness says so, and
// afterwards every subscriber that may have missed something has been told.
func TestFleetBrokerIsGone(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			ctx := within(t)
			e.Start(t)
			configs := e.configs(2)
			for _, cfg := range configs {
				cfg.Namespaces[0].Presence = true
			}
			nodes := startFleet(ctx, t, configs)
			plain := nodes[1].dial(ctx, t, "/?channel=plain&positions=true")
			kept := nodes[1].dial(ctx, t, "/?channel=news&positions=true")
			old := word(ctx, t, kept, "joined news ")
			nodes[0].posted(t, "news", "before")
			if got := word(ctx, t, kept, "message news "); strings.Split(got, ":")[0] != strings.Split(old, ":")[0] {
				t.Errorf("a message at %s, joined at %s", got, old)
			}

			e.Kill()
			for i, n := range nodes {
				eventually(t, "no readiness", func() bool { ok, why := n.readiness(); return !ok && why == "broker" })
				if err := n.tryPublish("plain"); err == nil {
					t.Error("a publication was accepted without a broker")
				}
				if err := n.tryPublish("news"); err == nil {
					t.Error("a publication on a history was accepted without a broker")
				}
				n.cannotAsk(t, nodes[1-i].node)
			}
			e.Forget(t)
			e.Start(t)
			for _, n := range nodes {
				eventually(t, "readiness", func() bool { ok, _ := n.readiness(); return ok })
			}
			expect(ctx, t, plain, "gap plain -\n")
			now := word(ctx, t, kept, "gap news ")
			if strings.Split(now, ":")[0] == strings.Split(old, ":")[0] {
				t.Errorf("the broker has lost its state, and the epoch is still %s", now)
			}
			eventually(t, "publications", func() bool { return nodes[0].tryPublish("news") == nil })
			word(ctx, t, kept, "message news ")
		})
	}
}

// B1: where on_refused is close, a client whose message Redis does not take, or does not
// answer for, is closed so that it sends it again; what is taken closes nobody.
func TestFleetRefusedPublisherExternal(t *testing.T) {
	ctx := within(t)
	e := engines(t)[1]
	e.Start(t)
	cfg := e.configs(1)[0]
	cfg.Listeners[0].Endpoints[0].OnRefused = config.RefusedClose
	n := startFleet(ctx, t, []*config.Config{cfg})[0]
	plain, kept := n.dial(ctx, t, "/?channel=plain"), n.dial(ctx, t, "/?channel=news")
	hears := n.dial(ctx, t, "/?channel=plain&channel=news")
	say(ctx, t, kept, "taken")
	expect(ctx, t, hears, "taken")
	say(ctx, t, plain, "taken, too")
	expect(ctx, t, hears, "taken, too")
	if out, ok := e.CLI(t, "config", "set", "maxmemory", "1"); !ok {
		t.Fatal(out)
	}
	say(ctx, t, kept, "no room")
	expectClose(ctx, t, kept, websocket.StatusTryAgainLater, "could not be taken")
	say(ctx, t, plain, "needs none")
	expect(ctx, t, hears, "needs none")
	e.Kill()
	eventually(t, "no readiness", func() bool { ok, _ := n.readiness(); return !ok })
	say(ctx, t, plain, "nowhere to go")
	expectClose(ctx, t, plain, websocket.StatusTryAgainLater, "could not be taken")
}

// B2: Redis comes back without the last of what it had confirmed. Clients who saw that are told of
// a gap, those who did not go on where they were, and nobody gets a message twice.
func TestFleetRedisLosesSome(t *testing.T) {
	ctx := within(t)
	e := engines(t)[1]
	e.Start(t)
	nodes := startFleet(ctx, t, e.configs(2))
	c := nodes[1].dial(ctx, t, "/?channel=news&positions=true")
	word(ctx, t, c, "joined news ")
	saved := nodes[0].posted(t, "news", "saved")
	expect(ctx, t, c, "message news "+saved+"\nsaved")
	if out, ok := e.CLI(t, "save"); !ok {
		t.Fatal(out)
	}
	lost := nodes[0].posted(t, "news", "lost")
	expect(ctx, t, c, "message news "+lost+"\nlost")

	e.Kill()
	for _, n := range nodes {
		eventually(t, "no readiness", func() bool { ok, _ := n.readiness(); return !ok })
	}
	e.Start(t)
	for _, n := range nodes {
		eventually(t, "readiness", func() bool { ok, _ := n.readiness(); return ok })
	}
	word(ctx, t, c, "gap news ")
	again := nodes[0].posted(t, "news", "again")
	if strings.Split(again, ":")[1] != strings.Split(lost, ":")[1] {
		t.Fatalf("what was lost was at %s, what came instead is at %s: this test shows nothing", lost, again)
	}
	expect(ctx, t, c, "message news "+again+"\nagain")
	for i, n := range nodes {
		missed := n.dial(ctx, t, "/?channel=news&since="+url.QueryEscape(saved))
		expect(ctx, t, missed, "again")
		told := n.dial(ctx, t, "/?channel=news&positions=true&since="+url.QueryEscape(lost))
		if got := word(ctx, t, told, "gap news "); got != again {
			t.Errorf("node %d: a gap at %s, want %s", i, got, again)
		}
		_, body := get(t, "http://"+n.AdminAddress()+"/api/history?channel=news&since="+url.QueryEscape(lost))
		if !strings.Contains(body, `"complete":false`) || strings.Contains(body, `"saved"`) || !strings.Contains(body, `"again"`) {
			t.Errorf("node %d: the history after what was lost: %s", i, body)
		}
	}
}

// B1: a broker that takes nothing for a while costs bounded memory: publishers are told that it is
// busy, and what was accepted arrives afterwards, once and in order.
func TestFleetBrokerIsSlow(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			const most = 4000 // of 10 KB: more than sockets hold
			ctx := within(t)
			e.Start(t)
			configs := e.configs(2)
			for _, cfg := range configs {
				cfg.Broker.QueueBytes = 256 << 10
			}
			nodes := startFleet(ctx, t, configs)
			reader := nodes[1].dial(ctx, t, "/?channel=plain")
			nodes[1].joined(t, "plain", 1)
			e.Signal(t, syscall.SIGSTOP)
			accepted, busy := 0, false
			for accepted < most && !busy {
				text := fmt.Appendf(nil, "number %d %s", accepted, strings.Repeat("x", 10_000))
				switch _, err := nodes[0].hub.Publish([]string{"plain"}, hub.Publication{Payload: text}); err {
				case nil:
					accepted++
				case hub.ErrBusy:
					busy = true
				default:
					t.Fatal(err)
				}
			}
			e.Signal(t, syscall.SIGCONT)
			if !busy {
				t.Errorf("%d messages of 10 KB were accepted, with room for 256 KiB", accepted)
			}
			for i := range accepted {
				_, b, err := reader.Read(ctx)
				if want := fmt.Sprintf("number %d ", i); err != nil || !strings.HasPrefix(string(b), want) {
					t.Fatalf("got %.20q, %v, want %s", b, err, want)
				}
			}
			eventually(t, "room again", func() bool { return nodes[0].tryPublish("plain") == nil })
		})
	}
}

// word reads a message that begins so, and returns the rest of its first line.
func word(ctx context.Context, t testing.TB, c *websocket.Conn, begins string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, b, err := c.Read(ctx)
	rest, ok := strings.CutPrefix(string(b), begins)
	if err != nil || !ok {
		t.Fatalf("got %q, %v, want %s...", b, err, begins)
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// A publisher is told how many nodes have subscribers, by Redis too.
func TestFleetInterestRedis(t *testing.T) {
	onRedis(t, func(ctx context.Context, t *testing.T, e *engine) {
		interestRedis(ctx, t, startFleet(ctx, t, e.configs(3)))
	})
}

func interestRedis(ctx context.Context, t *testing.T, nodes []*node) {
	publish := func(channel string) string {
		status, body := post(t, "http://"+nodes[2].AdminAddress()+"/api/publish", `{"channel":"`+channel+`","text":"x"}`)
		if status != 200 {
			t.Errorf("%s: %d %s", channel, status, body)
		}
		return body
	}
	for _, channel := range []string{"plain", "news"} {
		for _, n := range nodes[:2] {
			c := n.dial(ctx, t, "/?channel="+channel)
			t.Cleanup(func() { _ = c.CloseNow() })
		}
		eventually(t, "word of two nodes of "+channel, func() bool {
			return strings.Contains(publish(channel), `"subscribers":0,"nodes":2`)
		})
	}
	if body := publish("nobody"); !strings.Contains(body, `"subscribers":0,"nodes":0`) {
		t.Errorf("nobody is subscribed: %s", body)
	}
}

// What clients send is in a stream of Redis, where backends read it.
func TestFleetForwardRedis(t *testing.T) {
	onRedis(t, func(ctx context.Context, t *testing.T, e *engine) {
		forwardRedis(ctx, t, e, startFleet(ctx, t, forwardingTo(e.configs(2))))
	})
}

func forwardRedis(ctx context.Context, t *testing.T, e *engine, nodes []*node) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{e.Address}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	last := "0"
	forwarded(ctx, t, nodes, func() string {
		for ctx.Err() == nil {
			streams, err := c.Do(ctx, c.B().Xread().Count(1).Block(1000).Streams().Key("sluice:f:orders").Id(last).Build()).AsXRead()
			if entries := streams["sluice:f:orders"]; err == nil && len(entries) == 1 {
				last = entries[0].ID
				return entries[0].FieldValues["message"]
			}
		}
		return "nothing came"
	})
}
