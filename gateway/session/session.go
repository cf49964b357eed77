// Package session is one connection's life as a WebSocket: what a client may
// do, and what becomes of what it sends. It knows no sockets: the edge feeds
// it bytes, the hub writes through hub.Conn.
//
//	(edge: handshake) ─▶ Open ─▶ open: Feed … ─▶ closing ─▶ Detach
package session

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// Endpoint is what the sessions of one path share.
type Endpoint struct {
	// Static.
	Hub  *hub.Hub
	Cell *metrics.Cell
	// Variants are how clients are spoken to.
	Variants Variants
	// Compress: permessage-deflate is agreed to (RFC 7692).
	Compress bool
	// Publish: may clients publish to the channels they joined.
	Publish bool
	// Forward gives what clients send to backends; nil: nothing is. It keeps nothing
	// of f. Its error means that they do not get it.
	Forward func(f *Forwarded) error
	// EchoSelf: does a publisher get its own message.
	EchoSelf bool
	// MustTake: a publisher is closed when its message is not taken, or may not have been.
	MustTake bool
	// Channels are joined when the URL names none.
	Channels []string
	// Allow are the channels that the URL may name: exact names or a prefix and a trailing *.
	Allow []string
	// Stats: may clients join the node's own channel of figures.
	Stats bool

	// Subprotocols are those that are agreed to; the client's order decides.
	Subprotocols []string

	// Auth asks clients who they are; nil: the endpoint serves everyone.
	Auth *Gate

	// Limits may be replaced while sessions run. Shared by all endpoints.
	Limits *atomic.Pointer[Limits]

	admitted admissions
	asked    admissions // of clients with tokens: what their queries name, and nothing about what they may
}

// Limits are what one client may do.
type Limits struct {
	// Rules bound a message and its fragments, and Deflate is the same for clients that may compress.
	Rules, Deflate ws.Rules
	// MessagesPerSecond from one client, with bursts of twice as many; 0 is no limit.
	MessagesPerSecond int
	// BytesPerSecond from one client, everything that it sends, with bursts of
	// twice as many and of at least one message; 0 is no limit.
	BytesPerSecond int
	// ControlFramesPerSecond are pings and pongs from one client, with bursts of
	// twice as many; 0 is no limit.
	ControlFramesPerSecond int
	// RefreshesPerMinute are tokens by which one client renews its own, at most
	// 255; 0 is no limit.
	RefreshesPerMinute int
	// MessageTimeout is how long a message may take from its first byte to its
	// last, in the hub's ticks. It is looked at when bytes come: a client that
	// sends none is idle. 0 is no limit.
	MessageTimeout time.Duration
	// Subscriptions is how many channels one client may join.
	Subscriptions int
	// SubscriptionsPerUser is the same for all of a user's connections together; 0 is no limit.
	SubscriptionsPerUser int
	// ChannelNameBytes is the longest channel name.
	ChannelNameBytes int
}

// Session is one open connection. It is embedded by value in the edge's
// connection, as it embeds the hub's subscriber: one object for all three.
// Feed is called by one goroutine at a time, the connection's poller.
type Session struct {
	hub.Subscriber

	// Static after Open.
	ep *Endpoint

	// Shared. Replaced by the poller when the client says who it is, and when the policy changes.
	admission atomic.Pointer[Admission]

	// Owned by the poller.
	parser    ws.Parser
	second    uint32 // the hub's tick in which something was counted last
	messages  uint32 // these three: what came, less what the rate has let go since
	bytes     uint32 // when closing: what came since
	controls  uint16 // pings and pongs
	closing   bool
	published bool
}

// Open makes the handshaked connection a subscriber of the channels that it
// was admitted to. From now on only the hub writes to conn: first the bytes
// that complete the handshake, which it keeps. By then the client is
// subscribed: what is published once it has seen them reaches it. resume is what
// its URL says about what it has seen, nil for nothing; d is what was agreed on
// about compression.
func (s *Session) Open(ep *Endpoint, conn hub.Conn, adm *Admission, resume *protocol.Resume, d ws.Deflate, first []byte) {
	s.ep = ep
	s.admission.Store(adm)
	s.Hold()
	ep.Hub.Attach(&s.Subscriber, conn, ep.Variants.pick(resume != nil && resume.Positions, d))
	if adm.pending != nil {
		adm.pending.resume = resume
		adm.pending.rules.Deflate = d.Bits > 0
		s.Begin(first)
		s.EndIn(ep.Auth.Authority.Load().FirstMessage, metrics.CloseUnauthorized)
		return
	}
	s.join(adm, resume, first)
}

// join subscribes the session to its channels, and lets it begin with first;
// nil: it has begun. False: it ends.
func (s *Session) join(adm *Admission, resume *protocol.Resume, first []byte) bool {
	joins := make([]hub.Join, len(adm.Channels))
	for i, name := range adm.Channels {
		joins[i] = hub.Join{Channel: name, Since: hub.Position(resume.At(i, name))}
	}
	if err := s.ep.Hub.Subscribe(&s.Subscriber, joins, first); err != nil {
		s.end(ws.TryAgainLater, strings.TrimPrefix(err.Error(), "hub: "), metrics.CloseFull)
		return false
	}
	if adm.id != nil {
		s.count(adm)
		s.leaveLost(adm)
		s.watch(adm.id)
	}
	return true
}

// Feed takes bytes that the client sent, in order. b is changed in place, and
// is not used after Feed returns. It reports whether something was published,
// so that the poller lets the shards run.
//
// hot: for a publication that lies whole in b, the frame that is delivered is
// the only allocation.
func (s *Session) Feed(b []byte) (published bool) {
	s.published = false
	s.Touch()
	if s.closing {
		s.bytes = uint32(min(uint64(s.bytes)+uint64(len(b)), math.MaxUint32))
		return false
	}
	limits := s.ep.Limits.Load()
	if limits.BytesPerSecond > 0 && !s.withinByteRate(limits, len(b)) {
		s.end(ws.PolicyViolation, "too many bytes", metrics.CloseByteRate)
	}
	waiting := s.admission.Load().pending
	if waiting != nil {
		waiting.heard += len(b)
	}
	for !s.closing {
		rules := &limits.Rules
		if s.ep.Compress && s.ep.Variants.compresses(s.Variant()) {
			rules = &limits.Deflate
		}
		if waiting != nil {
			rules = &waiting.rules
		}
		m, rest, err := s.parser.Next(rules, b)
		if err != nil {
			s.broken(err)
			break
		}
		if m.Opcode == 0 {
			break
		}
		b = rest
		s.handle(limits, m)
		if waiting != nil {
			waiting = s.admission.Load().pending
		}
	}
	if waiting != nil && waiting.heard > maxEarly && !s.closing {
		s.endFor(metrics.CloseUnauthorized)
	}
	if s.parser.Unfinished() && !s.closing && limits.MessageTimeout > 0 &&
		time.Duration(s.parser.Age(s.ep.Hub.Now()))*hub.TickInterval > limits.MessageTimeout {
		s.end(ws.PolicyViolation, "a message took too long", metrics.CloseMessageTimeout)
	}
	return s.published
}

func (s *Session) handle(limits *Limits, m ws.Message) {
	switch m.Opcode {
	case ws.Text, ws.Binary:
		s.message(limits, m)
	case ws.Ping, ws.Pong:
		if limits.ControlFramesPerSecond > 0 && !s.withinControlRate(limits) {
			s.end(ws.PolicyViolation, "too many control frames", metrics.CloseControlRate)
			return
		}
		if m.Opcode == ws.Pong { // it has been noted that the client is alive
			return
		}
		s.Reply(ws.AppendFrame(nil, ws.Pong, m.Payload)) // RFC 6455 section 5.5.3
	case ws.Close: // RFC 6455 section 5.5.1: the code is echoed
		code, _, _ := ws.ParseClose(m.Payload)
		if code == ws.NoStatus {
			code = ws.NormalClosure
		}
		s.end(code, "", metrics.CloseByClient)
	}
}

// message publishes what the client sent.
func (s *Session) message(limits *Limits, m ws.Message) {
	s.ep.Cell.MessagesIn.Add(1)
	if m.Inflated > 0 && limits.BytesPerSecond > 0 && !s.withinByteRate(limits, m.Inflated) {
		s.end(ws.PolicyViolation, "too many bytes", metrics.CloseByteRate) // of which it sent few
		return
	}
	if limits.MessagesPerSecond > 0 && !s.withinRate(limits) {
		s.ep.Cell.Drops[metrics.DropRateLimit].Add(1)
		s.end(ws.PolicyViolation, "too many messages", metrics.CloseRateLimit)
		return
	}
	adm := s.admission.Load()
	if adm.pending != nil {
		s.identify(m, adm.pending)
		return
	}
	if adm.id != nil && s.ep.Auth.Sources&FromFirstMessage != 0 {
		if token, ok := tokenOf(m); ok {
			s.renew(limits, token)
			return
		}
	}
	if s.ep.Forward != nil && !s.Muted() {
		if !s.forward(adm, m) || !s.ep.Publish {
			return
		}
	}
	if !s.ep.Publish || s.Muted() {
		s.ep.Cell.Drops[metrics.DropNotAllowed].Add(1)
		return
	}
	if len(adm.publish) == 0 {
		if adm.id != nil && len(adm.Channels) > 0 {
			s.ep.Cell.Drops[metrics.DropNotAllowed].Add(1)
			s.forbid(adm.id, errPublish)
		}
		return
	}
	p := hub.Publication{Payload: m.Payload, Binary: m.Opcode == ws.Binary}
	if !s.ep.EchoSelf {
		p.Except = &s.Subscriber
	}
	if s.ep.MustTake {
		p.Done = s.outcome
	}
	// What the hub refuses it has counted; the raw protocol has no way to tell.
	if _, err := s.ep.Hub.Publish(adm.publish, p); err != nil && s.ep.MustTake {
		s.endFor(metrics.ClosePublish)
	}
	s.published = true
}

// outcome is told what became of a publication, by any goroutine.
func (s *Session) outcome(_ hub.Receipt, err error) {
	if err != nil {
		s.Close(nil, metrics.ClosePublish)
	}
}

// broken ends the session for what the parser found.
func (s *Session) broken(err error) {
	code, reason := ws.ProtocolError, metrics.CloseProtocol
	text := ""
	if e, ok := err.(*ws.Error); ok {
		code, text = e.Code, e.Reason
	}
	if code == ws.MessageTooBig {
		reason = metrics.CloseTooBig
	}
	s.end(code, text, reason)
}

// end says goodbye. What the client still sends is ignored.
func (s *Session) end(code ws.CloseCode, text string, reason metrics.CloseReason) {
	s.closing, s.bytes = true, 0
	s.parser.Release()
	s.Close(hub.NewFrame(ws.AppendClose(nil, code, text)), reason)
}

// Closing says that the session said goodbye, or answered one: nothing that the
// client still sends is looked at.
//
// hot: called for every read.
func (s *Session) Closing() bool { return s.closing }

// maxIgnored is what a client may go on to send after the close frame: about what
// sockets hold, so that one which was in the middle of something still reads why.
const maxIgnored = 1 << 20

// Deaf says that the client sent more than that: it does not listen, and need not
// be waited for.
func (s *Session) Deaf() bool { return s.closing && s.bytes > maxIgnored }

// Release gives back what the session holds. The poller calls it after the last Feed.
func (s *Session) Release() { s.parser.Release() }
