//go:build fleet

package redisbroker

import (
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/linktest"
)

// A redis-server in a process of its own, that keeps nothing.
func TestLinkExternal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, dir := l.Addr().String(), t.TempDir()
	_ = l.Close()
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
		server = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", dir)
		if err := server.Start(); err != nil {
			t.Fatalf("%v: install it (Debian: redis-server)", err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
				return
			}
			if time.Now().After(end) {
				t.Fatalf("redis-server does not listen: %v", err)
			}
		}
	}
	start(t)
	t.Cleanup(func() { stop(t) })
	linktest.Run(t, linktest.Engine{
		Stop: stop, Start: start,
		New: func(node string, queueBytes int) (broker.Link, error) {
			return New(Options{Node: node, Prefix: "sluice", Addresses: []string{address}, QueueBytes: queueBytes, Log: zerolog.Nop()})
		},
	})
}
