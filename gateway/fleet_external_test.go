//go:build fleet

package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/rueidis"

	"sluice/gateway/config"
	"sluice/gateway/hub"
)

// An engine is a broker in a process of its own.
type engine struct {
	name      string
	address   string
	arguments []string
	process   *exec.Cmd
}

// engines are the brokers of these tests, on free ports, not started yet.
func engines(t testing.TB) []*engine {
	t.Helper()
	ports := freePorts(t, 2)
	_, nats, _ := net.SplitHostPort(ports[0])
	_, redis, _ := net.SplitHostPort(ports[1])
	return []*engine{
		{name: "nats-server", address: ports[0], arguments: []string{"-a", "127.0.0.1", "-p", nats, "-js", "-sd", t.TempDir()}},
		{name: "redis-server", address: ports[1], arguments: []string{"--bind", "127.0.0.1", "--port", redis, "--save", "", "--dir", t.TempDir()}},
	}
}

// start starts the process, and waits until it listens.
func (e *engine) start(t testing.TB) {
	t.Helper()
	path, err := exec.LookPath(e.name)
	if err != nil {
		t.Fatalf("%v: install it (Debian: %s)", err, e.name)
	}
	e.process = exec.Command(path, e.arguments...)
	if testing.Verbose() {
		e.process.Stderr = os.Stderr
	}
	if err := e.process.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, e.name, func() bool {
		c, err := net.Dial("tcp", e.address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	t.Cleanup(func() { e.stop() })
}

// stop ends the process, as kill -9 does.
func (e *engine) stop() {
	if e.process != nil {
		_ = e.process.Process.Kill()
		_ = e.process.Wait()
		e.process = nil
	}
}

// configs are those of n nodes.
func (e *engine) configs(n int) (all []*config.Config) {
	for i := range n {
		cfg := fleetConfig()
		b := &cfg.Broker
		b.Node = fmt.Sprint("node-", i)
		if e.name == "redis-server" {
			b.Type, b.Address = config.RedisBroker, []string{e.address}
		} else {
			b.Type, b.URL = config.NATSBroker, []string{"nats://" + e.address}
		}
		all = append(all, cfg)
	}
	return all
}

// publisher publishes to the engine itself.
func (e *engine) publisher(ctx context.Context, t testing.TB) straight {
	if e.name == "nats-server" {
		return natsPublisher(t, e.address)
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{e.address}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return func(channel, text string) error {
		return c.Do(ctx, c.B().Publish().Channel("sluice:c:"+channel).Message("sluice/1\n"+text).Build()).Error()
	}
}

// B1, with brokers that are processes of their own.
func TestFleetExactlyOnceExternal(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.name, func(t *testing.T) {
			ctx := within(t)
			e.start(t)
			exactlyOnce(ctx, t, startFleet(ctx, t, e.configs(3)), e.publisher(ctx, t))
		})
	}
}

func TestFleetResumeExternal(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.name, func(t *testing.T) {
			ctx := within(t)
			e.start(t)
			resume(ctx, t, startFleet(ctx, t, e.configs(3)))
		})
	}
}

// B2: the broker is gone, and comes back empty. Publishers are told, readiness says so, and
// afterwards every subscriber that may have missed something has been told.
func TestFleetBrokerIsGone(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.name, func(t *testing.T) {
			ctx := within(t)
			e.start(t)
			nodes := startFleet(ctx, t, e.configs(2))
			plain := nodes[1].dial(ctx, t, "/?channel=plain&positions=true")
			kept := nodes[1].dial(ctx, t, "/?channel=news&positions=true")
			old := word(ctx, t, kept, "joined news ")
			nodes[0].posted(t, "news", "before")
			if got := word(ctx, t, kept, "message news "); strings.Split(got, ":")[0] != strings.Split(old, ":")[0] {
				t.Errorf("a message at %s, joined at %s", got, old)
			}

			e.stop()
			for _, n := range nodes {
				eventually(t, "no readiness", func() bool { ok, why := n.readiness(); return !ok && why == "broker" })
				if err := n.tryPublish("plain"); err == nil {
					t.Error("a publication was accepted without a broker")
				}
				if err := n.tryPublish("news"); err == nil {
					t.Error("a publication on a history was accepted without a broker")
				}
			}
			e.arguments = e.empty(t)
			e.start(t)
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

// B1: a broker that takes nothing for a while costs bounded memory: publishers are told that it is
// busy, and what was accepted arrives afterwards, once and in order.
func TestFleetBrokerIsSlow(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.name, func(t *testing.T) {
			const most = 4000 // of 10 KB: more than sockets hold
			ctx := within(t)
			e.start(t)
			configs := e.configs(2)
			for _, cfg := range configs {
				cfg.Broker.QueueBytes = 256 << 10
			}
			nodes := startFleet(ctx, t, configs)
			reader := nodes[1].dial(ctx, t, "/?channel=plain")
			nodes[1].joined(t, "plain", 1)
			if err := e.process.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
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
			if err := e.process.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
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

// empty are arguments with which the engine begins with nothing.
func (e *engine) empty(t testing.TB) []string {
	list := append([]string(nil), e.arguments...)
	list[len(list)-1] = t.TempDir()
	return list
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

// What clients send is in a stream of Redis, where backends read it.
func TestFleetForwardRedis(t *testing.T) {
	ctx := within(t)
	e := engines(t)[1]
	e.start(t)
	nodes := startFleet(ctx, t, forwardingTo(e.configs(2)))
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{e.address}, DisableCache: true})
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
