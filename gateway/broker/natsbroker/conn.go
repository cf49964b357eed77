package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// conn is one connection, from its beginning to its end.
type conn struct {
	// Static after connect.
	link    *Link
	nc      *nats.Conn
	in      chan *nats.Msg // all that comes, in order
	closed  chan struct{}
	lost    chan struct{} // a token: messages were dropped
	inbox   string        // confirmations of appends come to inbox.NUMBER
	prefix  string        // of the subjects of channels
	out     *broker.Outbox[op]
	workers sync.WaitGroup
	ctx     context.Context // until end
	cancel  context.CancelFunc

	appends  appends
	confirms confirms
	classes  classes

	// Guarded by mu.
	mu   sync.Mutex
	subs map[string]*nats.Subscription
}

// maxIn is how many messages may wait for the receiver. It takes no time for
// one, so they wait only where the process does not run; what comes beyond is
// dropped, and told as Lost.
const maxIn = 1 << 16

// connect dials, and listens to control messages.
func (l *Link) connect() (*conn, error) {
	c := &conn{
		link: l, in: make(chan *nats.Msg, maxIn), closed: make(chan struct{}), lost: make(chan struct{}, 1),
		subs: map[string]*nats.Subscription{}, prefix: l.subject("c", ""),
	}
	c.out = broker.NewOutbox[op](l.o.QueueBytes)
	c.appends.init()
	c.confirms.init()
	c.classes.init()
	options := append([]nats.Option(nil), l.dial...)
	options = append(options,
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
		nats.ErrorHandler(c.problem),
	)
	var err error
	if l.embedded != nil {
		l.embedded.join(l.ctx)
		if err := l.embedded.refused(); err != nil {
			return nil, err
		}
		if l.embedded.user != "" {
			options = append(options, nats.UserInfo(l.embedded.user, l.embedded.password))
		}
		c.nc, err = nats.Connect("", append(options, nats.InProcessServer(l.embedded.server))...)
	} else {
		c.nc, err = nats.Connect(strings.Join(l.o.URLs, ","), options...)
	}
	if err != nil {
		return nil, advice(err)
	}
	c.inbox = c.nc.NewInbox()
	subjects := []string{l.o.Prefix + ".n", l.o.Prefix + ".n." + l.o.Node, c.inbox + ".*"}
	if l.embedded != nil {
		subjects = append(subjects, c.asking())
	}
	for _, subject := range subjects {
		if _, err = c.nc.ChanSubscribe(subject, c.in); err != nil {
			c.nc.Close()
			return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
		}
	}
	if err := c.nc.FlushTimeout(dialTimeout); err != nil {
		c.nc.Close()
		return nil, err
	}
	// The server refuses subscriptions before it answers: better no link than one that hears nobody.
	if err := c.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		c.nc.Close()
		return nil, advice(err)
	}
	c.ctx, c.cancel = context.WithCancel(l.ctx)
	return c, nil
}

// problem is told of what has no caller.
func (c *conn) problem(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		c.losing()
		return
	}
	ev := c.link.o.Log.Warn().Err(err)
	if sub != nil {
		ev = ev.Str("subject", sub.Subject)
	}
	ev.Msg("nats")
}

// losing notes that messages may have been lost on the way here.
func (c *conn) losing() {
	select {
	case c.lost <- struct{}{}:
	default:
	}
}

// serve hands over what comes in until the connection ends, and returns why it did.
func (c *conn) serve() error {
	l := c.link
	c.workers.Go(c.write)
	c.workers.Go(c.confirm)
	l.conn.Store(c)
	l.receiver.Up()
	if l.embedded == nil {
		for _, of := range l.o.Classes {
			c.class(of).prepare()
		}
	}
	var moved <-chan struct{}
	if l.embedded != nil {
		moved = l.embedded.healed
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case m := <-c.in:
			c.receive(m)
		case <-c.lost:
			l.receiver.Lost("this node was too slow, and its NATS client dropped some")
		case <-moved:
			l.receiver.Lost("the NATS server inside this node has a new connection to another node's")
		case now := <-t.C:
			c.expire(now)
			if l.embedded == nil {
				continue
			}
			if err := l.embedded.refused(); err != nil {
				return err
			}
		case <-c.closed:
			return c.why()
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// why is what ended the connection.
func (c *conn) why() error {
	if err := c.nc.LastError(); err != nil {
		return err
	}
	return errors.New("the server closed the connection")
}

// end closes the connection, and tells all who wait for something.
func (c *conn) end() {
	c.nc.Close()
	<-c.closed
	c.cancel()
	c.classes.end()
	for _, p := range c.out.End() {
		if p.lost != nil {
			p.lost(broker.ErrDown)
		}
	}
	c.workers.Wait()
	settle(c.confirms.take(), nats.ErrConnectionClosed)
	c.fail()
}

// failure is err, or ErrDown where it is because of the end of the connection.
func (c *conn) failure(err error) error {
	if err == nil {
		return nil
	}
	if c.nc.IsClosed() {
		return broker.Down(err)
	}
	return err
}

// receive hands over one message.
func (c *conn) receive(m *nats.Msg) {
	if channel, ok := strings.CutPrefix(m.Subject, c.prefix); ok {
		at, prev := c.place(m)
		c.link.receiver.Message(channel, m.Data, at, prev)
		return
	}
	if number, ok := strings.CutPrefix(m.Subject, c.inbox+"."); ok {
		c.confirmed(number, m)
		return
	}
	if m.Subject == c.asking() {
		c.answer(m.Reply)
		return
	}
	c.link.receiver.Control(m.Data)
}

// subscribe returns when the server has the subscriptions.
func (c *conn) subscribe(ctx context.Context, channels []string) error {
	c.mu.Lock()
	var err error
	for _, name := range channels {
		if c.subs[name] != nil {
			continue
		}
		var sub *nats.Subscription
		if sub, err = c.nc.ChanSubscribe(c.prefix+name, c.in); err != nil {
			break
		}
		c.subs[name] = sub
	}
	c.mu.Unlock()
	if err == nil {
		err = c.nc.FlushWithContext(ctx)
	}
	if err == nil {
		err = c.agree(ctx)
	}
	return c.failure(err)
}

func (c *conn) unsubscribe(channels []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range channels {
		sub := c.subs[name]
		if sub == nil {
			continue
		}
		delete(c.subs, name)
		if err := sub.Unsubscribe(); err != nil {
			return c.failure(err)
		}
	}
	return nil
}
