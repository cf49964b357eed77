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
// In a cluster, the pair is to one of its servers, which hears from the others
// what is published there: so a node's messages on a channel keep their order. The
// commands with keys have connections of their own, to the servers that have them.
// The end of one of those fails the commands on it, and is not the end of the pair.
type conn struct {
	// Static after connect.
	link    *Link
	out     rueidis.Client // publishes
	keyed   rueidis.Client // for commands with keys: out, but in a cluster
	in      rueidis.DedicatedClient
	leave   func()
	lost    <-chan error // in has ended
	coming  chan rueidis.PubSubMessage
	broken  chan struct{} // closed when either has ended
	prefix  string        // of channels' pub/sub channels
	server  string        // run ID of in's, with sentinels
	workers sync.WaitGroup

	outbox  outbox
	reached reached

	// Guarded by mu.
	mu    sync.Mutex
	cause error

	subscribing sync.Mutex // one at a time

	// Guarded by confirming.
	confirming sync.Mutex
	missing    map[string]bool // of the subscriptions under way
	confirmed  chan struct{}   // closed when none is missing
}

// maxComing is how many messages wait for the receiver. Then the connection is
// not read, and Redis cuts it when it has queued too much for it.
const maxComing = 1 << 12

// connect dials, and listens to control messages.
func (l *Link) connect() (*conn, error) {
	c := &conn{link: l, coming: make(chan rueidis.PubSubMessage, maxComing), broken: make(chan struct{}), prefix: l.name("")}
	c.outbox.init(l.o.QueueBytes)
	var err error
	if c.out, err = l.dial(); err != nil {
		return nil, err
	}
	c.keyed = c.out
	if l.o.Cluster {
		if c.keyed, err = open(l.client); err != nil {
			c.out.Close()
			return nil, err
		}
	}
	c.in, c.leave = c.out.Dedicate()
	c.lost = c.in.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: c.message, OnSubscription: c.subscribed})
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	if l.o.SentinelMaster != "" {
		if c.server, err = serverOf(ctx, c.in); err != nil {
			c.end()
			return nil, err
		}
	}
	if err := c.subscribe(ctx, []string{l.control(""), l.control(l.o.Node)}); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// dial is a client of the server, of the sentinels' master, or of a cluster's server.
func (l *Link) dial() (rueidis.Client, error) {
	if l.o.Cluster {
		return l.member()
	}
	return open(l.client)
}

// open is a client, or an error and nothing that is left open.
func open(o rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(o)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	return client, nil
}

// message is called on the connection's goroutine, in order.
func (c *conn) message(m rueidis.PubSubMessage) {
	select {
	case c.coming <- m:
	case <-c.broken:
	}
}

// subscribed is called for each confirmation.
func (c *conn) subscribed(s rueidis.PubSubSubscription) {
	if s.Kind != "subscribe" {
		return
	}
	c.confirming.Lock()
	defer c.confirming.Unlock()
	if c.missing[s.Channel] {
		if delete(c.missing, s.Channel); len(c.missing) == 0 {
			close(c.confirmed)
		}
	}
}

// subscribe returns when all is confirmed.
func (c *conn) subscribe(ctx context.Context, names []string) error {
	c.subscribing.Lock()
	defer c.subscribing.Unlock()
	confirmed := make(chan struct{})
	c.confirming.Lock()
	c.missing, c.confirmed = make(map[string]bool, len(names)), confirmed
	for _, name := range names {
		c.missing[name] = true
	}
	c.confirming.Unlock()
	if err := c.in.Do(ctx, c.in.B().Subscribe().Channel(names...).Build()).Error(); err != nil {
		return c.failure(err)
	}
	select {
	case <-confirmed:
		return nil
	case <-c.broken:
		return broker.ErrDown
	case err := <-c.lost:
		c.fail(err)
		return c.failure(err)
	case <-ctx.Done():
		return ctx.Err()
	}
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
	l.conn.Store(c)
	l.receiver.Up()
	for {
		select {
		case m := <-c.coming:
			c.receive(m)
		case err := <-c.lost:
			c.fail(err)
			return c.cause
		case <-c.broken:
			return c.cause
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// receive hands over one message.
func (c *conn) receive(m rueidis.PubSubMessage) {
	f := parse([]byte(m.Message))
	if f.node == c.link.o.Node {
		return
	}
	channel, ok := strings.CutPrefix(m.Channel, c.prefix)
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

// end closes both connections, and tells all who wait for something.
func (c *conn) end() {
	c.fail(errors.New("the link was closed"))
	c.outbox.end()
	c.leave()
	if c.keyed != c.out {
		c.keyed.Close()
	}
	c.out.Close()
	c.workers.Wait()
}
