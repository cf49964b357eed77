package broker

import (
	"github.com/rs/zerolog"

	"sluice/gateway/hub"
)

// Forwarded is what a client sent, on its way to backends.
type Forwarded struct {
	// Connection of this node, the path of its endpoint, and its user; "" without a token.
	Connection hub.ID
	Path, User string
	// Channels that the client joined.
	Channels []string
	// Payload is the message. It is copied.
	Payload []byte
	Binary  bool
}

// Forward sends a client's message to the backends that take what is forwarded
// under the name. hub.ErrDown, hub.ErrBusy: nothing was sent. What the engine does
// not take afterwards is counted as ForwardsLost.
func (b *Broker) Forward(name string, f *Forwarded) error {
	e := envelope{
		node: b.o.Node, sender: f.Connection, binary: f.Binary, payload: f.Payload,
		path: f.Path, user: f.User, channels: f.Channels,
	}
	if err := b.link.Forward(name, e.append(make([]byte, 0, len(f.Payload)+128)), b.lost); err != nil {
		b.Counters.Refused.Add(1)
		return refusal(err)
	}
	b.Counters.Forwarded.Add(1)
	return nil
}

// forwardLost counts a message that the engine did not take, and logs some of them.
func (b *Broker) forwardLost(err error) {
	b.Counters.ForwardsLost.Add(1)
	b.losses.Event(zerolog.WarnLevel, 0).Err(err).Msg("a client's message did not reach the broker")
}
