package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/redis/rueidis"
)

var errClusterDown = errors.New("the cluster is down for its server")

// member is a client of one of a cluster's servers, the first that can be had and
// is a part of the cluster, in random order: so the nodes spread over the servers.
func (l *Link) member() (rueidis.Client, error) {
	var failed error
	for _, i := range rand.Perm(len(l.o.Addresses)) {
		o := l.client
		o.InitAddress, o.ForceSingleClient, o.ShuffleInit = []string{l.o.Addresses[i]}, true, false
		client, err := open(o)
		if err == nil {
			if err = part(l.ctx, client); err == nil {
				return client, nil
			}
			client.Close()
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", l.o.Addresses[i], err))
	}
	return nil, failed
}

// part returns an error if the server is not a part of a cluster that works.
func part(ctx context.Context, client rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	text, err := client.Do(ctx, client.B().ClusterInfo().Build()).ToString()
	if err == nil && !strings.Contains(text, "cluster_state:ok") {
		err = errClusterDown
	}
	return err
}
