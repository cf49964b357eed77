package natsbroker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// Link implements broker.Link.
type Link struct {
	// Static after Start.
	o        Options
	dial     []nats.Option
	receiver broker.Receiver
	embedded *embedded // nil: the server is another process

	conn   atomic.Pointer[conn] // nil: there is none
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Link that does nothing before Start.
func New(o Options) (*Link, error) {
	dial, err := o.dial()
	if err != nil {
		return nil, err
	}
	l := &Link{o: o, dial: dial}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Start implements broker.Link. An embedded server that cannot listen is its error.
func (l *Link) Start(r broker.Receiver) error {
	l.receiver = r
	if l.o.Embedded != nil {
		e, err := startServer(&l.o)
		if err != nil {
			return err
		}
		l.embedded = e
	}
	l.done.Go(l.keep)
	return nil
}

// Close implements broker.Link.
func (l *Link) Close(ctx context.Context) error {
	err := l.Flush(ctx)
	if errors.Is(err, broker.ErrDown) {
		err = nil // there is nothing to be flushed
	}
	l.cancel()
	l.done.Wait()
	if l.embedded != nil {
		l.embedded.stop()
	}
	return err
}

// keep is the goroutine that connects, and hands over what comes in.
func (l *Link) keep() {
	broker.Keep(l.ctx, l.receiver, l.o.Log, func() (func() error, error) {
		c, err := l.connect()
		if err != nil {
			return nil, err
		}
		return func() error {
			defer func() {
				l.conn.Store(nil)
				c.end()
			}()
			return c.serve()
		}, nil
	})
}

// Unfit implements broker.Link.
func (l *Link) Unfit() string {
	if l.embedded == nil {
		return ""
	}
	if err := l.embedded.refused(); err != nil {
		return err.Error()
	}
	if !l.embedded.caught.Load() {
		return "the node still gets the histories that it keeps from the others"
	}
	return ""
}

// live is the connection, or ErrDown.
func (l *Link) live() (*conn, error) {
	if c := l.conn.Load(); c != nil {
		return c, nil
	}
	return nil, broker.ErrDown
}

// Subscribe implements broker.Link.
func (l *Link) Subscribe(ctx context.Context, channels []string) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.subscribe(ctx, channels)
}

// Unsubscribe implements broker.Link.
func (l *Link) Unsubscribe(_ context.Context, channels []string) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.unsubscribe(channels)
}

// Publish implements broker.Link.
func (l *Link) Publish(channel string, m []byte, taken func(), lost func(error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.out.Put(op{subject: l.subject("c", channel), data: m, taken: taken, lost: lost})
}

// Flush implements broker.Link.
func (l *Link) Flush(ctx context.Context) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	select {
	case <-c.out.Empty():
	case <-c.closed:
		return broker.ErrDown
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.failure(c.nc.FlushWithContext(ctx))
}

// Nodes implements broker.Link. A server inside the node knows which other servers
// have subscribers; one beside it does not tell.
func (l *Link) Nodes(channel string) (int, bool) {
	if l.embedded == nil {
		return 0, false
	}
	return l.embedded.interest(l.subject("c", channel)), true
}

// Routes implements broker.Link.
func (l *Link) Routes() (int, bool) {
	if l.embedded == nil || l.o.Embedded.ClusterListen == "" {
		return 0, false
	}
	return int(l.embedded.near.Load()), true
}

// Forward implements broker.Link. Who wants to miss nothing has a stream of JetStream on the subject.
func (l *Link) Forward(name string, m []byte, lost func(error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.out.Put(op{subject: l.subject("f", name), data: m, lost: lost})
}

// Send implements broker.Link.
func (l *Link) Send(node string, m []byte) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	subject := l.o.Prefix + ".n"
	if node != "" {
		subject += "." + node
	}
	return c.out.Put(op{subject: subject, data: m})
}

// subject of a channel, of the kind c or h.CLASS.
func (l *Link) subject(kind, channel string) string {
	return l.o.Prefix + "." + kind + "." + channel
}

// stream is the name of a class's stream.
func (l *Link) stream(class string) string { return l.o.Prefix + "_" + class }

// classOf is the class of a stream.
func (l *Link) classOf(stream string) (string, bool) {
	return strings.CutPrefix(stream, l.o.Prefix+"_")
}
