package gateway

import (
	"crypto/tls"
	"fmt"
	"hash/crc32"
	"math"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/demo"
	"sluice/gateway/edge"
	"sluice/gateway/hub"
	"sluice/gateway/protocol"
	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// What the parts are told of a configuration. These translate and nothing else.

func hubSettings(cfg *config.Config) hub.Settings {
	return hub.Settings{
		WriteQueue:     int(cfg.Limits.WriteQueue),
		OutboxFrames:   cfg.Limits.OutboxFrames,
		OutboxBytes:    int(cfg.Limits.OutboxBytes),
		OutboxAge:      time.Duration(cfg.Limits.OutboxAge),
		SocketBytes:    socketBytes(cfg.Guard.SocketQueues),
		Subscriptions:  cfg.Limits.Subscriptions,
		NodeQueueBytes: int64(cfg.Limits.NodeQueueBytes),
		PingInterval:   time.Duration(cfg.Keepalive.PingInterval),
		Timeout:        time.Duration(cfg.Keepalive.Timeout),
		CloseTimeout:   time.Duration(cfg.Limits.CloseTimeout),
		Namespace:      namespaces(cfg.Namespaces),
	}
}

// namespaces finds the options of a channel.
func namespaces(list []config.Namespace) func(channel string) hub.Namespace {
	all := make([]hub.Namespace, len(list))
	for i := range list {
		ns := &list[i]
		all[i] = hub.Namespace{SlowConsumer: slowConsumer(ns.SlowConsumer), MaxSubscribers: ns.MaxSubscribers}
		all[i].History = history(ns)
	}
	return func(channel string) hub.Namespace {
		for i := range list {
			if protocol.Match(list[i].Match, channel) {
				return all[i]
			}
		}
		return hub.Namespace{}
	}
}

// history is what is kept of the channels of a namespace; nil: nothing.
func history(ns *config.Namespace) *hub.History {
	if ns.History.Size == 0 {
		return nil
	}
	return &hub.History{Class: class(ns.Match), Size: ns.History.Size, TTL: time.Duration(ns.History.TTL)}
}

// presenceOf says whether a channel shows who is subscribed to it.
func presenceOf(list []config.Namespace, channel string) bool {
	for i := range list {
		if protocol.Match(list[i].Match, channel) {
			return list[i].Presence
		}
	}
	return false
}

// class names the channels that match a pattern, for the broker: what is
// readable of it, and a hash, since others might read the same.
func class(match string) string {
	const most = 20
	readable := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, match)
	return fmt.Sprintf("%s-%08x", readable[:min(most, len(readable))], crc32.ChecksumIEEE([]byte(match)))
}

// socketBytes is a share of the memory limit; 0 without one.
func socketBytes(share config.Share) int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return int64(float64(share) * float64(limit))
}

func slowConsumer(c config.SlowConsumer) hub.SlowConsumer {
	switch c {
	case config.DropOldest:
		return hub.SlowDropOldest
	case config.Latest:
		return hub.SlowLatest
	default:
		return hub.SlowDisconnect
	}
}

func edgeSettings(cfg *config.Config) edge.Settings {
	return edge.Settings{
		HandshakeTimeout: time.Duration(cfg.Limits.HandshakeTimeout),
		HeaderBytes:      int(cfg.Limits.HeaderBytes),
		Address: edge.AddressLimits{
			Connections:       cfg.Limits.ConnectionsPerAddress,
			ConnectsPerSecond: cfg.Limits.ConnectsPerAddress,
			FailuresPerMinute: cfg.Limits.FailedAuthsPerAddress,
		},
	}
}

// edgeTLS is nil for a listener without certificates.
func edgeTLS(c *config.TLS) *edge.TLS {
	if len(c.Certificates) == 0 {
		return nil
	}
	t := &edge.TLS{
		Goroutines:       c.Mode == config.TLSGoroutine,
		MinVersion:       tls.VersionTLS12,
		ClientCA:         c.ClientCAFile,
		HandshakeTimeout: time.Duration(c.HandshakeTimeout),
		MaxHandshakes:    c.MaxHandshakes,
		Tickets:          c.Tickets,
		TicketKeys:       c.TicketKeyFiles,
	}
	if c.MinVersion == config.TLS13 {
		t.MinVersion = tls.VersionTLS13
	}
	switch c.ClientAuth {
	case config.ClientAuthRequest:
		t.ClientAuth = tls.VerifyClientCertIfGiven
	case config.ClientAuthRequire:
		t.ClientAuth = tls.RequireAndVerifyClientCert
	}
	for _, pair := range c.Certificates {
		t.Certificates = append(t.Certificates, edge.CertificateFiles{Certificate: pair.CertFile, Key: pair.KeyFile})
	}
	return t
}

func sessionLimits(cfg *config.Config) *session.Limits {
	rules := ws.Rules{MaxMessage: int(cfg.Limits.MessageSize), MaxFragments: cfg.Limits.Fragments}
	deflate := rules
	deflate.Deflate = true
	return &session.Limits{
		Rules:                  rules,
		Deflate:                deflate,
		MessagesPerSecond:      cfg.Limits.MessagesPerSecond,
		BytesPerSecond:         int(cfg.Limits.BytesPerSecond),
		ControlFramesPerSecond: cfg.Limits.ControlFramesPerSecond,
		RefreshesPerMinute:     cfg.Limits.RefreshesPerMinute,
		MessageTimeout:         time.Duration(cfg.Limits.MessageTimeout),
		Subscriptions:          cfg.Limits.SubscriptionsPerConnection,
		SubscriptionsPerUser:   cfg.Limits.SubscriptionsPerUser,
		ChannelNameBytes:       cfg.Limits.ChannelNameBytes,
	}
}

// reservedFiles are descriptors that connections leave free: listeners, the
// admin listener's connections, epoll, logs.
const reservedFiles = 256

// maxConnections is what the open-files limit leaves room for.
func maxConnections() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1 << 20
	}
	n := int(min(l.Cur, 1<<30))
	return max(n-reservedFiles, n/2)
}

// page is what answers a plain GET; nil is a 404.
func page(c *config.Endpoint) (body []byte, contentType string) {
	switch {
	case c.Page != "":
		return []byte(c.Page), "text/plain; charset=utf-8"
	case c.Path == "/":
		return demo.Page(), demo.ContentType
	default:
		return nil, ""
	}
}

// dialects are all that the node speaks.
func dialects(cfg *config.Config) (*session.Dialects, error) {
	ds := &session.Dialects{RetryWithin: time.Duration(cfg.Drain.RetryWithin)}
	for i := range cfg.Listeners {
		for j := range cfg.Listeners[i].Endpoints {
			ds.Variants(dialect(&cfg.Listeners[i].Endpoints[j]))
		}
	}
	err := ds.Err()
	return ds, err
}

// dialect is how the clients of an endpoint are spoken to.
func dialect(c *config.Endpoint) (d session.Dialect) {
	switch c.OnGap {
	case config.GapMessage:
		d.OnGap = session.GapMessage
	case config.GapClose:
		d.OnGap, d.GapCode = session.GapClose, ws.CloseCode(c.GapCode)
	}
	if c.Compression.Enabled {
		d.Compression = session.Compression{Level: c.Compression.Level, MinSize: int(c.Compression.MinSize)}
	}
	return d
}
