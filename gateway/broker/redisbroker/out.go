package redisbroker

import (
	"context"
	"fmt"
	"time"

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
	answered func(broker.Position, error) // of an append
	taken    func()                       // told when Redis has it; nil: nobody is
	lost     func(error)                  // told when it was not taken, or may not have been; nil: nobody is
}

type opKind uint8

const (
	opPublish opKind = iota
	opControl
	opAppend
	opForward
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
	case err != nil && p.lost != nil:
		p.lost(err)
	case err == nil && p.taken != nil:
		p.taken()
	}
}

// Size implements broker.Op.
func (p op) Size() int { return len(p.text) + opBytes }

// maxPipeline is how many commands are sent before the first answer is waited for.
const maxPipeline = 1 << 10

// write is the goroutine that sends: all that waits at a time, as one pipeline, or in a cluster, as one for each lane.
func (c *conn) write() {
	for {
		select {
		case <-c.broken:
			return
		case <-c.outbox.Wake():
		}
		list := c.outbox.Take(nil)
		if c.lanes == nil {
			c.sendAll(list)
			continue
		}
		for i := range list {
			c.lanes.put(c, &list[i])
		}
	}
}

// sendAll sends ops that go the same way. If the server falls silent, the rest is not sent.
func (c *conn) sendAll(list []op) (silent bool) {
	for len(list) > 0 {
		select {
		case <-c.broken:
			c.giveUp(list, broker.ErrDown)
			return false
		default:
		}
		n := min(len(list), maxPipeline)
		if c.send(list[:n]) {
			c.giveUp(list[n:], errSilent)
			return true
		}
		list = list[n:]
	}
	return false
}

// errSilent is told of what would have to wait for a server that answers nothing.
var errSilent = broker.Down(fmt.Errorf("its server has not answered for %v", silence))

// giveUp does not send ops.
func (c *conn) giveUp(list []op, why error) {
	size := 0
	for i := range list {
		size += list[i].Size()
		list[i].tell(broker.Position{}, why)
	}
	c.outbox.Free(size)
}

// send sends ops that go the same way, as one pipeline, and gives out the answers.
func (c *conn) send(list []op) (silent bool) {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	commands := make([]rueidis.Completed, len(list))
	for i := range list {
		commands[i] = c.command(&list[i])
	}
	client := c.keyed
	if c.onPair(&list[0]) {
		client = c.out
	}
	begun := time.Now()
	size, refused, cause := 0, 0, error(nil)
	for i, answer := range client.DoMulti(ctx, commands...) {
		p := &list[i]
		size += p.Size()
		at, err := c.answer(ctx, p, answer)
		if err != nil {
			_, answered := rueidis.IsRedisErr(answer.Error())
			silent = silent || !answered && time.Since(begun) > silence/2
			if err != broker.ErrUnconfirmed && p.lost == nil { // the end of the connection is told by Down
				refused, cause = refused+1, err
			}
		}
		p.tell(at, err)
	}
	c.outbox.Free(size)
	if refused > 0 {
		c.link.o.Log.Warn().Err(cause).Int("messages", refused).Msg("redis did not take messages")
	}
	return silent
}

// onPair says whether an op goes to the pair's server, and not to the master that has its slot.
func (c *conn) onPair(p *op) bool {
	return c.keyed == c.out || p.kind == opControl || p.kind == opPublish && c.shards == nil
}

// command is what Redis is sent for an op.
func (c *conn) command(p *op) rueidis.Completed {
	switch {
	case p.kind == opAppend:
		return c.appending(p)
	case p.kind == opForward:
		return c.keyed.B().Xadd().Key(p.name).Maxlen().Almost().Threshold(maxForwarded).Id("*").
			FieldValue().FieldValue("message", p.text).Build()
	case p.kind == opPublish && c.shards != nil:
		return c.keyed.B().Spublish().Channel(p.name).Message(p.text).Build()
	default:
		return c.out.B().Publish().Channel(p.name).Message(p.text).Build()
	}
}

// answer is what became of an op.
func (c *conn) answer(ctx context.Context, p *op, r rueidis.RedisResult) (at broker.Position, err error) {
	if p.kind == opAppend {
		at, err = c.appended(ctx, p, r)
	} else if err = r.Error(); err == nil && p.kind == opPublish {
		c.note(p.name, r)
	}
	if err == nil {
		return at, nil
	}
	if e, answered := rueidis.IsRedisErr(err); answered {
		return at, c.refusal(e)
	}
	switch {
	case c.onPair(p):
		c.fail(err)
		return at, broker.ErrUnconfirmed
	case unsent(err):
		return at, broker.Down(err)
	default:
		return at, fmt.Errorf("%w: %w", broker.ErrUnconfirmed, err)
	}
}
