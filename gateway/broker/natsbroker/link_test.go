package natsbroker

import (
	"context"
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

// linked returns a link that is up, until the test ends.
func linked(t *testing.T, o Options) *Link {
	t.Helper()
	l := begun(t, o)
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

// begun returns a link that is up, and is the caller's to close.
func begun(t *testing.T, o Options) *Link {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	up := make(upReceiver, 1)
	if err := l.Start(up); err != nil {
		t.Fatal(err)
	}
	<-up
	return l
}

// upReceiver hears that a link is up, and nothing else.
type upReceiver chan struct{}

func (u upReceiver) Up()                                           { u <- struct{}{} }
func (upReceiver) Down(error)                                      {}
func (upReceiver) Message(string, []byte, broker.Position, uint64) {}
func (upReceiver) Missing(string)                                  {}
func (upReceiver) Missed(string)                                   {}
func (upReceiver) Lost(string)                                     {}
func (upReceiver) Control([]byte)                                  {}
