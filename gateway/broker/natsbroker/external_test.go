//go:build fleet

package natsbroker

import (
	"net"
	"os/exec"
	"testing"
	"time"

	"sluice/gateway/broker"
	"sluice/gateway/broker/linktest"
)

// A nats-server in a process of its own.
func TestLinkExternal(t *testing.T) {
	address, dir := freePorts(t, 1)[0], t.TempDir()
	_, port, _ := net.SplitHostPort(address)
	var server *exec.Cmd
	stop := func(testing.TB) {
		if server != nil {
			_ = server.Process.Kill()
			_ = server.Wait()
			server = nil
		}
	}
	start := func(t testing.TB) {
		t.Helper()
		server = exec.Command("nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir)
		if err := server.Start(); err != nil {
			t.Fatalf("%v: install it (Debian: nats-server)", err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
				return
			}
			if time.Now().After(end) {
				t.Fatalf("nats-server does not listen: %v", err)
			}
		}
	}
	start(t)
	t.Cleanup(func() { stop(t) })
	linktest.Run(t, linktest.Engine{
		Stop: stop, Start: start, Keeps: true,
		Swaps: true, // nats-server 2.9 republishes what it has stored without a lock
		New: func(node string, queueBytes int) (broker.Link, error) {
			o := options(node, queueBytes)
			o.URLs = []string{"nats://" + address}
			return New(o)
		},
	})
}
