package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/natsbroker"
	"sluice/gateway/broker/redisbroker"
	"sluice/gateway/config"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/session"
)

// nodeName is what the node is called in its fleet. The default of a node with
// an embedded NATS is the same after a restart: JetStream knows its servers by name.
func nodeName(c *config.Broker) string {
	if c.Node != "" {
		return c.Node
	}
	host, _ := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '_'
	}, host[:min(len(host), maxHost)])
	if c.Embedded && c.Cluster.Listen != "" {
		_, port, _ := net.SplitHostPort(c.Cluster.Listen)
		return host + "-" + port
	}
	var b [4]byte
	_, _ = rand.Read(b[:])
	return host + "-" + hex.EncodeToString(b[:])
}

// maxHost is how much of the host's name is in that of a node.
const maxHost = 48

// newBroker makes the way to the other nodes; nil: there are none.
func (g *Gateway) newBroker(cfg *config.Config, log zerolog.Logger) (*broker.Broker, error) {
	c := &cfg.Broker
	if c.Type == config.MemoryBroker {
		return nil, nil
	}
	log = log.With().Str("engine", engineName(c)).Logger()
	link, err := newLink(cfg, g.node, log)
	if err != nil {
		return nil, err
	}
	return broker.New(broker.Options{
		Node: g.node, Link: link, Linger: time.Duration(c.Linger), LocalWhenDown: c.WhenDown == config.LocalWhenDown, Bare: c.Bare,
		MaxMessage: func() int { return g.limits.Load().Rules.MaxMessage },
		Control:    g.fleet.Control, Changed: func(bool) { g.fleet.Announce() }, Log: log,
	}), nil
}

// engineName is what carries the messages, for the log.
func engineName(c *config.Broker) string {
	switch {
	case c.Embedded:
		return "NATS inside"
	case c.Type == config.NATSBroker:
		return strings.Join(c.URL, " ")
	default:
		return "redis " + strings.Join(c.Address, " ")
	}
}

// newLink makes the link to the engine.
func newLink(cfg *config.Config, node string, log zerolog.Logger) (broker.Link, error) {
	c := &cfg.Broker
	security, err := c.TLS.Load()
	if err != nil {
		return nil, fmt.Errorf("gateway: broker: %w", err)
	}
	if c.Type == config.RedisBroker {
		return redisbroker.New(redisbroker.Options{
			Node: node, Prefix: c.Prefix, Addresses: c.Address, Cluster: c.RedisCluster, Sharded: c.RedisCluster && c.RedisPubSub == config.ShardedPubSub, SentinelMaster: c.SentinelMaster, DB: c.DB,
			User: c.User, Password: c.Password.Reveal(), TLS: security, QueueBytes: int(c.QueueBytes), Log: log,
		})
	}
	o := natsbroker.Options{
		Node: node, Prefix: c.Prefix, URLs: c.URL, User: c.User, Password: c.Password.Reveal(),
		CredentialsFile: c.CredentialsFile, NKeyFile: c.NKeyFile,
		Classes: histories(cfg.Namespaces), QueueBytes: int(c.QueueBytes), Replicas: c.Replicas, Log: log,
	}
	if !c.Embedded {
		o.TLS = security
		return natsbroker.New(o)
	}
	o.Embedded = &natsbroker.Embedded{
		ClientListen: c.ClientListen, StoreDir: c.StoreDir, MaxPayload: int(cfg.Limits.MessageSize) + envelopeRoom,
		ClusterName: c.Cluster.Name, ClusterListen: c.Cluster.Listen, Advertise: c.Cluster.Advertise, Routes: c.Cluster.Routes,
		Secret: c.Cluster.Secret.Reveal(), TLS: security,
	}
	return natsbroker.New(o)
}

// histories are the classes of channels that have one.
func histories(list []config.Namespace) (all []broker.Class) {
	for i := range list {
		if h := history(&list[i]); h != nil {
			all = append(all, broker.ClassOf(h))
		}
	}
	return all
}

// envelopeRoom is what a message between nodes may have beside its payload: most of it
// the names of all its channels.
const envelopeRoom = 64 << 10

// forward gives what an endpoint's clients send to backends; nil: nothing is given.
func (g *Gateway) forward(c *config.Endpoint) func(*session.Forwarded) error {
	if c.Forward == "" {
		return nil
	}
	name, path := c.Forward, c.Path
	return func(f *session.Forwarded) error {
		return g.broker.Forward(name, &broker.Forwarded{
			Connection: f.Connection, Path: path, User: f.User, Channels: f.Channels, Payload: f.Payload, Binary: f.Binary,
		})
	}
}

// brokerFigures are the broker's, for metrics; nil without one.
func (g *Gateway) brokerFigures() *metrics.BrokerFigures {
	b := g.broker
	if b == nil {
		return nil
	}
	n := &b.Counters
	routes, known := b.Routes()
	if !known {
		routes = -1
	}
	return &metrics.BrokerFigures{
		Up: b.Up(), Channels: b.Channels(), Routes: routes, Sent: n.Sent.Load(), Forwarded: n.Forwarded.Load(), ForwardLost: n.ForwardsLost.Load(), Received: n.Received.Load(), Refused: n.Refused.Load(),
		Malformed: n.Malformed.Load(), Downs: n.Downs.Load(), Losses: n.Losses.Load(), Fetches: n.Fetches.Load(), Failed: n.Failed.Load(),
	}
}

// hubBroker is b for the hub, which wants nil, and not a nil *Broker, where there is none.
func hubBroker(b *broker.Broker) hub.Broker {
	if b == nil {
		return nil
	}
	return b
}

// startBroker begins to connect. It does not wait: readiness says when the link is up.
func (g *Gateway) startBroker() error {
	if g.broker == nil {
		return nil
	}
	return g.broker.Start(g.hub)
}

// closeBroker gives what is on its way to the other nodes.
func (g *Gateway) closeBroker(ctx context.Context) error {
	if g.broker == nil {
		return nil
	}
	g.fleet.Leave()
	return g.broker.Close(ctx)
}
