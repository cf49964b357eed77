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

// failoverTime is for how long a cluster may be down before the link is: a replica
// becomes the master within a second or two after the master was given up.
const failoverTime = 5 * time.Second

var errMaster = errors.New("another server is the master now")

// watch is the goroutine that ends a connection that works, but to a server that
// is not the right one any more: it would take messages that reach nobody, and be
// silent. In a cluster, that is one that has lost the cluster; with sentinels, one
// that is not their master, to which the commands go meanwhile. It also has it
// mended that slots have moved.
func (c *conn) watch() {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	well := time.Now()
	for {
		select {
		case <-c.broken:
			return
		case <-tick.C:
		}
		err := c.check()
		if c.shards != nil {
			switch {
			case err == nil && c.shards.moved():
				c.shards.mendSoon()
			case errors.Is(err, errClusterDown) && time.Since(well) < failoverTime:
				continue // nothing is lost meanwhile: the masters take nothing
			}
		}
		if err != nil {
			c.fail(err)
			return
		}
		well = time.Now()
	}
}

// check returns an error if the pair's server is not the right one.
func (c *conn) check() error {
	ctx, cancel := context.WithTimeout(c.link.ctx, silence)
	defer cancel()
	if c.link.o.Cluster {
		return part(ctx, c.out)
	}
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
	id := field(text, "run_id")
	if id == "" {
		return "", errors.New("redisbroker: a server without a run ID")
	}
	return id, nil
}

// field is one of what a server says of itself, line by line; "": it does not.
func field(text, name string) string {
	_, rest, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value
}
