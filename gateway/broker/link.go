package broker

import (
	"context"
	"errors"
	"time"

	"sluice/gateway/hub"
)

// Errors of a Link. What they wrap is for a log.
var (
	// ErrDown: there is no connection at the moment.
	ErrDown = errors.New("broker: the link is down")
	// ErrUnconfirmed: the connection ended before the engine had confirmed the message; it may have it.
	ErrUnconfirmed = errors.New("broker: the link went down before the message was confirmed")
	// ErrBusy: more is on its way than the link's bound allows. Try again later.
	ErrBusy = errors.New("broker: the link's queue is full")
)

// Link is one node's connection to the engine that carries the messages: an
// embedded or external NATS, or Redis. It knows channels, opaque messages and
// streams; what a message means, who wants it and what is done after a loss is
// the Broker's.
//
// The contract, which every engine's link keeps and linktest holds it to:
//
//   - Order: messages that one node publishes on one channel reach a node in the
//     order of the calls. Appended ones reach all nodes in the one order of their offsets,
//     but for engines that swap some (nats-server 2.9): prev shows that one is missing.
//   - At most once: what is published while a subscriber's node is not connected
//     is lost for it; what the engine dropped for a slow link is reported as Lost.
//   - A link does not hear what it published itself (Publish), and does hear what
//     it appended (Append).
//   - A part of the engine, or what is subscribed to there, may be away while the link is up:
//     Missing is called for each of its channels, and Missed once the link has subscribed to the
//     channel again, by itself. Subscribe does not wait for that: Missing tells of the channels that
//     it was given, whether they are new or not.
//     What is published on the channels of the other parts does not wait for it.
//   - Nothing is remembered over a loss of the connection: after Down all
//     subscriptions are gone, calls under way have failed with ErrDown, and after Up
//     the Broker subscribes anew, at its own pace.
//   - The link reconnects by itself, for ever, with full jitter: a random time
//     up to a bound that doubles from 100 ms to 10 s.
//
// Methods may be called concurrently. Those without a context never block.
type Link interface {
	// Start begins to connect, in the background, and calls r until Close has
	// returned. Its error is one that waiting does not mend.
	Start(r Receiver) error
	// Close flushes what is on its way, until ctx is done, and ends the link.
	Close(ctx context.Context) error

	// Unfit is why the node should get no clients yet, for what its own part of the
	// engine knows, if there is one inside it; "": they may come. It may not have the
	// histories that the others' parts have: when all nodes are restarted, the next one
	// has to wait for it. Or the others' parts do not take it for one of theirs.
	Unfit() string

	// Subscribe returns when the engine hands over what is published on the channels from now on.
	Subscribe(ctx context.Context, channels []string) error
	// Unsubscribe takes that back. Messages may still arrive for a moment.
	Unsubscribe(ctx context.Context, channels []string) error

	// Publish sends m, which nobody changes any more, to the other nodes that are
	// subscribed to the channel. ErrDown, ErrBusy: nothing was sent. If Publish returns
	// nil, one of the two is called, once and by any goroutine, and must not block: taken
	// when the engine has m, which may cost it a question; lost when it turns out that the
	// engine did not take m (ErrDown: and did nothing), or may not have. Nil: nobody wants to know.
	Publish(channel string, m []byte, taken func(), lost func(error)) error
	// Flush returns when nothing is on its way any more.
	Flush(ctx context.Context) error
	// Nodes is how many nodes are subscribed to the channel, this one included, now
	// or when this node's newest confirmed message on it was sent; false: this engine
	// cannot tell cheaply. Ask after taken or done.
	Nodes(channel string) (n int, known bool)
	// Routes is how many other nodes' parts of the engine the one inside this node is
	// connected to, a moment ago at most; false: there is none inside it that looks for others.
	Routes() (n int, known bool)

	// Append stores m, which nobody changes any more, in the channel's history of
	// the given class and sends it to all subscribed nodes, this one included. If
	// Append returns nil, done is called once, by any goroutine, when the engine has
	// stored it or the outcome is an error; done must not block.
	Append(class Class, channel string, m []byte, done func(Position, error)) error
	// Read returns what the history holds after a position, at most limit messages;
	// with no position, the newest of them. Once they come to more than so many bytes
	// (0: there is no bound), it may leave out the others. See Past.
	Read(ctx context.Context, class Class, channel string, after Position, limit, bytes int) (Past, error)

	// Forward sends m, which nobody changes any more, to the backends that take what
	// is forwarded under the name, 1 to 64 characters of A-Z a-z 0-9 _ -: a NATS
	// subject, or a Redis stream that keeps so many. ErrDown, ErrBusy: nothing was
	// sent. If Forward returns nil, lost is called, once and by any goroutine, when it
	// turns out that the engine did not take m, or may not have; it must not block.
	Forward(name string, m []byte, lost func(error)) error

	// Send gives a control message to one node, or to all others ("").
	Send(node string, m []byte) error
}

// Receiver is told what comes in. A link calls it from one goroutine, in order;
// slices are the receiver's from then on, and nobody changes them.
type Receiver interface {
	// Up: connected, with no subscriptions.
	Up()
	// Down: the connection was lost, or a first attempt failed. It is not called twice in a row.
	Down(err error)
	// Message came on a channel. For one that was appended, pos is its place and
	// prev the offset of the channel's message before it (0: none is kept any more); else both are zero.
	Message(channel string, m []byte, pos Position, prev uint64)
	// Missing: what is published on a subscribed channel does not come, until Missed
	// says that it does. It may be called again meanwhile.
	Missing(channel string)
	// Missed: what was published on a subscribed channel may be missing before what
	// comes next on it; from now on it flows.
	Missed(channel string)
	// Lost: messages may have been lost on channels that nobody can name; why, for the log.
	Lost(why string)
	// Control message, from another node's Send.
	Control(m []byte)
}

// Position is a place in a channel's history.
type Position = hub.Position

// Class is what the histories of a class of channels have in common. The engine
// keeps a stream, or whatever it has, for each.
type Class struct {
	// Name is unique among a fleet's classes, and the same on all its nodes: 1 to
	// 32 characters of A-Z a-z 0-9 _ -.
	Name string
	// Size is how many messages of a channel are kept, at least 1.
	Size int
	// TTL is how long a message is kept, at least a second.
	TTL time.Duration
}

// Past is a piece of a channel's history.
type Past struct {
	// Messages in order, each after the asked position.
	Messages []Stored
	// Top is where the channel's history is now. A channel that never had a
	// message has a position, too: what is published later lies after it.
	Top Position
	// Floor: with no position asked, nothing after this offset is missing from
	// Messages. It is the offset before the first of Messages, or that of the first
	// where the engine cannot say more; with no Messages, that of Top.
	Floor uint64
	// Complete: nothing between the asked position and the first of Messages is
	// missing. It is false when the epoch is another one, when something was
	// there and has been dropped since, and when the engine cannot exclude it.
	// With no position asked, it is true.
	Complete bool
	// Before: in the epoch before Top's, offsets up to this one were those of the same
	// messages; a position among them is none of another epoch. The zero Position: nothing is
	// known of an epoch before.
	Before Position
	// More: limit or bytes cut Messages short; ask again after the last of them. With no
	// position asked it is false: nothing newer is missing.
	More bool
}

// Stored is a message in a history.
type Stored struct {
	Position
	Message []byte
	// At is when the engine stored it.
	At time.Time
}
