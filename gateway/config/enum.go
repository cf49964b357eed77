package config

import "sluice/gateway/auth"

// enum is a text key with a closed set of values.
type enum interface{ choices() []string }

// Protocol is what the clients of an endpoint speak.
type Protocol string

// Raw is the protocol whose payload is the message.
const Raw Protocol = "raw"

func (Protocol) choices() []string { return []string{string(Raw)} }

// BrokerType is what carries messages between nodes.
type BrokerType string

// The brokers.
const (
	MemoryBroker BrokerType = "memory"
	NATSBroker   BrokerType = "nats"
	RedisBroker  BrokerType = "redis"
)

func (BrokerType) choices() []string {
	return []string{string(MemoryBroker), string(NATSBroker), string(RedisBroker)}
}

// RedisPubSub is how a Redis Cluster carries what is published.
type RedisPubSub string

// The ways.
const (
	ShardedPubSub RedisPubSub = "sharded"
	PlainPubSub   RedisPubSub = "plain"
)

func (RedisPubSub) choices() []string { return []string{string(ShardedPubSub), string(PlainPubSub)} }

// WhenDown is what becomes of messages while the broker cannot be reached.
type WhenDown string

// What may become of them.
const (
	RefuseWhenDown WhenDown = "refuse"
	LocalWhenDown  WhenDown = "local"
)

func (WhenDown) choices() []string { return []string{string(RefuseWhenDown), string(LocalWhenDown)} }

// SlowConsumer is what happens to a subscriber whose queue is full.
type SlowConsumer string

// The policies for slow consumers.
const (
	Disconnect SlowConsumer = "disconnect"
	DropOldest SlowConsumer = "drop_oldest"
	Latest     SlowConsumer = "latest"
)

func (SlowConsumer) choices() []string {
	return []string{string(Disconnect), string(DropOldest), string(Latest)}
}

// OnGap is what happens when messages may have been lost on the way to a node.
type OnGap string

// What a client learns of it.
const (
	GapIgnore  OnGap = "ignore"
	GapMessage OnGap = "message"
	GapClose   OnGap = "close"
)

func (OnGap) choices() []string {
	return []string{string(GapIgnore), string(GapMessage), string(GapClose)}
}

// OnRefused is what happens when a client's publication is not taken.
type OnRefused string

// What a client learns of it.
const (
	RefusedIgnore OnRefused = "ignore"
	RefusedClose  OnRefused = "close"
)

func (OnRefused) choices() []string { return []string{string(RefusedIgnore), string(RefusedClose)} }

// LogLevel is the least severe level that is logged.
type LogLevel string

// The log levels, in zerolog's spelling.
const (
	Trace LogLevel = "trace"
	Debug LogLevel = "debug"
	Info  LogLevel = "info"
	Warn  LogLevel = "warn"
	Error LogLevel = "error"
)

func (LogLevel) choices() []string {
	return []string{string(Trace), string(Debug), string(Info), string(Warn), string(Error)}
}

// LogFormat is how a log line looks.
type LogFormat string

// The log formats.
const (
	JSON    LogFormat = "json"
	Console LogFormat = "console"
)

func (LogFormat) choices() []string { return []string{string(JSON), string(Console)} }

// TLSMode is who decrypts.
type TLSMode string

// The modes of TLS.
const (
	TLSLoop      TLSMode = "loop"
	TLSGoroutine TLSMode = "goroutine"
)

func (TLSMode) choices() []string { return []string{string(TLSLoop), string(TLSGoroutine)} }

// TLSVersion is a version of the protocol.
type TLSVersion string

// The versions that may be asked for.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

func (TLSVersion) choices() []string { return []string{string(TLS12), string(TLS13)} }

// ClientAuth is what is asked of clients.
type ClientAuth string

// What may be asked of clients.
const (
	ClientAuthNone    ClientAuth = "none"
	ClientAuthRequest ClientAuth = "request"
	ClientAuthRequire ClientAuth = "require"
)

func (ClientAuth) choices() []string {
	return []string{string(ClientAuthNone), string(ClientAuthRequest), string(ClientAuthRequire)}
}

// ClientHeader is the header in which a load balancer says who the client is.
type ClientHeader string

// The headers.
const (
	XForwardedFor ClientHeader = "x-forwarded-for"
	Forwarded     ClientHeader = "forwarded"
)

func (ClientHeader) choices() []string { return []string{string(XForwardedFor), string(Forwarded)} }

// AuthMode is what an endpoint asks for, when auth is on.
type AuthMode string

// The modes of an endpoint.
const (
	AuthToken AuthMode = "token"
	AuthNone  AuthMode = "none"
)

func (AuthMode) choices() []string { return []string{string(AuthToken), string(AuthNone)} }

// TokenSource is where a token may come from.
type TokenSource string

// The sources of tokens.
const (
	Authorization TokenSource = "authorization"
	Subprotocol   TokenSource = "subprotocol"
	FirstMessage  TokenSource = "first_message"
	Query         TokenSource = "query"
)

func (TokenSource) choices() []string {
	return []string{string(Authorization), string(Subprotocol), string(FirstMessage), string(Query)}
}

// Algorithm is what tokens are signed with.
type Algorithm string

func (Algorithm) choices() []string { return auth.Algorithms() }
