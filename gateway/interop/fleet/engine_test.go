//go:build fleet

package fleet

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"
)

// An engine is a broker beside the nodes, a process.
type engine struct {
	command []string
	address string
	cmd     *exec.Cmd
}

func natsServer(t testing.TB) *engine {
	address := freePorts(t, 1)[0]
	_, port, _ := net.SplitHostPort(address)
	return &engine{command: []string{"nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir()}, address: address}
}

func redisServer(t testing.TB) *engine {
	address := freePorts(t, 1)[0]
	_, port, _ := net.SplitHostPort(address)
	return &engine{command: []string{"redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir()}, address: address}
}

// start starts it, and returns when it listens. The end of the test ends it.
func (e *engine) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(e.command[0], e.command[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install it (Debian: %s)", err, e.command[0])
	}
	e.cmd = cmd
	t.Cleanup(e.stop)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", e.address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v", e.command[0], err)
		}
	}
}

// stop is kill -9.
func (e *engine) stop() {
	if e.cmd != nil {
		_ = e.cmd.Process.Kill()
		_ = e.cmd.Wait()
		e.cmd = nil
	}
}

// beside is the broker's part of the configuration of nodes beside it.
func (e *engine) beside() broker {
	kind := fmt.Sprintf("type: nats, url: [%q]", "nats://"+e.address)
	if e.command[0] == "redis-server" {
		kind = fmt.Sprintf("type: redis, address: [%q]", e.address)
	}
	return func(_ int, name string) string { return fmt.Sprintf("broker: {node: %s, %s}", name, kind) }
}

// onEach runs f with each kind of broker, with n nodes that are up.
func onEach(t *testing.T, n int, f func(t *testing.T, list []*member)) {
	t.Run("embedded", func(t *testing.T) {
		f(t, up(within(t), t, n, embedded(t, n)))
	})
	for _, e := range []*engine{natsServer(t), redisServer(t)} {
		t.Run(e.command[0], func(t *testing.T) {
			e.start(t)
			f(t, up(within(t), t, n, e.beside()))
		})
	}
}
