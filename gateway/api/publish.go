package api

import (
	"errors"

	"sluice/gateway/hub"
)

type reach struct {
	Subscribers int `json:"subscribers"`
}

// publish sends one message to the subscribers of one channel.
func (s *Server) publish(body []byte) (any, *problem) {
	pub, p := decodePublish(body)
	if p != nil {
		return nil, p
	}
	return s.deliver(pub)
}

// broadcast sends one message to the subscribers of many channels: of all, or,
// when it is refused, of none.
func (s *Server) broadcast(body []byte) (any, *problem) {
	pub, p := decodeBroadcast(body)
	if p != nil {
		return nil, p
	}
	return s.deliver(pub)
}

func (s *Server) deliver(pub publication) (any, *problem) {
	for _, name := range pub.channels {
		if err := s.options.CheckChannel(name); err != nil {
			return nil, fail(invalidChannel, "channel %s: %v", quoted(name), err)
		}
	}
	if n, limit := len(pub.payload), s.options.MessageSize(); n > limit {
		return nil, fail(messageTooLarge, "the message has %d bytes, limits.message_size is %d", n, limit)
	}
	n, err := s.options.Hub.Publish(pub.channels, hub.Publication{Payload: pub.payload, Binary: pub.binary})
	switch {
	case err == nil:
		return resultAnswer{reach{n}}, nil
	case errors.Is(err, hub.ErrBusy):
		return nil, fail(busy, "too many messages are waiting for delivery; nothing was published")
	case errors.Is(err, hub.ErrStopped):
		return nil, fail(stopping, "the node is stopping; nothing was published")
	default:
		s.log.Error().Err(err).Msg("publish failed")
		return nil, fail(internalError, "the message could not be published; the node's log says why")
	}
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
	results := make([]any, len(items))
	for i, item := range items {
		result, p := s.publish(item)
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
		return resultAnswer{cut{s.options.DisconnectUser(f.user, f.code, f.reason)}}, nil
	}
	if !s.options.Disconnect(f.id, f.code, f.reason) {
		return nil, fail(unknownConnection, "this node has no open connection %s", f.id)
	}
	return resultAnswer{nothing{}}, nil
}
