package session

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/auth"
	"sluice/gateway/hub"
	"sluice/gateway/internal/sampled"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// Gate is what an endpoint asks of those who connect.
type Gate struct {
	// Static.

	// Sources are where a token may come from.
	Sources Sources
	// Subprotocol is named in the answer to a client that offers it.
	Subprotocol string
	// Anonymous are clients without a token; nil: there are none. It excludes FirstMessage.
	Anonymous *auth.Identity
	// Users counts what each user is subscribed to. It is shared by all endpoints.
	Users *Tally
	// Refusals notes the tokens that are refused.
	Refusals *Refusals

	// Authority decides. It may be replaced while sessions run, and is shared by all endpoints.
	Authority *atomic.Pointer[Authority]
}

// Authority is how a node decides about tokens and channels. It is read only.
type Authority struct {
	Verifier *auth.Verifier
	Policy   *auth.Policy
	// FirstMessage is how long a client may take to say who it is.
	FirstMessage time.Duration
	// Grace is how long a client may take to renew an expired token.
	Grace time.Duration
}

// Sources is a set of places where a token may come from.
type Sources uint8

// The places.
const (
	FromAuthorization Sources = 1 << iota // Authorization: Bearer TOKEN (RFC 6750 section 2.1)
	FromSubprotocol                       // Sec-WebSocket-Protocol: sluice, bearer.TOKEN
	FromFirstMessage                      // {"type":"auth","token":"TOKEN"}
	FromQuery                             // ?token=TOKEN
)

// tokenProtocol begins the subprotocol that carries a token. It is never answered with.
const tokenProtocol = "bearer."

// Enter decides about an upgrade: what the connection is let in with, and the
// subprotocol that the answer names ("" for none), or why it may not come in.
func (ep *Endpoint) Enter(req *ws.Request, conn hub.Conn) (adm *Admission, subprotocol string, err error) {
	g := ep.Auth
	subprotocol = ep.subprotocol(req)
	if g == nil {
		adm, err = ep.Admit(req.RawQuery)
		return adm, subprotocol, err
	}
	token, given, err := g.token(req)
	if err != nil {
		g.Refusals.note(metrics.TokenMalformed, conn)
		return nil, "", err
	}
	switch {
	case !given && g.Anonymous != nil:
		adm, err = ep.admit(req.RawQuery, g.Anonymous)
	case !given && g.Sources&FromFirstMessage != 0:
		adm, err = ep.wait(req.RawQuery)
	default:
		var id *auth.Identity
		if id, err = g.verify(token, conn); err != nil {
			return nil, "", err
		}
		var names []string
		if names, err = ep.wanted(req.RawQuery); err == nil {
			adm, err = ep.grant(id, names)
		}
		if errors.Is(err, ErrForbidden) {
			g.Refusals.deny(id, err, conn)
		}
	}
	return adm, subprotocol, err
}

// wanted are the channels that a query names, shared by all whose queries are alike.
func (ep *Endpoint) wanted(query string) ([]string, error) {
	limits := ep.Limits.Load()
	if adm := ep.asked.find(query, limits); adm != nil {
		return adm.Channels, nil
	}
	names, err := ep.named(query, limits)
	if err == nil {
		ep.asked.keep(query, limits, &Admission{Channels: names})
	}
	return names, err
}

// verify returns whom a token names. What is wrong with it is noted, and not told.
func (g *Gate) verify(token string, conn hub.Conn) (*auth.Identity, error) {
	id, err := g.Authority.Load().Verifier.Verify(token, time.Now())
	if err != nil {
		g.Refusals.note(auth.ReasonOf(err), conn)
		return nil, ErrUnauthorized
	}
	return id, nil
}

// grant is what id is let in with to these channels, all of them or none.
func (ep *Endpoint) grant(id *auth.Identity, names []string) (*Admission, error) {
	names, err := ep.personal(id, names)
	if err != nil {
		return nil, err
	}
	by := ep.Auth.Authority.Load()
	for _, name := range names {
		if !by.Policy.MaySubscribe(id, name) {
			return nil, forbidden(name)
		}
	}
	if !ep.Auth.Users.room(id.User, len(names), ep.Limits.Load().SubscriptionsPerUser) {
		return nil, errUserSubscriptions
	}
	return &Admission{Channels: names, id: id, by: by, publish: ep.publishable(by.Policy, id, names)}, nil
}

// personal are the names with those of id in the place of the endpoint's own
// that have {user} in them. (None that a URL names has a brace.)
func (ep *Endpoint) personal(id *auth.Identity, names []string) ([]string, error) {
	if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "{") }) {
		return names, nil
	}
	list := make([]string, len(names))
	for i, name := range names {
		p, err := auth.ParsePattern(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChannel, err)
		}
		list[i] = p.Expand(id)
		if err := protocol.CheckChannel(list[i], ep.Limits.Load().ChannelNameBytes); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChannel, err)
		}
	}
	return list, nil
}

// publishable are the names that id's messages go to.
func (ep *Endpoint) publishable(policy *auth.Policy, id *auth.Identity, names []string) (list []string) {
	if !ep.Publish {
		return nil
	}
	for _, name := range names {
		if name != protocol.StatsChannel && policy.MayPublish(id, name) {
			list = append(list, name)
		}
	}
	if len(list) == len(names) {
		return names // not kept twice
	}
	return list
}

// token is the token that an upgrade request brings. More than one is an error:
// two readers could take each for the one that counts (RFC 6750 section 2).
func (g *Gate) token(req *ws.Request) (token string, given bool, err error) {
	found := 0
	take := func(s string) { token, found = s, found+1 }
	if g.Sources&FromAuthorization != 0 {
		for name, value := range req.Fields() {
			if !strings.EqualFold(name, "authorization") {
				continue
			}
			if scheme, credentials, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
				take(strings.Trim(credentials, " "))
			}
		}
	}
	if g.Sources&FromSubprotocol != 0 {
		for p := range req.Protocols() {
			if t, ok := strings.CutPrefix(p, tokenProtocol); ok {
				take(t)
			}
		}
	}
	if g.Sources&FromQuery != 0 {
		for pair := range strings.SplitSeq(req.RawQuery, "&") {
			value, ok := strings.CutPrefix(pair, "token=")
			if !ok {
				continue
			}
			t, err := url.QueryUnescape(value)
			if err != nil {
				return "", false, ErrUnauthorized
			}
			take(t)
		}
	}
	if found > 1 {
		return "", false, ErrUnauthorized
	}
	return token, found == 1, nil
}

// subprotocol is the first that the client offers and that is configured, in the
// spelling of the configuration: nothing that a client sent is answered with.
func (ep *Endpoint) subprotocol(req *ws.Request) string {
	for offered := range req.Protocols() {
		if i := slices.Index(ep.Subprotocols, offered); i >= 0 {
			return ep.Subprotocols[i]
		}
		if ep.Auth != nil && ep.Auth.Subprotocol != "" && offered == ep.Auth.Subprotocol {
			return ep.Auth.Subprotocol
		}
	}
	return ""
}

// Refusals counts and logs what is refused, each kind at most ten times a
// second. Tokens are never logged.
type Refusals struct {
	// Static.
	cell   *metrics.Cell
	log    *sampled.Log   // by TokenRefusal, and one more for what is denied
	failed func(hub.Conn) // nil: nobody wants to hear
}

// NewRefusals returns the Refusals of a node.
func NewRefusals(cell *metrics.Cell, log zerolog.Logger) *Refusals {
	return &Refusals{cell: cell, log: sampled.New(log, int(metrics.NumTokenRefusals)+1)}
}

// OnFailure has f called, by pollers, for each client that shows a token that
// is refused. It is set before the first client comes.
func (r *Refusals) OnFailure(f func(hub.Conn)) { r.failed = f }

// note counts a refusal and logs it with the client's address.
func (r *Refusals) note(why metrics.TokenRefusal, conn hub.Conn) {
	r.cell.TokenRefusals[why].Add(1)
	if r.failed != nil && why != metrics.TokenMissing {
		r.failed(conn)
	}
	if e := r.log.Event(zerolog.InfoLevel, int(why)); e != nil {
		e.Stringer("reason", why).Str("address", conn.RemoteAddr()).Msg("token refused")
	}
}

// deny logs that a known client may not do what it asked for. Whoever ends the
// connection counts it.
func (r *Refusals) deny(id *auth.Identity, err error, conn hub.Conn) {
	if e := r.log.Event(zerolog.InfoLevel, int(metrics.NumTokenRefusals)); e != nil {
		e.Str("user", sampled.Text(id.User)).Str("err", sampled.Text(err.Error())).Str("address", conn.RemoteAddr()).Msg("not allowed")
	}
}

// WhatIsNeeded is the text of a 401: the ways to bring a token, whatever was wrong.
func (g *Gate) WhatIsNeeded() string {
	var ways []string
	for _, w := range []struct {
		source Sources
		text   string
	}{
		{FromAuthorization, "Authorization: Bearer TOKEN"},
		{FromSubprotocol, fmt.Sprintf("Sec-WebSocket-Protocol: %s, %sTOKEN", g.Subprotocol, tokenProtocol)},
		{FromFirstMessage, `a first message {"type":"auth","token":"TOKEN"}`},
		{FromQuery, "?token=TOKEN"},
	} {
		if g.Sources&w.source != 0 {
			ways = append(ways, w.text)
		}
	}
	return "a valid token is needed: " + strings.Join(ways, ", or ")
}
