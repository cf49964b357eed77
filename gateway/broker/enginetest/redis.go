package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Redis is a redis-server that keeps nothing over Kill and Start, not started yet.
func Redis(t testing.TB, arguments ...string) *Server {
	t.Helper()
	return redisAt(t, FreeAddresses(t, 1)[0], arguments...)
}

func redisAt(t testing.TB, address string, arguments ...string) *Server {
	t.Helper()
	return newServer(t, "redis-server", address, append([]string{
		"--bind", "127.0.0.1", "--port", portOf(address), "--save", "", "--dir", t.TempDir(),
	}, arguments...)...)
}

// Replica is a replica of a redis-server, not started yet.
func Replica(t testing.TB, of *Server) *Server {
	t.Helper()
	return Redis(t, "--replicaof", "127.0.0.1 "+portOf(of.Address), "--repl-diskless-sync-delay", "0")
}

// Deafen ends all subscriptions at a redis-server, and has it refuse sharded ones until the
// returned function is called. It takes all other commands.
func (s *Server) Deafen(t testing.TB) (hear func()) {
	t.Helper()
	say := func(arguments ...string) {
		t.Helper()
		if out, ok := s.CLI(t, arguments...); !ok || strings.HasPrefix(out, "ERR") {
			t.Fatalf("%v: %s", arguments, out)
		}
	}
	say("acl", "setuser", "default", "-ssubscribe")
	say("client", "kill", "type", "pubsub")
	return func() { t.Helper(); say("acl", "setuser", "default", "+ssubscribe") }
}

// Sentinels are three that watch a master with the name main, and its replica; they are started.
func Sentinels(t testing.TB, master *Server) (addresses []string) {
	t.Helper()
	for range 3 {
		address, file := FreeAddresses(t, 1)[0], filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor main 127.0.0.1 %s 2\n"+
			"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
			portOf(address), filepath.Dir(file), portOf(master.Address))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newServer(t, "redis-server", address, file, "--sentinel")
		s.Start(t)
		addresses = append(addresses, address)
		defer Eventually(t, "sentinel that knows all", func() bool {
			out, _ := s.CLI(t, "sentinel", "ckquorum", "main")
			replicas, _ := s.CLI(t, "sentinel", "replicas", "main")
			return strings.HasPrefix(out, "OK 3") && strings.Contains(replicas, "master-link-status\nok")
		})
	}
	return addresses
}
