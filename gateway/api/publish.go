package api

import (
	"errors"
	"time"

	"sluice/gateway/hub"
)

type reach struct {
	Subscribers int    `json:"subscribers"`
	Nodes       *int   `json:"nodes,omitempty"`
	Position    string `json:"position,omitempty"`
}

// publish sends one message to the subscribers of one channel.
func (s *Server) publish(body []byte) (any, *problem) {
	return s.answer(s.deliver(decodePublish(body)))
}

// broadcast sends one message to the subscribers of many channels: of all, or,
// when it is refused, of none.
func (s *Server) broadcast(body []byte) (any, *problem) {
	return s.answer(s.deliver(decodeBroadcast(body)))
}

// confirmTimeout is how long the fleet may take to say that it has a message.
const confirmTimeout = 10 * time.Second

// A delivery is a publication under way.
type delivery struct {
	refused *problem // nil: it is under way
	done    chan outcome
	until   time.Time
}

// outcome is what a publisher is told.
type outcome struct {
	receipt hub.Receipt
	err     error
}

// deliver publishes what was read, unless there is a problem with it.
func (s *Server) deliver(pub publication, p *problem) delivery {
	if p != nil {
		return delivery{refused: p}
	}
	for _, name := range pub.channels {
		if err := s.options.CheckChannel(name); err != nil {
			return delivery{refused: fail(invalidChannel, "channel %s: %v", quoted(name), err)}
		}
	}
	if n, limit := len(pub.payload), s.options.MessageSize(); n > limit {
		return delivery{refused: fail(messageTooLarge, "the message has %d bytes, limits.message_size is %d", n, limit)}
	}
	d := delivery{done: make(chan outcome, 1), until: time.Now().Add(confirmTimeout)}
	_, err := s.options.Hub.Publish(pub.channels, hub.Publication{
		Payload: pub.payload, Binary: pub.binary,
		Done: func(r hub.Receipt, err error) { d.done <- outcome{r, err} },
	})
	switch {
	case err == nil:
	case errors.Is(err, hub.ErrBusy):
		d.refused = fail(busy, "too many messages are waiting for delivery; nothing was published")
	case errors.Is(err, hub.ErrDown):
		d.refused = fail(fleetDown, "the link to the other nodes is down; nothing was published%s", why(err))
	case errors.Is(err, hub.ErrStopped):
		d.refused = fail(stopping, "the node is stopping; nothing was published")
	default:
		s.log.Error().Err(err).Msg("publish failed")
		d.refused = fail(internalError, "the message could not be published; the node's log says why")
	}
	return d
}

// why says what is known beyond that the broker is down.
func why(err error) string {
	if err == hub.ErrDown {
		return ""
	}
	return ": " + err.Error()
}

// answer waits until it is known what became of it.
func (s *Server) answer(d delivery) (any, *problem) {
	if d.refused != nil {
		return nil, d.refused
	}
	var o outcome
	select {
	case o = <-d.done: // a node alone knows at once
	default:
		select {
		case o = <-d.done:
		case <-time.After(time.Until(d.until)):
			return nil, fail(unconfirmed, "the other nodes did not confirm the message in time; it may have been published")
		}
	}
	if errors.Is(o.err, hub.ErrDown) {
		return nil, fail(fleetDown, "the broker cannot take the message now; nothing was published%s", why(o.err))
	}
	if o.err != nil {
		return nil, fail(unconfirmed, "the message was not confirmed, and may have been published: %v", o.err)
	}
	r := reach{Subscribers: o.receipt.Subscribers, Position: positionText(o.receipt.Position)}
	if s.options.Nodes != nil && o.receipt.Nodes >= 0 {
		r.Nodes = &o.receipt.Nodes
	}
	return resultAnswer{r}, nil
}

type batchAnswer struct {
	// Results are resultAnswers and errorAnswers.
	Results []any `json:"results"`
}

// batch publishes each element by itself and in order. It is refused as a whole
// only if it is no well-formed batch, and then nothing was published.
func (s *Server) batch(body []byte) (any, *problem) {
	items, p := decodeBatch(body)
	if p != nil {
		return nil, p
	}
	deliveries := make([]delivery, len(items))
	for i, item := range items {
		deliveries[i] = s.deliver(decodePublish(item))
	}
	results := make([]any, len(items))
	for i := range deliveries {
		result, p := s.answer(deliveries[i])
		if p != nil {
			result = errorAnswer{p.body()}
		}
		results[i] = result
	}
	return batchAnswer{results}, nil
}

type nothing struct{}

// disconnect closes one connection of this node, or all of a user's.
func (s *Server) disconnect(body []byte) (any, *problem) {
	f, p := decodeDisconnect(body)
	if p != nil {
		return nil, p
	}
	if f.user != "" {
		return s.disconnectUser(f)
	}
	if f.node == "" && s.others() {
		return nil, fail(invalidRequest, `in a fleet, say on which "node" the connection is, as /api/presence names it: each node numbers its own`)
	}
	switch closed, err := s.options.Disconnect(f.node, f.id, f.code, f.reason); {
	case errors.Is(err, hub.ErrDown):
		return nil, fail(fleetDown, "node %s does not answer, or the link to the broker is down: nothing is known to have been closed; try again, or ask that node at its own admin address", quoted(f.node))
	case !closed:
		if f.node != "" {
			return nil, fail(unknownConnection, "node %s has no open connection %s", quoted(f.node), f.id)
		}
		return nil, fail(unknownConnection, "this node has no open connection %s", f.id)
	}
	return resultAnswer{nothing{}}, nil
}

// others says that there are other nodes, or may be.
func (s *Server) others() bool {
	if s.options.Nodes == nil {
		return false
	}
	nodes, unheard := s.options.Nodes()
	return unheard || len(nodes) > 1
}

// disconnectUser closes all connections of a user.
func (s *Server) disconnectUser(f farewell) (any, *problem) {
	c, err := s.options.DisconnectUser(f.user, f.code, f.reason)
	if err != nil {
		return nil, fail(fleetDown, "the link to the broker is down: %d connections of this node were closed, and those of the other nodes stay; try again, ask each of them at its own admin address, or revoke the user's tokens, of which they are told later", c.Connections)
	}
	return resultAnswer{c}, nil
}
