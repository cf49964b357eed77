package natsbroker

import (
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// The server inside a node, with the others as its clients.
func TestLinkEmbedded(t *testing.T) {
	listen := enginetest.FreeAddresses(t, 1)[0]
	linktest.Run(t, linktest.Engine{New: func(node string, queueBytes int) (broker.Link, error) {
		o := options(node, queueBytes)
		if node == "a" {
			o.Embedded = &Embedded{MaxPayload: 1 << 20, ClientListen: listen}
		} else {
			o.URLs = []string{"nats://" + listen}
		}
		return New(o)
	}})
}

// A cluster of three nodes' servers.
func TestLinkCluster(t *testing.T) {
	listen, routes := enginetest.FreeAddresses(t, 4), []string(nil)
	listen, routes = listen[:1], listen[1:]
	linktest.Run(t, linktest.Engine{New: func(node string, queueBytes int) (broker.Link, error) {
		o := options(node, queueBytes)
		i := slices.Index([]string{"a", "b", "c"}, node)
		if i < 0 {
			o.URLs = []string{"nats://" + listen[0]}
			return New(o)
		}
		o.Embedded = &Embedded{
			MaxPayload: 1 << 20, ClusterName: "test", ClusterListen: routes[i], Routes: routes, Secret: "secret",
		}
		if i == 0 {
			o.Embedded.ClientListen = listen[0]
		}
		return New(o)
	}})
}

func options(node string, queueBytes int) Options {
	return Options{Node: node, Prefix: "sluice", QueueBytes: queueBytes, Log: zerolog.Nop()}
}
