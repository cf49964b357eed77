package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"sluice/gateway/api"
	"sluice/gateway/config"
	"sluice/gateway/drain"
	"sluice/gateway/fleet"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// lastCall is how long before drain.timeout those who are left are told to leave, all at once.
const lastCall = 5 * time.Second

// drain lets go of all connections, because the node is about to end.
func (g *Gateway) drain() error {
	d := g.config().Drain
	g.ending.Store(true)
	begun := time.Now()
	timeout := time.NewTimer(time.Duration(d.Timeout))
	defer timeout.Stop()
	deadline := max(time.Duration(d.Delay+d.Period), time.Duration(d.Timeout)-lastCall)
	total := g.hub.Stats().Connections
	plan := drain.Plan{
		Delay: time.Duration(d.Delay), Over: time.Duration(d.Period), MaxRate: d.MaxRate, Deadline: begun.Add(deadline),
	}
	defer g.drainer.Stop()
	for late := false; !late; {
		select {
		case <-g.drainer.Start(plan):
			if g.hub.Stats().Connections == 0 {
				return nil
			}
			// An operator's order of the same moment has taken its place: it begins again.
		case <-g.stopping: // a second signal: nobody waits for the rest
			return nil
		case <-timeout.C:
			late = true
		}
	}
	left := g.hub.Stats().Connections
	if left == 0 {
		return nil
	}
	return fmt.Errorf("gateway: %d of %d connections were still open after drain.timeout (%s)", left, total, d.Timeout)
}

// drained shows the node to its drainer.
type drained struct{ g *Gateway }

// Connections implements drain.Node.
func (n drained) Connections() (all, open int) {
	return n.g.hub.Stats().Connections, n.g.hub.Open()
}

// Release implements drain.Node.
func (n drained) Release(k int, reason metrics.CloseReason) int { return n.g.hub.Release(k, reason) }

// Unready implements drain.Node.
func (n drained) Unready(on bool) {
	n.g.draining.Store(on)
	n.g.fleet.Announce()
}

// Fence implements drain.Node. Before the end of the process, the listeners are closed, too.
func (n drained) Fence(on bool) {
	if on && n.g.ending.Load() {
		n.g.edge.Drain()
		return
	}
	n.g.edge.Fence(on)
}

// Room implements drain.Node: what the others said within the last seconds. What
// nodes that are drained at the same time let go is among the new connections of
// the others, and each of these nodes gets the same part of the room.
func (n drained) Room() (r drain.Room) {
	others := n.g.fleet.Others()
	r.Alone = len(others) == 0 && !n.g.linkDown() // else they are not heard
	leaving, let := 1, n.g.drainer.Rate()
	var connects, rate float64
	for i := range others {
		s := &others[i]
		let += s.Releasing
		if s.Draining {
			if s.Connections > 0 {
				leaving++
			}
			continue
		}
		if s.Ready {
			r.Nodes++
			rate += float64(s.AcceptRate)
			connects += s.Connects
			r.Places += max(0, s.MaxConnections-s.Connections)
			r.Loads = append(r.Loads, s.Connections)
		}
	}
	r.Rate = max(0, rate-max(0, connects-float64(let))) / float64(leaving)
	r.Places /= leaving
	return r
}

// acceptRatePerProcessor is the default of engine.accept_rate: a TLS handshake
// costs about a millisecond of a processor, and messages need theirs, too.
const acceptRatePerProcessor = 1000

func acceptRate(c *config.Engine) int {
	return or(c.AcceptRate, acceptRatePerProcessor*runtime.GOMAXPROCS(0))
}

// rebalance lets go of what this node has too much.
func (g *Gateway) rebalance(ctx context.Context) {
	g.drainer.Rebalance(ctx, func() drain.Rule {
		r := g.config().Rebalance
		return drain.Rule{Enabled: r.Enabled, Above: float64(r.Above), After: time.Duration(r.After), MaxRate: r.MaxRate}
	}, func() bool {
		ready, _ := g.readiness()
		return ready
	})
}

// askDrain is the question by which a node has another one drained.
const askDrain = "drain"

// drainOrder is what that node is to do.
type drainOrder struct {
	Start *api.DrainPlan `json:"start,omitempty"`
	Abort bool           `json:"abort,omitempty"` // neither: say how far it is
}

// drainAnswer is what it says.
type drainAnswer struct {
	api.Drain
	NoSurvivors bool `json:"no_survivors,omitempty"`
	Ending      bool `json:"ending,omitempty"`
}

// drainHere carries out an order on this node.
func (g *Gateway) drainHere(o drainOrder) (a drainAnswer, err error) {
	switch {
	case o.Start == nil && !o.Abort:
	case g.ending.Load():
		a.Ending = true
	case o.Abort:
		g.drainer.Abort()
	default:
		if room := (drained{g}).Room(); !room.Alone && room.Nodes == 0 && !o.Start.Force {
			a.NoSurvivors = true
			break
		}
		d := g.config().Drain
		p := drain.Plan{Delay: time.Duration(d.Delay), Over: time.Duration(d.Period), MaxRate: d.MaxRate, Force: o.Start.Force}
		if o.Start.Over != nil {
			p.Over = *o.Start.Over
		}
		if o.Start.MaxRate != nil {
			p.MaxRate = *o.Start.MaxRate
		}
		if o.Start.Delay != nil {
			p.Delay = *o.Start.Delay
		}
		g.drainer.Start(p)
	}
	a.Drain = g.drainView()
	return a, nil
}

// drainView is how far the drain is, as the server API shows it.
func (g *Gateway) drainView() api.Drain {
	p := g.drainer.Progress()
	v := api.Drain{Node: g.node, State: string(p.State), Connections: g.hub.Stats().Connections}
	if p.State != drain.None {
		begun := p.Begun.UTC()
		v.Begun, v.Total, v.Open, v.Rate, v.Limit = &begun, p.Total, p.Open, p.Rate, string(p.Limit)
		v.Over, v.MaxRate = p.Plan.Over.String(), p.Plan.MaxRate
	}
	return v
}

// drainNode carries out an order on any node of the fleet. While the link to the broker is
// down, hub.ErrDown is in the errors that are for want of other nodes.
func (g *Gateway) drainNode(node string, o drainOrder) (api.Drain, error) {
	var a drainAnswer
	var err error
	if node == "" || node == g.node {
		a, err = g.drainHere(o)
	} else {
		var raw json.RawMessage
		if raw, err = g.fleet.AskOne(context.Background(), node, askDrain, o); err == nil {
			err = json.Unmarshal(raw, &a)
		}
	}
	switch {
	case errors.Is(err, fleet.ErrSilent) && g.linkDown():
		return a.Drain, hub.ErrDown
	case errors.Is(err, fleet.ErrSilent):
		return a.Drain, api.ErrUnknownNode
	case err != nil:
		return a.Drain, err
	case a.NoSurvivors && g.linkDown():
		return a.Drain, errors.Join(api.ErrNoSurvivors, hub.ErrDown)
	case a.NoSurvivors:
		return a.Drain, api.ErrNoSurvivors
	case a.Ending:
		return a.Drain, api.ErrEnding
	}
	return a.Drain, nil
}

// drains is the server API's way to them.
type drains struct{ g *Gateway }

// Start implements api.Drainer.
func (d drains) Start(node string, p api.DrainPlan) (api.Drain, error) {
	return d.g.drainNode(node, drainOrder{Start: &p})
}

// Abort implements api.Drainer.
func (d drains) Abort(node string) (api.Drain, error) {
	return d.g.drainNode(node, drainOrder{Abort: true})
}

// Look implements api.Drainer.
func (d drains) Look(node string) (api.Drain, error) {
	return d.g.drainNode(node, drainOrder{})
}
