package redisbroker

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// op is a command on its way out.
type op struct {
	kind     opKind
	name     string // pub/sub channel, or the key of a stream
	text     string // message
	channel  string // of an append
	class    broker.Class
	answered func(broker.Position, error) // nil: nobody waits
	lost     func(error)                  // told when it was not taken; nil: nobody is
}

type opKind uint8

const (
	opPublish opKind = iota
	opAppend
	opForward
	opMark // behind all that came before
)

// maxForwarded is about how many messages of clients a stream keeps, whether
// backends have read them or not. Older ones are dropped.
const maxForwarded = "100000"

// opBytes is what an op takes beside its message.
const opBytes = 256

// tell gives the outcome to who waits for it.
func (p *op) tell(at broker.Position, err error) {
	switch {
	case p.answered != nil:
		p.answered(at, err)
	case p.lost != nil && err != nil:
		p.lost(err)
	}
}

func (p *op) size() int { return len(p.text) + opBytes }

// outbox is what waits to be sent, and what is not answered yet.
type outbox struct {
	// Static.
	bound int
	wake  chan struct{}

	// Guarded by mu.
	mu    sync.Mutex
	ops   []op
	bytes int
	ended bool
}

func (o *outbox) init(bound int) { o.bound, o.wake = bound, make(chan struct{}, 1) }

// put appends p. ErrBusy: there is no room; one message has always room.
func (c *conn) put(p op) error {
	o := &c.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return broker.ErrDown
	case o.bytes > 0 && o.bytes+p.size() > o.bound && p.kind != opMark:
		return broker.ErrBusy
	}
	o.ops = append(o.ops, p)
	o.bytes += p.size()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

func (o *outbox) take() []op {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.ops
	o.ops = nil
	return list
}

func (o *outbox) free(bytes int) {
	o.mu.Lock()
	o.bytes -= bytes
	o.mu.Unlock()
}

// end lets nothing more in, and answers what was not sent.
func (o *outbox) end() {
	o.mu.Lock()
	list := o.ops
	o.ended, o.ops = true, nil
	o.mu.Unlock()
	for i := range list {
		list[i].tell(broker.Position{}, broker.ErrDown)
	}
}

// maxPipeline is how many commands are sent before the first answer is waited for.
const maxPipeline = 1 << 10

// write is the goroutine that sends: all that waits at a time, as one pipeline.
func (c *conn) write() {
	for {
		select {
		case <-c.broken:
			return
		case <-c.outbox.wake:
		}
		for list := c.outbox.take(); len(list) > 0; {
			n := min(len(list), maxPipeline)
			c.send(list[:n])
			list = list[n:]
		}
	}
}

// send sends ops, and gives out the answers.
func (c *conn) send(list []op) {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	published, keyed := make([]rueidis.Completed, 0, len(list)), []rueidis.Completed(nil)
	add := &published // all are one pipeline, but in a cluster
	if c.keyed != c.out {
		add = &keyed
	}
	for i := range list {
		switch p := &list[i]; p.kind {
		case opPublish:
			published = append(published, c.out.B().Publish().Channel(p.name).Message(p.text).Build())
		case opForward:
			*add = append(*add, c.keyed.B().Xadd().Key(p.name).Maxlen().Almost().Threshold(maxForwarded).Id("*").
				FieldValue().FieldValue("message", p.text).Build())
		case opAppend:
			*add = append(*add, c.appending(p))
		}
	}
	var answers, keyedAnswers []rueidis.RedisResult
	if len(published) > 0 {
		answers = c.out.DoMulti(ctx, published...)
	}
	if len(keyed) > 0 {
		keyedAnswers = c.keyed.DoMulti(ctx, keyed...)
	}
	size, refused, cause := 0, 0, error(nil)
	for i := range list {
		p := &list[i]
		size += p.size()
		var at broker.Position
		var err error
		if p.kind != opMark {
			from := &answers
			if p.kind != opPublish && c.keyed != c.out {
				from = &keyedAnswers
			}
			at, err = c.answer(ctx, p, (*from)[0])
			if err != nil && err != broker.ErrUnconfirmed && p.lost == nil { // the end of the connection is told by Down
				refused, cause = refused+1, err
			}
			*from = (*from)[1:]
		}
		p.tell(at, err)
	}
	c.outbox.free(size)
	if refused > 0 {
		c.link.o.Log.Warn().Err(cause).Int("messages", refused).Msg("redis did not take messages")
	}
}

// answer is what became of an op.
func (c *conn) answer(ctx context.Context, p *op, r rueidis.RedisResult) (at broker.Position, err error) {
	if p.kind == opAppend {
		at, err = c.appended(ctx, p, r)
	} else if err = r.Error(); err == nil && p.kind == opPublish && !c.link.o.Cluster {
		if n, err := r.AsInt64(); err == nil {
			c.reached.note(p.name, int(n))
		}
	}
	if err == nil {
		return at, nil
	}
	if e, answered := rueidis.IsRedisErr(err); answered {
		return at, c.refusal(e)
	}
	switch {
	case c.keyed == c.out || p.kind == opPublish:
		c.fail(err)
		return at, broker.ErrUnconfirmed
	case unsent(err):
		return at, fmt.Errorf("%w: %w", broker.ErrDown, err)
	default:
		return at, fmt.Errorf("%w: %w", broker.ErrUnconfirmed, err)
	}
}
