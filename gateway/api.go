package gateway

import (
	"context"
	"time"

	"sluice/gateway/api"
	"sluice/gateway/config"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// newAPI shows the node to the admin listener.
func (g *Gateway) newAPI(o Options) *api.Server {
	var nodes func() ([]api.Node, bool)
	if g.broker != nil {
		nodes = g.nodes
	}
	return api.New(api.Options{
		Hub:            g.hub,
		Disconnect:     g.disconnectOne,
		DisconnectUser: g.disconnectUser,
		Revoke:         g.revoke,
		History:        g.history,
		Presence:       g.presence,
		Nodes:          nodes,
		CheckChannel:   g.checkChannel,
		MessageSize:    func() int { return g.limits.Load().Rules.MaxMessage },
		Ready:          g.readiness,
		Draining:       g.draining.Load,
		Drainer:        drains{g},
		Metrics:        metrics.NewRegistry(g.metrics, metrics.Options{Version: o.Version, Gauges: g.gauges}),
		Cell:           g.metrics.Edge(),
		Log:            o.Log,
		APIKey:         g.cfg.Admin.APIKey.Reveal(),
		Pprof:          g.cfg.Admin.Pprof,
		Version:        o.Version,
		Node:           g.node,
		Started:        g.started,
		MaxConnections: g.most,
	})
}

// history returns a piece of a channel's past. What is in this node's memory costs nothing to return, whatever its bytes.
func (g *Gateway) history(ctx context.Context, channel string, since hub.Position, limit, bytes int) (hub.Past, error) {
	if g.broker != nil {
		limits := namespaces(g.config().Namespaces)(channel).History
		if limits == nil {
			return hub.Past{}, api.ErrNoHistory
		}
		return g.broker.History(ctx, channel, limits, since, limit, bytes)
	}
	past, ok := g.hub.History(channel, since, limit)
	if !ok {
		return past, api.ErrNoHistory
	}
	return past, nil
}

// readiness is what load balancers ask for.
func (g *Gateway) readiness() (ready bool, why string) {
	switch {
	case g.draining.Load():
		return false, "draining"
	case !g.ready.Load():
		return false, "starting"
	case g.full.Load():
		return false, "memory"
	case g.fleet.Namesake():
		return false, "another node has this one's name (broker.node)"
	}
	if g.broker == nil {
		return true, ""
	}
	if why := g.broker.Unfit(); why != "" {
		return false, why
	}
	if !g.broker.Up() && g.config().Broker.WhenDown == config.RefuseWhenDown {
		return false, "broker"
	}
	return true, ""
}

// sayReady logs that the node is ready now, or is not any more. It is called once a second.
func (g *Gateway) sayReady(ready bool, why string) {
	if g.wasReady.Swap(ready) == ready || !g.ready.Load() {
		return
	}
	if ready {
		g.log.Info().Msg("ready")
	} else {
		g.log.Info().Str("why", why).Msg("not ready")
	}
}

// gauges are the node's figures of this instant.
func (g *Gateway) gauges() metrics.Gauges {
	st := g.hub.Stats()
	all, handshaking := g.edge.Connections()
	var age time.Duration
	if g.identities != nil && g.identities.keySet != nil {
		age = g.identities.keySet.Age()
	}
	return metrics.Gauges{
		TLS:         g.edge.TLS(),
		KeySetAge:   age,
		Handshaking: handshaking,
		Open:        st.Connections - st.Closing,
		Closing:     all - handshaking - (st.Connections - st.Closing),
		InboxDepth:  st.InboxDepth,
		QueuedBytes: st.QueuedBytes,
		Channels:    st.Channels,
		GuardUsed:   g.guard.share(),
		Draining:    g.draining.Load(),
		DrainOpen:   st.Connections - st.Closing,
		Broker:      g.brokerFigures(),
	}
}
