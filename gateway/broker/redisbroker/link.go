package redisbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// Link implements broker.Link.
type Link struct {
	// Static after Start.
	o        Options
	id       string // of what this link publishes: another node may have its name by mistake
	client   rueidis.ClientOption
	receiver broker.Receiver

	conn   atomic.Pointer[conn] // nil: there is none
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Link that does nothing before Start.
func New(o Options) (*Link, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	l := &Link{o: o, id: o.Node + "." + rand.Text()[:8], client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Start implements broker.Link.
func (l *Link) Start(r broker.Receiver) error {
	l.receiver = r
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
	return err
}

// keep is the goroutine that connects, and hands over what comes in.
func (l *Link) keep() {
	broker.Keep(l.ctx, l.receiver, l.o.Log, func() (func() error, error) {
		c, err := l.connect()
		if err != nil {
			return nil, advice(err)
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

// Routes implements broker.Link.
func (l *Link) Routes() (int, bool) { return 0, false }

// Unfit implements broker.Link: nothing is inside the node.
func (l *Link) Unfit() string { return "" }

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
	return c.subscribe(ctx, l.names(channels))
}

// Unsubscribe implements broker.Link.
func (l *Link) Unsubscribe(ctx context.Context, channels []string) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.unsubscribe(ctx, l.names(channels))
}

func (l *Link) names(channels []string) []string {
	names := make([]string, len(channels))
	for i, name := range channels {
		names[i] = l.name(name)
	}
	return names
}

// name is the pub/sub channel of a channel.
func (l *Link) name(channel string) string { return l.o.Prefix + ":c:" + channel }

// keys are those of a channel's history: the hash and the stream. In a cluster, they
// are in the slot of its pub/sub channel.
func (l *Link) keys(channel string) (meta, stream string) {
	name := l.name(channel)
	return l.o.Prefix + ":m:{" + name + "}", l.o.Prefix + ":h:{" + name + "}"
}

// Publish implements broker.Link.
func (l *Link) Publish(channel string, m []byte, taken func(), lost func(error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.outbox.Put(op{kind: opPublish, name: l.name(channel), text: published(l.id, m), taken: taken, lost: lost})
}

// Flush implements broker.Link.
func (l *Link) Flush(ctx context.Context) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	select {
	case <-c.outbox.Empty():
		return nil
	case <-c.broken:
		return broker.ErrDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Nodes implements broker.Link. Redis says with each publication how many
// connections it went to; with plain pub/sub in a cluster, how many of those to one server, which is no answer.
func (l *Link) Nodes(channel string) (int, bool) {
	c, err := l.live()
	if err != nil {
		return 0, false
	}
	return c.reached.of(l.name(channel))
}

// Forward implements broker.Link.
func (l *Link) Forward(name string, m []byte, lost func(error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.outbox.Put(op{kind: opForward, name: l.o.Prefix + ":f:" + name, text: rueidis.BinaryString(m), lost: lost})
}

// Send implements broker.Link.
func (l *Link) Send(node string, m []byte) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.outbox.Put(op{kind: opControl, name: l.control(node), text: published(l.id, m)})
}

// control is the pub/sub channel of a node's control messages; "": of all nodes'.
func (l *Link) control(node string) string {
	if node == "" {
		return l.o.Prefix + ":n"
	}
	return l.o.Prefix + ":n:" + node
}
