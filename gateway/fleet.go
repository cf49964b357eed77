package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/api"
	"sluice/gateway/auth"
	"sluice/gateway/fleet"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// Questions that nodes ask each other.
const (
	askMembers    = "members"
	askDisconnect = "disconnect"
	askRevoke     = "revoke"
	askRevokeAll  = "revoke_all"
)

// newFleet is this node's view of the others: of a node alone, it is a fleet of one.
func (g *Gateway) newFleet(version string, log zerolog.Logger) *fleet.Fleet {
	f := fleet.New(fleet.Options{
		Node: g.node, Bus: bus{g}, Log: log,
		Status: func() fleet.Status {
			ready, why := g.readiness()
			g.sayReady(ready, why)
			return fleet.Status{
				Node: g.node, Version: version, Started: g.started, Ready: ready, Why: why, Draining: g.draining.Load(),
				Connections: g.hub.Stats().Connections, MaxConnections: g.most,
				AcceptRate: acceptRate(&g.config().Engine), Connects: math.Float64frombits(g.connects.Load()), Releasing: g.drainer.Rate(),
			}
		},
		Joined: g.handRevocations,
	})
	f.Handle(askMembers, handle(func(q membersOf) (membersAnswer, error) { return g.members(q), nil }))
	f.Handle(askDisconnect, handle(func(q disconnection) (api.Cut, error) {
		return api.Cut{Connections: g.disconnect(q)}, nil
	}))
	f.Handle(askRevoke, handle(func(r auth.Dated) (api.Cut, error) {
		n, err := g.revokeHere(r)
		return api.Cut{Connections: n}, err
	}))
	f.Handle(askRevokeAll, handle(func(list []auth.Dated) (api.Cut, error) {
		n, err := g.revokeAllHere(list)
		return api.Cut{Connections: n}, err
	}))
	f.Handle(askDrain, handle(g.drainHere))
	return f
}

// bus is the broker, if there is one.
type bus struct{ g *Gateway }

// Send implements fleet.Bus.
func (b bus) Send(node string, m []byte) error {
	if b.g.broker == nil {
		return nil
	}
	return b.g.broker.Send(node, m)
}

// handle decodes the questions of a handler.
func handle[Q, A any](f func(Q) (A, error)) fleet.Handler {
	return func(body json.RawMessage) (any, error) {
		var q Q
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, fmt.Errorf("gateway: a question is not understood: %w", err)
		}
		return f(q)
	}
}

// ask asks all nodes, and calls f with each answer. It returns those that gave
// none. hub.ErrDown: the broker is down, and this node was asked alone.
func ask[A any](ctx context.Context, g *Gateway, what string, question any, f func(node string, a A)) (missing []string, err error) {
	answers, err := g.fleet.Ask(ctx, what, question)
	if err != nil {
		return nil, err
	}
	missing = answers.Missing
	for node, raw := range answers.ByNode {
		var a A
		if err := json.Unmarshal(raw, &a); err != nil {
			answers.Failed[node] = err
			continue
		}
		f(node, a)
	}
	for node, err := range answers.Failed {
		if node == g.node {
			return nil, err
		}
		g.log.Warn().Str("node", node).Str("what", what).Err(err).Msg("a node of the fleet could not answer")
		missing = append(missing, node)
	}
	slices.Sort(missing)
	if g.linkDown() {
		err = hub.ErrDown
	}
	return missing, err
}

// linkDown: there may be other nodes, and they cannot be reached now.
func (g *Gateway) linkDown() bool { return g.broker != nil && !g.broker.Up() }

// nodes are those of the fleet, for the server API. unheard: the others cannot be heard
// now, and those of the list may be gone.
func (g *Gateway) nodes() (list []api.Node, unheard bool) {
	for _, s := range g.fleet.Nodes() {
		list = append(list, api.Node(s))
	}
	return list, g.linkDown()
}

// membersOf asks who is subscribed to a channel.
type membersOf struct {
	Channel string `json:"channel"`
	Limit   int    `json:"limit"`
	NoMeta  bool   `json:"no_meta,omitempty"`
}

type membersAnswer struct {
	Members []memberAnswer `json:"members"`
	Total   int            `json:"total"`
}

type memberAnswer struct {
	ID   hub.ID          `json:"id"`
	User string          `json:"user,omitempty"`
	Meta json.RawMessage `json:"meta,omitempty"`
}

// members are a channel's subscribers on this node.
func (g *Gateway) members(q membersOf) (a membersAnswer) {
	list, total := g.hub.Members(q.Channel, q.Limit)
	a.Total = total
	for _, c := range list {
		m := memberAnswer{ID: c.ID}
		if id := identityOf(c.Conn); id != nil {
			m.User = id.User
			if !q.NoMeta {
				m.Meta = id.Meta
			}
		}
		a.Members = append(a.Members, m)
	}
	return a
}

// presence is who is subscribed to a channel, on all nodes. Nobody's list is
// kept: a node that is gone has no members from the moment that it is missed.
func (g *Gateway) presence(ctx context.Context, channel string, limit int, meta bool) (p api.Presence, err error) {
	if !presenceOf(g.config().Namespaces, channel) {
		return p, api.ErrNoPresence
	}
	p.Missing, err = ask(ctx, g, askMembers, membersOf{channel, limit, !meta}, func(node string, a membersAnswer) {
		p.Total += a.Total
		for _, m := range a.Members {
			p.Members = append(p.Members, api.Member{Node: node, ID: m.ID, User: m.User, Meta: m.Meta})
		}
	})
	slices.SortFunc(p.Members, func(a, b api.Member) int {
		if a.Node != b.Node {
			return cmp.Compare(a.Node, b.Node)
		}
		return cmp.Compare(a.ID, b.ID)
	})
	p.Members = p.Members[:min(limit, len(p.Members))]
	return p, err
}

// disconnection says whom to close: a user's connections, or one of a node's.
type disconnection struct {
	User   string `json:"user,omitempty"`
	Node   string `json:"node,omitempty"`
	ID     hub.ID `json:"id,omitempty"`
	Code   uint16 `json:"code"`
	Reason string `json:"reason"`
}

// disconnect closes them on this node.
func (g *Gateway) disconnect(d disconnection) (connections int) {
	frame := ws.AppendClose(nil, ws.CloseCode(d.Code), d.Reason)
	if d.User != "" {
		return g.hub.CloseIf(func(c hub.Conn) bool {
			id := identityOf(c)
			return id != nil && id.User == d.User
		}, frame, metrics.CloseAPI)
	}
	if d.Node == g.node && g.hub.Disconnect(d.ID, frame) {
		return 1
	}
	return 0
}

// disconnectOne closes one connection, wherever it is.
func (g *Gateway) disconnectOne(node string, id hub.ID, code uint16, reason string) (closed bool, err error) {
	d := disconnection{Node: node, ID: id, Code: code, Reason: reason}
	if node == "" || node == g.node {
		d.Node = g.node
		return g.disconnect(d) > 0, nil
	}
	c, err := g.cut(askDisconnect, d)
	if slices.Contains(c.Missing, node) {
		err = hub.ErrDown
	}
	return c.Connections > 0, err
}

// disconnectUser closes all connections of a user.
func (g *Gateway) disconnectUser(user string, code uint16, reason string) (api.Cut, error) {
	return g.cut(askDisconnect, disconnection{User: user, Code: code, Reason: reason})
}

// cut asks all nodes to close connections. hub.ErrDown: this one alone could be asked.
func (g *Gateway) cut(what string, question any) (c api.Cut, err error) {
	c.Missing, err = ask(context.Background(), g, what, question, func(_ string, a api.Cut) { c.Connections += a.Connections })
	if err != nil && !errors.Is(err, hub.ErrDown) {
		g.log.Error().Err(err).Str("what", what).Msg("the fleet could not be asked")
	}
	return c, err
}

// revoke takes tokens back on all nodes. Nodes that join later are told then.
func (g *Gateway) revoke(r api.Revocation) (c api.Cut, err error) {
	dated := auth.Dated{Revocation: auth.Revocation(r), At: time.Now()}
	n, err := g.revokeHere(dated) // first: what it cannot do, the others need not
	if err != nil {
		return c, err
	}
	c, err = g.cut(askRevoke, dated)
	c.Pending = err != nil
	c.Connections += n
	for _, node := range c.Missing {
		g.fleet.Missed(node)
	}
	return c, nil
}

// revocationsAtOnce go to another node in one message: it is smaller than what
// any broker takes, and a list of many does not come at once.
const revocationsAtOnce = 32

// handRevocations tells a node that has joined, or may have missed some, what is
// revoked: the next ones when it has those before. If it does not answer, all
// begins anew when it is heard the next time.
func (g *Gateway) handRevocations(node string) {
	if g.identities == nil {
		return
	}
	for part := range slices.Chunk(g.identities.revocations.All(), revocationsAtOnce) {
		_, err := g.fleet.AskOne(context.Background(), node, askRevokeAll, part)
		if errors.Is(err, fleet.ErrSilent) {
			g.fleet.Missed(node)
			return
		}
		if err != nil {
			g.log.Warn().Str("node", node).Err(err).Msg("a node of the fleet did not take the list of revocations")
			return
		}
	}
}
