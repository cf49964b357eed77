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
func (l *Link) member() (client rueidis.Client, address string, err error) {
	var failed error
	for _, i := range rand.Perm(len(l.o.Addresses)) {
		address := l.o.Addresses[i]
		client, err := l.single(address)
		if err == nil {
			ctx, cancel := context.WithTimeout(l.ctx, silence)
			err = part(ctx, client)
			cancel()
			if err == nil {
				return client, address, nil
			}
			client.Close()
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", address, advice(err)))
	}
	return nil, "", failed
}

// single is a client of one of a cluster's servers.
func (l *Link) single(address string) (rueidis.Client, error) {
	o := l.client
	o.InitAddress, o.ForceSingleClient, o.ShuffleInit = []string{address}, true, false
	return open(o)
}

// part returns an error if the server is not a part of a cluster that works.
func part(ctx context.Context, client rueidis.Client) error {
	text, err := client.Do(ctx, client.B().ClusterInfo().Build()).ToString()
	if err == nil && !strings.Contains(text, "cluster_state:ok") {
		err = errClusterDown
	}
	return err
}
