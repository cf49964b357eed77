package hub

import "errors"

// Publication is one message on its way to the subscribers of its channels.
type Publication struct {
	// Payload is read during Publish only: the caller may reuse it afterwards.
	Payload []byte
	// Binary says that the payload is delivered as a binary message, not as text.
	Binary bool
	// Except gets no copy: the publisher itself, where its endpoint does not echo. Nil: everyone does.
	Except *Subscriber
	// Done, which may be nil, is called once when the fleet has the publication, or
	// will not have it, unless Publish returns an error. Any goroutine may call it,
	// also before Publish returns; it must not block.
	Done func(Receipt, error)
	// Position in the channel's history. The hub sets it for codecs.
	Position Position
}

// Errors of Publish. Nothing was delivered to anyone when one is returned.
var (
	// ErrBusy: a shard's inbox is full (hub.inbox), the node's queue budget is
	// used up (limits.node_queue_bytes), or its memory (guard.shed_queues). Try
	// again later.
	ErrBusy = errors.New("hub: busy: too many publications are waiting")
	// ErrDown: the link to the fleet's broker is down.
	ErrDown = errors.New("hub: the link to the broker is down")
	// ErrStopped: the hub was stopped.
	ErrStopped = errors.New("hub: stopped")
)

// ChannelInfo is one channel with subscribers, as Channels lists it.
type ChannelInfo struct {
	Name        string
	Subscribers int
}

// ConnectionInfo is one open connection, as Connections lists it.
type ConnectionInfo struct {
	ID       ID
	Channels []string
	// QueuedBytes wait for the socket, QueuedFrames in the slow-consumer outbox behind it.
	QueuedBytes  int
	QueuedFrames int
	// Conn is the connection itself, for what only its owner knows (its address).
	Conn Conn
}

// Stats are figures of this instant.
type Stats struct {
	Shards      int
	Connections int // attached
	Closing     int // of them, those that were sent a close frame
	Channels    int // with at least one subscriber, or a history
	// Subscriptions of all connections together.
	Subscriptions int
	InboxDepth    []int
	QueuedBytes   int64 // accepted for sockets that did not take them yet, all shards
}
