package redisbroker

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// failure is err, or ErrDown where it means the end of the connection.
func (c *conn) failure(err error) error {
	if err == nil {
		return nil
	}
	if e, answered := rueidis.IsRedisErr(err); answered {
		return c.refusal(e)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	c.fail(err)
	return broker.Down(err)
}

// keyedFailure is the same for a command with keys: in a cluster, the end of its
// connection is not that of the pair.
func (c *conn) keyedFailure(err error) error {
	_, answered := rueidis.IsRedisErr(err)
	if c.keyed == c.out || err == nil || answered || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return c.failure(err)
	}
	return broker.Down(err)
}

// refusal is an error that a server answered; ErrDown where it has done nothing
// and another time, or another server, would.
func (c *conn) refusal(e *rueidis.RedisError) error {
	word, _, _ := strings.Cut(e.Error(), " ")
	switch word {
	case "READONLY": // it was the master
		c.fail(e)
	case "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN", "OOM":
	default:
		return e
	}
	return broker.Down(advice(e))
}

// unsent says that a command has reached no server.
func unsent(err error) bool {
	var dial *net.OpError
	return errors.Is(err, rueidis.ErrNoSlot) || errors.As(err, &dial) && dial.Op == "dial"
}
