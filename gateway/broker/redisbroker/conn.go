package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// conn is a pair of connections, one for commands and one for what comes in,
// from their beginning to the end of either.
type conn struct {
	// Static after connect.
	link   *Link
	out    rueidis.Client
	other  rueidis.Client // in's own, in a cluster; else nil
	in     rueidis.DedicatedClient
	leave  func()
	lost   <-chan error // in has ended
	coming chan rueidis.PubSubMessage
	broken chan struct{} // closed when either has ended
	prefix string        // of channels' pub/sub channels
	writer sync.WaitGroup

	outbox outbox

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
	if c.out, err = rueidis.NewClient(l.client); err != nil {
		return nil, err
	}
	from := c.out
	if l.o.Cluster { // what is published anywhere in a cluster comes to each of its servers
		if c.other, err = l.single(); err != nil {
			c.out.Close()
			return nil, err
		}
		from = c.other
	}
	c.in, c.leave = from.Dedicate()
	c.lost = c.in.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: c.message, OnSubscription: c.subscribed})
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	if err := c.subscribe(ctx, []string{l.control(""), l.control(l.o.Node)}); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// single is a client of one of a cluster's servers, the first that can be had.
func (l *Link) single() (client rueidis.Client, err error) {
	for _, address := range l.o.Addresses {
		o := l.client
		o.InitAddress, o.ForceSingleClient, o.ShuffleInit = []string{address}, true, false
		if client, err = rueidis.NewClient(o); err == nil {
			return client, nil
		}
	}
	return nil, err
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

// failure is err, or ErrDown where it means the end of the connection.
func (c *conn) failure(err error) error {
	if err == nil {
		return nil
	}
	if _, answered := rueidis.IsRedisErr(err); answered || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	c.fail(err)
	return fmt.Errorf("%w: %w", broker.ErrDown, err)
}

// serve hands over what comes in until the connection ends, and returns why it did.
func (c *conn) serve() error {
	l := c.link
	c.writer.Go(c.write)
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
	if c.other != nil {
		c.other.Close()
	}
	c.out.Close()
	c.writer.Wait()
}
