package gateway

import (
	"crypto/tls"
	"math"
	"runtime/debug"
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
	namespaces := cfg.Namespaces
	return hub.Settings{
		WriteQueue:     int(cfg.Limits.WriteQueue),
		OutboxFrames:   cfg.Limits.OutboxFrames,
		OutboxBytes:    int(cfg.Limits.OutboxBytes),
		OutboxAge:      time.Duration(cfg.Limits.OutboxAge),
		SocketBytes:    socketBytes(cfg.Guard.SocketQueues),
		NodeQueueBytes: int64(cfg.Limits.NodeQueueBytes),
		PingInterval:   time.Duration(cfg.Keepalive.PingInterval),
		Timeout:        time.Duration(cfg.Keepalive.Timeout),
		CloseTimeout:   time.Duration(cfg.Limits.CloseTimeout),
		Namespace: func(channel string) hub.Namespace {
			for _, ns := range namespaces {
				if protocol.Match(ns.Match, channel) {
					return hub.Namespace{SlowConsumer: slowConsumer(ns.SlowConsumer), MaxSubscribers: ns.MaxSubscribers}
				}
			}
			return hub.Namespace{}
		},
	}
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
	return &session.Limits{
		Rules:                  ws.Rules{MaxMessage: int(cfg.Limits.MessageSize), MaxFragments: cfg.Limits.Fragments},
		MessagesPerSecond:      cfg.Limits.MessagesPerSecond,
		BytesPerSecond:         int(cfg.Limits.BytesPerSecond),
		ControlFramesPerSecond: cfg.Limits.ControlFramesPerSecond,
		MessageTimeout:         time.Duration(cfg.Limits.MessageTimeout),
		Subscriptions:          cfg.Limits.SubscriptionsPerConnection,
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
