package config

import "time"

// Default is the configuration of a node that is told nothing: the demo on
// 127.0.0.1:8080 and the admin listener on 127.0.0.1:8081. Each call returns a
// configuration of its own.
func Default() *Config {
	l := defaultListener()
	e := defaultEndpoint()
	e.Stats = true
	l.Endpoints = []Endpoint{e}
	ns := defaultNamespace()
	ns.Match = "*"
	return &Config{
		Listeners: []Listener{l},
		Admin:     Admin{Address: "127.0.0.1:8081"},
		Engine: Engine{
			ReadBuffer:  64 * KiB,
			IdleRelease: Duration(10 * time.Second),
			TimerSlack:  Duration(time.Millisecond),
		},
		Hub: Hub{
			Inbox:      65536,
			BatchBytes: 64 * KiB,
			Slice:      1000,
		},
		Broker: Broker{
			Type:        MemoryBroker,
			Prefix:      "sluice",
			Linger:      Duration(5 * time.Second),
			WhenDown:    RefuseWhenDown,
			QueueBytes:  64 * MiB,
			Cluster:     Cluster{Name: "sluice", Routes: []string{}},
			URL:         []string{},
			Address:     []string{},
			RedisPubSub: ShardedPubSub,
		},
		Namespaces: []Namespace{ns},
		Auth: Auth{
			Keys:                []Key{},
			JWKS:                JWKS{Refresh: Duration(10 * time.Minute), MaxStale: day},
			Sources:             []TokenSource{Authorization, Subprotocol},
			Subprotocol:         "sluice",
			TokenBytes:          4 * KiB,
			MaxLifetime:         day,
			Leeway:              Duration(30 * time.Second),
			FirstMessageTimeout: Duration(5 * time.Second),
			RefreshGrace:        Duration(25 * time.Second),
			MaxRevocations:      100_000,
		},
		Limits: Limits{
			MessageSize:                64 * KiB,
			Fragments:                  128,
			MessageTimeout:             Duration(30 * time.Second),
			HandshakeTimeout:           Duration(5 * time.Second),
			CloseTimeout:               Duration(5 * time.Second),
			HeaderBytes:                8 * KiB,
			ControlFramesPerSecond:     20,
			RefreshesPerMinute:         10,
			SubscriptionsPerConnection: 128,
			SubscriptionsPerUser:       10_000,
			ChannelNameBytes:           255,
			WriteQueue:                 128 * KiB,
			OutboxFrames:               1024,
			OutboxBytes:                16 * MiB,
			OutboxAge:                  Duration(10 * time.Second),
		},
		Guard: Guard{SocketQueues: 0.5, StopAccepting: 0.85, ShedQueues: 0.92, ShedNewest: 0.97},
		Keepalive: Keepalive{
			PingInterval: Duration(25 * time.Second),
			Timeout:      Duration(60 * time.Second),
		},
		Drain: Drain{
			Period:  Duration(10 * time.Second),
			Timeout: Duration(30 * time.Second),

			RetryWithin: Duration(time.Second),
		},
		Rebalance: Rebalance{Above: 0.2, After: Duration(time.Minute), MaxRate: 100},
		Log:       Log{Level: Info, Format: JSON},
	}
}

// The defaults of a list's elements: what a file leaves out of one that it lists.

func defaultListener() Listener {
	return Listener{
		Address: "127.0.0.1:8080", Backlog: 4096, TLS: defaultTLS(),
		Hosts:          []string{},
		ProxyProtocol:  ProxyProtocol{From: []string{}},
		TrustedProxies: []string{}, ClientHeader: XForwardedFor,
		Endpoints: []Endpoint{defaultEndpoint()},
	}
}

func defaultTLS() TLS {
	return TLS{
		Certificates:     []Certificate{},
		Mode:             TLSLoop,
		MinVersion:       TLS12,
		ClientAuth:       ClientAuthNone,
		HandshakeTimeout: Duration(5 * time.Second),
		MaxHandshakes:    1024,
		Tickets:          true,
		TicketKeyFiles:   []string{},
	}
}

func defaultEndpoint() Endpoint {
	return Endpoint{
		Path:               "/",
		Protocol:           Raw,
		Channels:           []string{"lobby"},
		AllowChannels:      []string{"*"},
		Publish:            true,
		EchoSelf:           true,
		Subprotocols:       []string{},
		Compression:        Compression{Level: 1, MinSize: 128},
		OnRefused:          RefusedIgnore,
		OnGap:              GapIgnore,
		GapCode:            4409,
		Origins:            []string{},
		AllowMissingOrigin: true,
		Auth:               EndpointAuth{Mode: AuthToken, Sources: []TokenSource{}, Anonymous: []string{}},
	}
}

func defaultNamespace() Namespace {
	return Namespace{SlowConsumer: Disconnect, Subscribe: []string{"claims"}, Publish: []string{"claims"}}
}
