//go:build fleet

package redisbroker

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// B4: a user with the rights that docs/fleet.md gives is enough, for one server and for a cluster.
func TestFleetRights(t *testing.T) {
	rule := enginetest.Fenced(t, "../../../docs/fleet.md", "ACL SETUSER sluice")
	rule = strings.ReplaceAll(rule, "\\\n", " ")
	allow := func(t *testing.T, s *enginetest.Server) {
		if out, ok := s.CLI(t, strings.Fields(rule)...); !ok || !strings.HasPrefix(out, "OK") {
			t.Fatalf("%s: %s", rule, out)
		}
		if out, _ := s.CLI(t, "--user", "sluice", "--pass", "SECRET", "--no-auth-warning", "get", "sluice:x"); !strings.Contains(out, "NOPERM") {
			t.Errorf("the user may read any key: %s", out)
		}
	}
	run := func(t *testing.T, o Options) {
		o.Prefix, o.User, o.Password, o.Log = "sluice", "sluice", "SECRET", zerolog.Nop()
		linktest.Run(t, linktest.Engine{New: func(node string, queueBytes int) (broker.Link, error) {
			o.Node, o.QueueBytes = node, queueBytes
			return New(o)
		}})
	}
	t.Run("server", func(t *testing.T) {
		s := enginetest.Redis(t)
		s.Start(t)
		allow(t, s)
		run(t, Options{Addresses: []string{s.Address}})
	})
	t.Run("cluster", func(t *testing.T) {
		c := enginetest.StartCluster(t)
		for _, s := range c {
			allow(t, s)
		}
		run(t, Options{Addresses: c.Addresses(), Cluster: true, Sharded: true})
	})
}
