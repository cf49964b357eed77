package redisbroker

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// conn is a pair of connections, one for commands and one for what comes in,
// from their beginning to the end of either.
//
// In a cluster, the pair is to one of its servers, and what has a slot has connections
// of its own, to the masters: commands with keys, and sharded pub/sub. The end of one
// of those fails what is on it, and is not the end of the pair. With plain pub/sub,
// the pair's server hears from the others what is published there.
type conn struct {
	// Static after connect.
	link    *Link
	address string         // of the pair's server, in a cluster
	out     rueidis.Client // publishes
	keyed   rueidis.Client // for what has a slot: out, but in a cluster
	in      *listener
	shards  *shards // nil: pub/sub is plain
	coming  chan incoming
	broken  chan struct{} // closed when either has ended
	prefix  string        // of channels' pub/sub channels
	server  string        // run ID of in's, with sentinels
	workers sync.WaitGroup
	life    context.Context // of what keyed connects to, in a cluster
	die     context.CancelFunc

	outbox  *broker.Outbox[op]
	lanes   *lanes // nil: all goes to the pair's server
	reached reached

	// Guarded by mu.
	mu    sync.Mutex
	cause error
}

// incoming is what has come in: a message, or word of a channel.
type incoming struct {
	message rueidis.PubSubMessage // if there is no word
	missed  string                // a pub/sub channel of which some may have been missed, and that flows now; or ""
	missing string                // one that does not flow, unless it does again by now; or ""
}

// maxComing is how many messages wait for the receiver. Then the connection is
// not read, and Redis cuts it when it has queued too much for it.
const maxComing = 1 << 12

// connect dials, and listens to control messages.
func (l *Link) connect() (*conn, error) {
	c := &conn{link: l, coming: make(chan incoming, maxComing), broken: make(chan struct{}), prefix: l.name("")}
	c.outbox = broker.NewOutbox[op](l.o.QueueBytes)
	c.life, c.die = context.WithCancel(context.Background())
	var err error
	if c.out, c.address, err = l.dial(); err != nil {
		c.die()
		return nil, err
	}
	c.keyed = c.out
	if l.o.Cluster {
		c.lanes = new(lanes)
		o := l.client
		o.DialCtxFn = c.dialForLife
		if c.keyed, err = open(o); err != nil {
			c.die()
			c.out.Close()
			return nil, err
		}
	}
	c.in = listen(c.out, rueidis.PubSubHooks{OnMessage: c.message})
	if err := c.begin(); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// begin makes both connections ready.
func (c *conn) begin() (err error) {
	l := c.link
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	if err := usable(ctx, c.out, l.o.Cluster); err != nil {
		return err
	}
	if l.o.SentinelMaster != "" {
		if c.server, err = serverOf(ctx, c.in.in); err != nil {
			return err
		}
	}
	if l.o.Sharded {
		if err := sharded(ctx, c.out); err != nil {
			return err
		}
		c.shards = newShards(c)
		if err := c.shards.learn(ctx); err != nil {
			c.shards.mendSoon()
			l.o.Log.Warn().Err(err).Msg("redis: some masters cannot be reached; it is tried again")
		}
	}
	return c.listenTo(ctx, []string{l.control(""), l.control(l.o.Node)})
}

// message is called on the connection's goroutine, in order.
func (c *conn) message(m rueidis.PubSubMessage) { c.come(incoming{message: m}) }

func (c *conn) come(i incoming) {
	select {
	case c.coming <- i:
	case <-c.broken:
	}
}

// subscribe returns when all is confirmed.
func (c *conn) subscribe(ctx context.Context, names []string) error {
	if c.shards != nil {
		return c.shards.subscribe(ctx, names)
	}
	return c.listenTo(ctx, names)
}

// listenTo subscribes by plain pub/sub.
func (c *conn) listenTo(ctx context.Context, names []string) error {
	return c.failure(firstError(c.in.do(ctx, names, subscribe)))
}

func (c *conn) unsubscribe(ctx context.Context, names []string) error {
	if c.shards != nil {
		return c.shards.unsubscribe(ctx, names)
	}
	return c.failure(firstError(c.in.do(ctx, names, unsubscribe)))
}

// fail ends the connection.
func (c *conn) fail(err error) {
	if err == nil {
		err = errors.New("the server closed the connection")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
		close(c.broken)
	}
}

// serve hands over what comes in until the connection ends, and returns why it did.
func (c *conn) serve() error {
	l := c.link
	c.workers.Go(c.write)
	if l.o.Cluster || l.o.SentinelMaster != "" {
		c.workers.Go(c.watch)
	}
	if c.shards != nil {
		c.workers.Go(c.shards.keep)
	}
	l.conn.Store(c)
	l.receiver.Up()
	for {
		select {
		case i := <-c.coming:
			c.receive(i)
		case err := <-c.in.lost:
			c.fail(err)
			return c.cause
		case <-c.broken:
			return c.cause
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// receive hands over one message, or word of a channel.
func (c *conn) receive(i incoming) {
	switch {
	case i.missed != "":
		c.link.receiver.Missed(strings.TrimPrefix(i.missed, c.prefix))
		return
	case i.missing != "":
		if c.shards.nowhere(i.missing) { // else Missed has been told since, or is about to be
			c.link.receiver.Missing(strings.TrimPrefix(i.missing, c.prefix))
		}
		return
	}
	f := parse([]byte(i.message.Message))
	if f.link == c.link.id {
		return
	}
	channel, ok := strings.CutPrefix(i.message.Channel, c.prefix)
	if !ok {
		c.link.receiver.Control(f.message)
		return
	}
	prev := uint64(0)
	if f.at.Offset > 0 {
		prev = f.at.Offset - 1
	}
	c.link.receiver.Message(channel, f.message, f.at, prev)
}

// end closes all connections, and tells all who wait for something.
func (c *conn) end() {
	c.fail(errors.New("the link was closed"))
	for _, p := range c.outbox.End() {
		p.tell(broker.Position{}, broker.ErrDown)
	}
	c.in.leave()
	if c.keyed != c.out {
		c.keyed.Close()
	}
	c.out.Close()
	c.die()
	c.workers.Wait()
	if c.shards != nil {
		c.shards.end()
	}
}
