package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

var errIsCluster = errors.New("the server is one of a Redis Cluster: set broker.redis_cluster")

// usable returns an error if the server cannot do what a link needs: better no
// link than one that fails with the first message.
func usable(ctx context.Context, server rueidis.Client, cluster bool) error {
	text, err := server.Do(ctx, server.B().Info().Section("cluster").Build()).ToString()
	if err != nil {
		return err
	}
	if !cluster && field(text, "cluster_enabled") == "1" {
		return errIsCluster
	}
	return server.Do(ctx, server.B().Eval().Script("return 1").Numkeys(0).Build()).Error()
}

// advice says after an error of a server what to do about it, where that is known.
func advice(err error) error {
	e, answered := rueidis.IsRedisErr(err)
	if !answered {
		return broker.Advice(err)
	}
	word, _, _ := strings.Cut(e.Error(), " ")
	switch {
	case word == "NOAUTH" || word == "WRONGPASS":
		return fmt.Errorf("%w (broker.user and broker.password_file)", err)
	case word == "NOPERM":
		return fmt.Errorf("%w (docs/fleet.md has what the broker's user needs)", err)
	case word == "OOM":
		return fmt.Errorf("%w (Redis is full: raise its maxmemory, or keep less, namespaces[].history)", err)
	case strings.Contains(e.Error(), "cluster support disabled"):
		return fmt.Errorf("%w (leave out broker.redis_cluster)", err)
	case strings.Contains(e.Error(), "'SENTINEL'"):
		return fmt.Errorf("%w (broker.address has to have the sentinels, or leave out broker.sentinel_master)", err)
	}
	return err
}
