//go:build fleet

package redisbroker

import (
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/linktest"
)

// A redis-server in a process of its own, that keeps nothing.
func TestLinkExternal(t *testing.T) {
	s := newServer(t, freeAddresses(t, 1)[0])
	s.start(t)
	linktest.Run(t, linktest.Engine{
		Stop: func(testing.TB) { s.kill() }, Start: s.start,
		New: func(node string, queueBytes int) (broker.Link, error) {
			return New(Options{Node: node, Prefix: "sluice", Addresses: []string{s.address}, QueueBytes: queueBytes, Log: zerolog.Nop()})
		},
	})
}
