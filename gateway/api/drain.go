package api

import (
	"errors"
	"net/http"
	"time"

	"sluice/gateway/hub"
)

// Drainer has the nodes of a fleet let go of their clients. Empty node: this one.
// hub.ErrDown: no other node can be reached now.
type Drainer interface {
	// Start begins a drain, or has the one under way go on by another plan.
	// ErrNoSurvivors: there are other nodes, and none takes connections; with hub.ErrDown: none is heard.
	Start(node string, p DrainPlan) (Drain, error)
	// Abort has the node take clients again. It may come when nothing is drained.
	Abort(node string) (Drain, error)
	// Look says how far it is.
	Look(node string) (Drain, error)
}

// Errors of a Drainer.
var (
	// ErrUnknownNode: there is no such node, or it does not answer.
	ErrUnknownNode = errors.New("api: the node does not answer")
	// ErrNoSurvivors: the clients of the node would have nowhere to go.
	ErrNoSurvivors = errors.New("api: no other node takes connections")
	// ErrEnding: the node's process is about to end, with a drain of its own.
	ErrEnding = errors.New("api: the node is shutting down")
)

// DrainPlan is how a node is drained. What is nil is as its configuration says.
type DrainPlan struct {
	Delay   *time.Duration `json:"delay,omitempty"`
	Over    *time.Duration `json:"over,omitempty"`
	MaxRate *int           `json:"max_rate,omitempty"`
	// Force: go on when no other node takes connections.
	Force bool `json:"force,omitempty"`
}

// Drain is how far a node's drain is.
type Drain struct {
	Node string `json:"node"`
	// State is none, delayed, closing or drained.
	State string `json:"state"`
	// Connections that are there.
	Connections int `json:"connections"`

	// Of a drain: when it began, the connections that there were, those that have
	// not been told to leave, and how many were told in the last second.
	Begun *time.Time `json:"begun,omitempty"`
	Total int        `json:"total,omitempty"`
	Open  int        `json:"open,omitempty"`
	Rate  int        `json:"rate,omitempty"`
	// Limit is what holds it back: max_rate, room, no_survivors or nothing.
	Limit string `json:"limit,omitempty"`
	// Over and MaxRate are its plan.
	Over    string `json:"over,omitempty"`
	MaxRate int    `json:"max_rate,omitempty"`
}

// longestDrain is the longest time that a drain may be given.
const longestDrain = 24 * time.Hour

// startDrain begins a drain.
func (s *Server) startDrain(body []byte) (any, *problem) {
	node, plan, p := decodeDrain(body)
	if p != nil {
		return nil, p
	}
	d, err := s.options.Drainer.Start(node, plan)
	result, p := s.drainAnswer(node, d, err)
	if p != nil {
		return nil, p
	}
	return resultAnswer{result}, nil
}

// drain says how far it is.
func (s *Server) drain(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "node")
	if p != nil {
		return nil, p
	}
	d, err := s.options.Drainer.Look(q.node)
	return s.drainAnswer(q.node, d, err)
}

// abortDrain has the node take clients again.
func (s *Server) abortDrain(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "node")
	if p != nil {
		return nil, p
	}
	d, err := s.options.Drainer.Abort(q.node)
	return s.drainAnswer(q.node, d, err)
}

func (s *Server) drainAnswer(node string, d Drain, err error) (any, *problem) {
	switch down := errors.Is(err, hub.ErrDown); {
	case err == nil:
		return d, nil
	case down && errors.Is(err, ErrNoSurvivors):
		return nil, fail(noSurvivors, `the link to the broker is down, so it is not known whether another node takes connections; "force": true (sluice drain --force) drains all the same`)
	case down:
		return nil, fail(fleetDown, "the link to the broker is down, and no other node can be reached: ask node %s at its own admin address (sluice drain --api), without its name", quoted(node))
	case errors.Is(err, ErrUnknownNode):
		return nil, fail(unknownNode, "there is no node %s in the fleet, or it does not answer; /api/info (sluice nodes) lists those that there are", quoted(node))
	case errors.Is(err, ErrNoSurvivors):
		return nil, fail(noSurvivors, `no other node takes connections, so the clients would have nowhere to go; "force": true (sluice drain --force) drains all the same`)
	case errors.Is(err, ErrEnding):
		return nil, fail(stopping, "the node is shutting down, with a drain of its own")
	default:
		s.log.Error().Err(err).Msg("drain failed")
		return nil, fail(internalError, "the node could not be drained; its log says why")
	}
}

// decodeDrain reads {"node": name, "delay": "5s", "over": "10m", "max_rate": 2000, "force": true}; all may be left out.
func decodeDrain(body []byte) (node string, plan DrainPlan, p *problem) {
	p = scan(body, func(s *scanner) *problem {
		_, p := s.object("the request", []string{"node", "delay", "over", "max_rate", "force"}, func(i int) (p *problem) {
			switch i {
			case 0:
				node, p = s.name(`"node"`)
			case 1:
				plan.Delay, p = s.duration(`"delay"`)
			case 2:
				plan.Over, p = s.duration(`"over"`)
			case 3:
				var n int
				if n, p = s.integer(`"max_rate"`); p == nil && (n < 0 || n > 1_000_000) {
					return fail(invalidRequest, `"max_rate" must be from 0 (no limit) to 1000000 connections a second`)
				}
				plan.MaxRate = &n
			default:
				plan.Force, p = s.boolean(`"force"`)
			}
			return p
		})
		return p
	})
	return node, plan, p
}

// duration reads a time such as "10m" or "1m30s".
func (s *scanner) duration(what string) (*time.Duration, *problem) {
	text, p := s.text(what)
	if p != nil {
		return nil, p
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d > longestDrain {
		return nil, fail(invalidRequest, `%s must be a time such as "30s" or "10m", at most 24h`, what)
	}
	return &d, nil
}

// boolean reads true or false.
func (s *scanner) boolean(what string) (bool, *problem) {
	value, p := s.value()
	if p != nil {
		return false, p
	}
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, fail(invalidRequest, "%s must be true or false", what)
	}
}
