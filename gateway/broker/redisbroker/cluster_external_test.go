//go:build fleet

package redisbroker

import (
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/linktest"
)

// clusterLink is a link to a Redis Cluster.
func clusterLink(c cluster, node string, queueBytes int) (*Link, error) {
	return New(Options{Node: node, Prefix: "sluice", Addresses: c.addresses(), Cluster: true, QueueBytes: queueBytes, Log: zerolog.Nop()})
}

// A Redis Cluster of three masters keeps the contract of a link.
func TestFleetClusterLink(t *testing.T) {
	c := startCluster(t)
	linktest.Run(t, linktest.Engine{
		New: func(node string, queueBytes int) (broker.Link, error) { return clusterLink(c, node, queueBytes) },
		Stop: func(testing.TB) {
			for _, s := range c {
				s.kill()
			}
		},
		Start: func(t testing.TB) {
			for _, s := range c {
				s.start(t)
			}
			c.whole(t)
		},
	})
}
