package natsbroker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// agreeTimeout bounds the wait for the other servers: one that has gone, or whose
// node is about to begin, does not hold up subscriptions for longer.
const agreeTimeout = 500 * time.Millisecond

// agree returns when the servers of the other nodes know what this node has
// subscribed to. A server confirms a subscription before the others have heard of
// it, but tells them in order: so a question that is asked afterwards comes behind
// it, and who answers has heard. Servers that are not inside a node answer nothing.
func (c *conn) agree(ctx context.Context) error {
	if c.link.embedded == nil || c.link.embedded.size == 1 {
		return nil
	}
	others, err := c.link.embedded.others()
	if err != nil || len(others) == 0 {
		return nil // nobody is there to agree with
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.nc.PublishRequest(c.asking(), inbox, nil); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, agreeTimeout)
	defer cancel()
	for range others {
		if _, err := sub.NextMsgWithContext(bounded); err != nil {
			if errors.Is(err, nats.ErrNoResponders) {
				return nil // their nodes are about to begin, and publish nothing yet
			}
			if ctx.Err() == nil && bounded.Err() != nil {
				c.link.o.Log.Debug().Int("servers", len(others)).Msg("nats: not all servers have confirmed a subscription")
				return nil
			}
			return err
		}
	}
	return nil
}

// asking is the subject of agree's question.
func (c *conn) asking() string { return c.link.o.Prefix + ".s" }

// answer answers agree's question of another node.
func (c *conn) answer(reply string) {
	if err := c.out.Put(op{subject: reply}); err == broker.ErrBusy {
		c.link.o.Log.Debug().Msg("nats: the queue is full, a question is not answered")
	}
}
