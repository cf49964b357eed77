package session

import (
	"slices"
	"strings"
	"time"

	"sluice/gateway/auth"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// maxEarly is what a client may send before it has said who it is, in bytes, all frames together.
const maxEarly = 4096

// pending is what is kept for a client that has yet to say who it is. It is
// owned by the connection's poller.
type pending struct {
	channels []string // joined when it has
	resume   *protocol.Resume
	greeting []byte // an encoded frame, sent then; nil for none
	rules    ws.Rules
	heard    int // bytes
}

// wait lets a connection in that joins nothing before its first message.
func (ep *Endpoint) wait(query string) (*Admission, error) {
	limits := ep.Limits.Load()
	names, err := ep.named(query, limits)
	if err != nil {
		return nil, err
	}
	p := &pending{channels: names, rules: limits.Rules}
	p.rules.MaxMessage = min(p.rules.MaxMessage, maxEarly)
	return &Admission{pending: p}, nil
}

// Greet gives the connection a first message, an encoded frame: it is appended
// to first, or kept until the client has said who it is, and then says that it
// was let in and has joined.
func (adm *Admission) Greet(first, greeting []byte) []byte {
	if adm.pending != nil {
		adm.pending.greeting = greeting
		return first
	}
	return append(first, greeting...)
}

// tokenOf is the token that a message brings. Whatever else a client says brings none.
func tokenOf(m ws.Message) (token string, ok bool) {
	if m.Opcode != ws.Text || len(m.Payload) > 2*maxEarly {
		return "", false
	}
	return auth.MessageToken(m.Payload)
}

// identify takes the message by which a client says who it is.
func (s *Session) identify(m ws.Message, p *pending) {
	g := s.ep.Auth
	token, ok := tokenOf(m)
	if !ok {
		g.Refusals.note(metrics.TokenMalformed, s.Conn())
		s.endFor(metrics.CloseUnauthorized)
		return
	}
	id, err := g.verify(token, s.Conn())
	if err != nil {
		s.endFor(metrics.CloseUnauthorized)
		return
	}
	adm, err := s.ep.grant(id, p.channels)
	if err != nil {
		s.forbid(id, err)
		return
	}
	s.admission.Store(adm)
	s.join(adm, p.resume, p.greeting)
}

// renew takes a token that a client sends while it is connected. It must name
// the same user. Channels that the new token does not allow are left.
func (s *Session) renew(limits *Limits, token string) {
	if limits.RefreshesPerMinute > 0 && !s.withinRefreshRate(limits) {
		s.end(ws.PolicyViolation, "too many tokens", metrics.CloseRateLimit)
		return
	}
	g := s.ep.Auth
	id, err := g.verify(token, s.Conn())
	if err == nil && id.User != s.admission.Load().id.User {
		g.Refusals.note(metrics.TokenSubject, s.Conn())
		err = ErrUnauthorized
	}
	if err != nil {
		s.endFor(metrics.CloseUnauthorized)
		return
	}
	s.adapt(id)
	s.watch(id)
}

// watch has the connection end with id's token, and looks once more whether
// the token was revoked, or the policy replaced: whoever does that changes what
// new connections find, and then looks through the open ones, so one of the two
// sees it.
func (s *Session) watch(id *auth.Identity) {
	if id.User == "" {
		return
	}
	now := time.Now()
	a := s.ep.Auth.Authority.Load()
	if s.admission.Load().by != a {
		s.adapt(nil)
	}
	left := max(id.Expires.Sub(now), 0)
	if s.ep.Auth.Sources&FromFirstMessage != 0 {
		left += a.Grace
	}
	s.EndIn(left, metrics.CloseExpired)
	if a.Verifier.Revoked(id, now) {
		s.endFor(metrics.CloseRevoked)
	}
}

// adapt holds the connection to what the policy gives id now: it leaves the
// channels that it may not have joined, and ends when none is left.
func (s *Session) adapt(id *auth.Identity) {
	by := s.ep.Auth.Authority.Load()
	for {
		old := s.admission.Load()
		if old.by == nil || id == nil && old.by == by {
			return
		}
		to := id
		if to == nil {
			to = old.id
		}
		next := &Admission{id: to, by: by}
		var lost []string
		for _, name := range old.Channels {
			if by.Policy.MaySubscribe(to, name) {
				next.Channels = append(next.Channels, name)
			} else {
				lost = append(lost, name)
			}
		}
		next.publish = s.ep.publishable(by.Policy, to, next.Channels)
		next.refreshes.Store(old.refreshes.Load())
		if !s.admission.CompareAndSwap(old, next) {
			continue // somebody else was faster: from the new one
		}
		if s.uncount(old) {
			s.count(next)
		}
		for _, name := range lost {
			s.ep.Hub.Unsubscribe(&s.Subscriber, name)
		}
		if len(next.Channels) == 0 && len(lost) > 0 {
			s.Close(nil, metrics.CloseForbidden)
		}
		return
	}
}

// leaveLost leaves what a policy took away that was replaced while the session
// joined: adapt left the channels then, perhaps before they were joined.
func (s *Session) leaveLost(joined *Admission) {
	now := s.admission.Load()
	if now == joined {
		return
	}
	for _, name := range joined.Channels {
		if !slices.Contains(now.Channels, name) {
			s.ep.Hub.Unsubscribe(&s.Subscriber, name)
		}
	}
}

// Adapt holds the connection to a policy that has changed. Any goroutine may call it.
func (s *Session) Adapt() {
	if s.ep.Auth != nil {
		s.adapt(nil)
	}
}

// Identity is who the client is; nil while that is not known, or nobody asks.
// Any goroutine may call it, once the session is open.
func (s *Session) Identity() *auth.Identity {
	if adm := s.admission.Load(); adm != nil {
		return adm.id
	}
	return nil
}

// Who is the client's user id, what its token says of it (a JSON object, or
// nil), and when the token expires. All are zero where nobody asks.
func (s *Session) Who() (user string, meta []byte, expires time.Time) {
	if id := s.Identity(); id != nil {
		return id.User, id.Meta, id.Expires
	}
	return "", nil, time.Time{}
}

// endFor ends the session with the close frame of the reason.
func (s *Session) endFor(reason metrics.CloseReason) {
	code, text := closeCode(reason)
	s.end(code, text, reason)
}

// forbid ends the session for what id may not do.
func (s *Session) forbid(id *auth.Identity, err error) {
	s.ep.Auth.Refusals.deny(id, err, s.Conn())
	const most = 123 // RFC 6455 section 5.5
	text := strings.TrimPrefix(err.Error(), "session: ")
	s.end(CodeForbidden, text[:min(len(text), most)], metrics.CloseForbidden)
}
