package enginetest

import (
	"net"
	"strings"
	"testing"
	"time"
)

// Cluster is a Redis Cluster of three masters without replicas.
type Cluster []*Server

// StartCluster starts one, and waits until it serves all slots.
func StartCluster(t testing.TB, arguments ...string) Cluster {
	t.Helper()
	var c Cluster
	create := []string{"--cluster", "create"}
	addresses := FreeAddresses(t, 6)
	for i, address := range addresses[:3] {
		bus := portOf(addresses[3+i])
		c = append(c, redisAt(t, address, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus,
		}, arguments...)...))
		create = append(create, address+"@"+bus)
	}
	for _, s := range c {
		s.Start(t)
	}
	if out, ok := c[0].CLI(t, append(create, "--cluster-yes")...); !ok {
		t.Fatalf("no cluster:\n%s", out)
	}
	c.Whole(t)
	return c
}

// Whole waits until all servers serve all slots.
func (c Cluster) Whole(t testing.TB) {
	t.Helper()
	for _, s := range c {
		Eventually(t, "whole cluster at "+s.Address, func() bool {
			out, _ := s.CLI(t, "cluster", "info")
			return strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_slots_ok:16384")
		})
	}
}

// Addresses are those of all servers.
func (c Cluster) Addresses() (list []string) {
	for _, s := range c {
		list = append(list, s.Address)
	}
	return list
}

// Replica adds a replica of one of its servers, and waits until it has all.
func (c Cluster) Replica(t testing.TB, of *Server) *Server {
	t.Helper()
	addresses := FreeAddresses(t, 2)
	s := redisAt(t, addresses[0], "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", portOf(addresses[1]),
		"--repl-diskless-sync-delay", "0")
	s.Start(t)
	if out, ok := of.CLI(t, "--cluster", "add-node", s.Address+"@"+portOf(addresses[1]), of.Address,
		"--cluster-slave", "--cluster-master-id", of.id(t)); !ok {
		t.Fatalf("no replica:\n%s", out)
	}
	s.Follows(t)
	for _, other := range c {
		Eventually(t, "replica known to all", func() bool {
			out, _ := other.CLI(t, "cluster", "nodes")
			return strings.Contains(out, s.id(t))
		})
	}
	return s
}

// Follows waits until a replica has all that its master has.
func (s *Server) Follows(t testing.TB) {
	t.Helper()
	Eventually(t, "replica", func() bool {
		out, _ := s.CLI(t, "role")
		return strings.HasPrefix(out, "slave") && strings.Contains(out, "connected")
	})
}

// Replicates waits until all of the cluster's servers know that one is a replica, and it has all that its master has.
func (c Cluster) Replicates(t testing.TB, s *Server) {
	t.Helper()
	s.Follows(t)
	for _, other := range c {
		Eventually(t, "replica known to "+other.Address, func() bool {
			nodes, _ := other.CLI(t, "cluster", "nodes")
			for line := range strings.Lines(nodes) {
				if strings.HasPrefix(line, s.id(t)) {
					return strings.Contains(line, "slave") && !strings.Contains(line, "fail")
				}
			}
			return false
		})
	}
}

// TakeOver makes a replica the master of its master.
func (s *Server) TakeOver(t testing.TB) {
	t.Helper()
	s.Follows(t)
	asked := time.Time{}
	Eventually(t, "new master", func() bool {
		if time.Since(asked) > 6*time.Second { // a try ends after 5 s
			asked = time.Now()
			if out, ok := s.CLI(t, "cluster", "failover"); !ok || !strings.HasPrefix(out, "OK") {
				t.Fatal(out)
			}
		}
		out, _ := s.CLI(t, "role")
		return strings.HasPrefix(out, "master")
	})
}

func (s *Server) id(t testing.TB) string {
	t.Helper()
	out, _ := s.CLI(t, "cluster", "myid")
	return strings.TrimSpace(out)
}

// Move gives a key's slot to another server, with the keys in it.
func (c Cluster) Move(t testing.TB, key string, from, to *Server) {
	t.Helper()
	out, _ := from.CLI(t, "cluster", "keyslot", key)
	slot := strings.TrimSpace(out)
	set := func(s *Server, arguments ...string) {
		t.Helper()
		if out, ok := s.CLI(t, append([]string{"cluster", "setslot", slot}, arguments...)...); !ok || !strings.HasPrefix(out, "OK") {
			t.Fatalf("setslot %v at %s: %s", arguments, s.Address, out)
		}
	}
	set(to, "importing", from.id(t))
	set(from, "migrating", to.id(t))
	Eventually(t, "slot without keys", func() bool {
		out, _ := from.CLI(t, "cluster", "getkeysinslot", slot, "100")
		keys := strings.Fields(out)
		if len(keys) == 0 {
			return true
		}
		host, port, _ := net.SplitHostPort(to.Address)
		from.CLI(t, append([]string{"migrate", host, port, "", "0", "5000", "keys"}, keys...)...)
		return false
	})
	set(to, "node", to.id(t))
	set(from, "node", to.id(t))
	for _, s := range c {
		if s != to && s != from {
			set(s, "node", to.id(t))
		}
	}
}

// Owner is the server that has a key.
func (c Cluster) Owner(t testing.TB, key string) *Server {
	t.Helper()
	// A server that has not got the key's slot answers with who has.
	for _, s := range c {
		if out, _ := s.CLI(t, "exists", key); !strings.Contains(out, "MOVED") {
			return s
		}
	}
	t.Fatalf("nobody has %s", key)
	return nil
}
