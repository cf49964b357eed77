package config

import "sluice/gateway/auth"

// enum is a text key with a closed set of values.
type enum interface{ choices() []string }

// Protocol is what the clients of an endpoint speak.
type Protocol string

// Raw is the protocol whose payload is the message.
const Raw Protocol = "raw"

func (Protocol) choices() []string { return []string{string(Raw)} }

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
