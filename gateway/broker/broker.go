package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/internal/sampled"
)

// Sink is who gets what comes in: the hub. The Broker's goroutines call it.
type Sink interface {
	// Broken: the link was lost. Channels that are wanted are subscribed to anew, with Suspect before and Doubt after it.
	Broken()
	// Missing: what others publish on the channel does not come, though the link is up, until Suspect and Doubt.
	Missing(channel string)
	Deliver(channel string, d hub.Delivery)
	Caught(channel string, past hub.Past, err error)
	// Suspect: something may be missing before what is delivered next on the channel. Doubt follows.
	Suspect(channel string)
	// Doubt: something may be missing on the channel.
	Doubt(channel string)
}

// Options configure a Broker.
type Options struct {
	// Node names this node in the fleet.
	Node string
	Link Link
	// Linger is how long the node stays subscribed to a channel after its last subscriber has left.
	Linger time.Duration
	// LocalWhenDown delivers publications on channels without a history to the
	// subscribers of this node while the link is down, instead of refusing them.
	LocalWhenDown bool
	// Bare takes messages without an envelope for what they are; else they are dropped.
	Bare bool
	// MaxMessage is the largest payload, in bytes, whoever published it. It may change. Nil: there is no bound.
	MaxMessage func() int
	// Control gets control messages from other nodes, one at a time. It must not block. Nil: nobody does.
	Control func(m []byte)
	// Changed is told when the link has come up or gone down. Nil: nobody is.
	Changed func(up bool)
	Log     zerolog.Logger
}

// Broker is a hub's way to the other nodes. It implements hub.Broker over a Link.
type Broker struct {
	// Static after New, sink after Start.
	o    Options
	link Link
	sink Sink
	log  zerolog.Logger

	up         atomic.Bool
	complained atomic.Int64 // when malformed messages were logged last, in Unix seconds

	Counters Counters

	losses *sampled.Log // of messages on their way out
	lost   func(error)  // forwardLost

	interests interests
	fetches   fetches

	cancel context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
}

// Counters are what a Broker has done since it began.
type Counters struct {
	Sent, Received   atomic.Uint64 // messages
	Forwarded        atomic.Uint64 // clients' messages to backends
	ForwardsLost     atomic.Uint64 // of them, those that the engine did not take, or may not have
	Refused          atomic.Uint64 // publications, because the link was down or its queue full, or the engine did not take them
	Malformed        atomic.Uint64 // messages that were dropped
	Downs            atomic.Uint64 // times that the link was lost
	Losses           atomic.Uint64 // times that messages for this node may have been lost
	Fetches          atomic.Uint64 // reads of histories
	Failed           atomic.Uint64 // of them, those that failed
	Subscribed, Left atomic.Uint64 // channels
}

// New returns a Broker that does nothing before Start.
func New(o Options) *Broker {
	b := &Broker{o: o, link: o.Link, log: o.Log, losses: sampled.New(o.Log, 1)}
	b.lost = b.forwardLost
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.interests.init()
	b.fetches.init()
	return b
}

// Start begins to connect. What is wanted waits for the outcome of the first
// attempt; after that, channels are served without the link while it is down.
func (b *Broker) Start(sink Sink) error {
	b.sink = sink
	b.interests.first = time.Now().Add(firstTimeout)
	if err := b.link.Start(receiver{b}); err != nil {
		return err
	}
	b.wg.Go(b.keepInterests)
	for range fetchers {
		b.wg.Go(b.fetch)
	}
	return nil
}

// Close ends it. What is on its way is flushed until ctx is done.
func (b *Broker) Close(ctx context.Context) error {
	b.cancel()
	err := b.link.Close(ctx)
	b.wg.Wait()
	return err
}

// Up says whether the link is up.
func (b *Broker) Up() bool { return b.up.Load() }

// Unfit is why the node should get no clients yet; "": they may come. See Link.
func (b *Broker) Unfit() string { return b.link.Unfit() }

// Routes is how many other nodes the part of the engine inside this one is connected to. See Link.
func (b *Broker) Routes() (n int, known bool) { return b.link.Routes() }

// Send gives a control message to one node, or to all others ("").
func (b *Broker) Send(node string, m []byte) error { return b.link.Send(node, m) }

// Publish implements hub.Broker.
func (b *Broker) Publish(channels []string, p *hub.Publication, done func(hub.Receipt, error)) (sent bool, err error) {
	taken, lost, o := (func())(nil), b.publishLost, (*outcome)(nil)
	if done != nil {
		o = &outcome{b: b, channels: channels, done: done, left: len(channels)}
		taken, lost = o.taken, o.lost
	}
	fit := fitting(channels)
	for i, name := range channels {
		also := channels[:fit:fit]
		if i >= fit {
			also = slices.Concat(also, []string{name})
		}
		err := b.link.Publish(name, b.envelope(also, p), taken, lost)
		if err == nil {
			sent = true
			b.Counters.Sent.Add(1)
			continue
		}
		b.Counters.Refused.Add(1)
		switch local := b.o.LocalWhenDown && errors.Is(err, ErrDown); {
		case !local && i == 0:
			return false, refusal(err)
		case o != nil:
			o.told(err)
		}
	}
	return sent, nil
}

// publishLost counts a message that the engine did not take, and logs some of them.
func (b *Broker) publishLost(err error) {
	b.Counters.Refused.Add(1)
	b.losses.Event(zerolog.WarnLevel, 0).Err(err).Msg("a publication did not reach the broker")
}

// Append implements hub.Broker.
func (b *Broker) Append(channel string, limits *hub.History, p *hub.Publication, done func(hub.Receipt, error)) error {
	err := b.link.Append(ClassOf(limits), channel, b.envelope(nil, p), func(at Position, err error) {
		switch {
		case done == nil && err != nil:
			b.Counters.Refused.Add(1)
		case done == nil:
		case err != nil:
			b.Counters.Refused.Add(1)
			done(hub.Receipt{}, refusal(err))
		default:
			r := hub.Receipt{Nodes: -1, Position: at}
			if n, known := b.link.Nodes(channel); known {
				r.Nodes = n
			}
			done(r, nil)
		}
	})
	if err != nil {
		b.Counters.Refused.Add(1)
		return refusal(err)
	}
	b.Counters.Sent.Add(1)
	return nil
}

func (b *Broker) envelope(channels []string, p *hub.Publication) []byte {
	e := envelope{binary: p.Binary, payload: p.Payload}
	if p.Except != nil {
		e.node, e.sender = b.o.Node, p.Except.ID()
	}
	if len(channels) > 1 {
		e.also = channels
	}
	return e.append(make([]byte, 0, len(p.Payload)+64))
}

// refusal is what a publisher is told.
func refusal(err error) error {
	switch {
	case errors.Is(err, ErrBusy):
		return hub.ErrBusy
	case err == ErrDown:
		return hub.ErrDown
	case errors.Is(err, ErrDown):
		return &because{hub.ErrDown, err}
	default:
		return err
	}
}

// ClassOf is the class of the channels with such a history.
func ClassOf(limits *hub.History) Class {
	return Class{Name: limits.Class, Size: limits.Size, TTL: limits.TTL}
}

// receiver is the Broker as its link sees it.
type receiver struct{ *Broker }

// Up implements Receiver.
func (r receiver) Up() {
	r.up.Store(true)
	r.log.Info().Msg("broker link is up")
	r.interests.change(func() { r.interests.stale, r.interests.first = true, time.Time{} })
	if r.o.Changed != nil {
		r.o.Changed(true)
	}
}

// Down implements Receiver.
func (r receiver) Down(err error) {
	if r.up.Swap(false) {
		r.Counters.Downs.Add(1)
	}
	r.sink.Broken()
	r.log.Warn().Err(err).Msg("broker link is down")
	r.interests.change(func() { r.interests.first = time.Time{} }) // whoever waits need not
	if r.o.Changed != nil {
		r.o.Changed(false)
	}
}

// Message implements Receiver.
func (r receiver) Message(channel string, m []byte, pos Position, prev uint64) {
	r.Counters.Received.Add(1)
	e, err := r.open(m)
	if err != nil {
		r.malformed(channel, err)
		if err == errSize {
			r.Missed(channel)
		}
		return
	}
	d := hub.Delivery{
		Publication: hub.Publication{Payload: e.payload, Binary: e.binary, Position: pos},
		Prev:        prev, At: time.Now(), Also: e.also,
	}
	if e.node == r.o.Node {
		d.Sender = e.sender
	}
	r.sink.Deliver(channel, d)
}

// open takes a message apart that came from the engine.
func (b *Broker) open(m []byte) (envelope, error) {
	e, err := decode(m)
	if err == errBare && b.o.Bare {
		e, err = bare(m), nil
	}
	if err == nil && b.o.MaxMessage != nil && len(e.payload) > b.o.MaxMessage() {
		err = errSize
	}
	return e, err
}

// malformed counts a message that is dropped, and logs one a minute.
func (b *Broker) malformed(channel string, err error) {
	b.Counters.Malformed.Add(1)
	if now := time.Now().Unix(); now-b.complained.Load() >= 60 {
		b.complained.Store(now)
		b.log.Warn().Err(err).Str("channel", channel).
			Msg("messages from the broker are dropped that do not begin with a line sluice/1 (broker.bare takes them as they are), or are longer than limits.message_size")
	}
}

// Missing implements Receiver.
func (r receiver) Missing(channel string) {
	r.interests.missing(channel, true) // first: who wants it from now on asks the link
	r.sink.Missing(channel)
}

// Missed implements Receiver.
func (r receiver) Missed(channel string) {
	r.interests.missing(channel, false)
	r.sink.Suspect(channel)
	r.sink.Doubt(channel)
}

// Lost implements Receiver.
func (r receiver) Lost(why string) {
	r.Counters.Losses.Add(1)
	r.log.Warn().Str("why", why).Msg("messages from other nodes may have been lost: histories are read again, and subscribers of other channels told of a gap")
	r.interests.change(func() { r.interests.doubt = true })
}

// Control implements Receiver.
func (r receiver) Control(m []byte) {
	if r.o.Control != nil {
		r.o.Control(m)
	}
}
