//go:build fleet

package fleet

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/broker/enginetest"
)

// beside is the broker's part of the configuration of nodes beside it.
func beside(e *enginetest.Server) broker {
	kind := fmt.Sprintf("type: nats, url: [%q]", "nats://"+e.Address)
	if e.Name == "redis-server" {
		kind = fmt.Sprintf("type: redis, address: [%q]", e.Address)
	}
	return func(_ int, name string) string { return fmt.Sprintf("broker: {node: %s, %s}", name, kind) }
}

// onEach runs f with each kind of broker, with n nodes that are up.
func onEach(t *testing.T, n int, f func(t *testing.T, list []*member)) {
	t.Run("embedded", func(t *testing.T) {
		f(t, up(within(t), t, n, embedded(t, n)))
	})
	for _, e := range []*enginetest.Server{enginetest.NATS(t), enginetest.Redis(t)} {
		t.Run(e.Name, func(t *testing.T) {
			e.Start(t)
			f(t, up(within(t), t, n, beside(e)))
		})
	}
	t.Run("redis-cluster", func(t *testing.T) {
		servers := strings.Join(enginetest.StartCluster(t).Addresses(), ", ")
		f(t, up(within(t), t, n, func(_ int, name string) string {
			return fmt.Sprintf("broker: {node: %s, type: redis, redis_cluster: true, address: [%s]}", name, servers)
		}))
	})
}
