//go:build fleet

package redisbroker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server is a redis-server or a sentinel in a process of its own.
type server struct {
	address   string
	arguments []string
	process   *exec.Cmd // nil: it does not run
}

// patience is how long anything may take that has to happen.
const patience = 60 * time.Second

// freeAddresses are addresses that nobody listens on.
func freeAddresses(t testing.TB, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		list = append(list, l.Addr().String())
	}
	return list
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// newServer is one that keeps nothing, and does not run yet.
func newServer(t testing.TB, address string, arguments ...string) *server {
	t.Helper()
	return prepared(t, address, append([]string{
		"--bind", "127.0.0.1", "--port", portOf(address), "--save", "", "--dir", t.TempDir(),
	}, arguments...))
}

// newSentinel is one that watches a master with the name main, and does not run yet.
func newSentinel(t testing.TB, address, master string, quorum int) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor main 127.0.0.1 %s %d\n"+
		"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
		portOf(address), filepath.Dir(file), portOf(master), quorum)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return prepared(t, address, []string{file, "--sentinel"})
}

// prepared is a server that ends with the test, whoever starts it.
func prepared(t testing.TB, address string, arguments []string) *server {
	s := &server{address: address, arguments: arguments}
	t.Cleanup(s.kill)
	return s
}

// start starts the process, and waits until it listens.
func (s *server) start(t testing.TB) {
	t.Helper()
	s.process = exec.Command("redis-server", s.arguments...)
	if err := s.process.Start(); err != nil {
		t.Fatalf("%v: install it (Debian: redis-server)", err)
	}
	eventually(t, "server at "+s.address, func() bool {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// kill ends the process, as kill -9 does.
func (s *server) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// cli is what redis-cli says, and whether it went well.
func cli(t testing.TB, address string, arguments ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", portOf(address)}, arguments...)...).CombinedOutput()
	return string(b), err == nil
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// cluster is a Redis Cluster of three masters without replicas.
type cluster []*server

// startCluster starts one, and waits until it serves all slots.
func startCluster(t testing.TB, arguments ...string) cluster {
	t.Helper()
	var c cluster
	create := []string{"--cluster", "create"}
	addresses := freeAddresses(t, 6)
	for i, address := range addresses[:3] {
		bus := portOf(addresses[3+i])
		c = append(c, newServer(t, address, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus,
		}, arguments...)...))
		create = append(create, address+"@"+bus)
	}
	for _, s := range c {
		s.start(t)
	}
	if out, ok := cli(t, c[0].address, append(create, "--cluster-yes")...); !ok {
		t.Fatalf("no cluster:\n%s", out)
	}
	c.whole(t)
	return c
}

// whole waits until all servers serve all slots.
func (c cluster) whole(t testing.TB) {
	t.Helper()
	for _, s := range c {
		eventually(t, "whole cluster at "+s.address, func() bool {
			out, _ := cli(t, s.address, "cluster", "info")
			return strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_slots_ok:16384")
		})
	}
}

func (c cluster) addresses() (list []string) {
	for _, s := range c {
		list = append(list, s.address)
	}
	return list
}

// owner is the server that has a key.
func (c cluster) owner(t testing.TB, key string) *server {
	t.Helper()
	// A server that has not got the key's slot answers with who has.
	for _, s := range c {
		if out, _ := cli(t, s.address, "exists", key); !strings.Contains(out, "MOVED") {
			return s
		}
	}
	t.Fatalf("nobody has %s", key)
	return nil
}
