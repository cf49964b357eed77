package redisbroker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// watchPause is how often the servers are asked whether the connection is still to the right one.
const watchPause = time.Second

var errMaster = errors.New("another server is the master now")

// watch is the goroutine that ends a connection that works, but to a server that
// is not the right one any more: it would take messages that reach nobody, and be
// silent. In a cluster, that is one that has lost the cluster; with sentinels, one
// that is not their master, to which the commands go meanwhile.
func (c *conn) watch() {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for {
		select {
		case <-c.broken:
			return
		case <-tick.C:
			if err := c.check(); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

func (c *conn) check() error {
	if c.link.o.Cluster {
		return part(c.link.ctx, c.out)
	}
	ctx, cancel := context.WithTimeout(c.link.ctx, silence)
	defer cancel()
	server, err := serverOf(ctx, c.out)
	if err == nil && server != c.server {
		err = errMaster
	}
	return err
}

// serverOf is the run ID of a client's server.
func serverOf(ctx context.Context, client rueidis.CoreClient) (string, error) {
	text, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(text, "\nrun_id:")
	id, _, _ := strings.Cut(rest, "\r")
	if !found || id == "" {
		return "", errors.New("redisbroker: a server without a run ID")
	}
	return id, nil
}
