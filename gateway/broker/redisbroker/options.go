package redisbroker

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/redis/rueidis"
	"github.com/rs/zerolog"
)

// Options configure a Link.
type Options struct {
	// Node names this node in the fleet: A-Z a-z 0-9 _ -.
	Node string
	// Prefix is what all channels and keys begin with: A-Z a-z 0-9 _ -.
	Prefix string

	// Addresses are host:port of the server, of some of a cluster's, or of the sentinels.
	Addresses []string
	// Cluster: the servers are a Redis Cluster.
	Cluster bool
	// Sharded: channels are published and subscribed to by sharded pub/sub, which a
	// cluster of Redis 7 has. The same on all nodes.
	Sharded bool
	// SentinelMaster is the master's name at the sentinels; "": there are none.
	SentinelMaster string

	User, Password string
	DB             int
	// TLS to the servers; nil: none.
	TLS *tls.Config

	// QueueBytes bounds what is on its way out.
	QueueBytes int
	Log        zerolog.Logger
}

// Bounds in time.
const (
	dialTimeout = 5 * time.Second
	// silence is how long a server may answer nothing, before it is given up.
	silence = 5 * time.Second
)

// client are the options of the connection for commands.
func (o *Options) client() (rueidis.ClientOption, error) {
	if len(o.Addresses) == 0 {
		return rueidis.ClientOption{}, errors.New("redisbroker: no servers")
	}
	c := rueidis.ClientOption{
		InitAddress: slices.Clone(o.Addresses), Username: o.User, Password: o.Password, SelectDB: o.DB, TLSConfig: o.TLS,
		ClientName: "sluice-" + o.Node, ClientSetInfo: rueidis.DisableClientSetInfo,
		Dialer:           net.Dialer{Timeout: dialTimeout, KeepAlive: silence},
		ConnWriteTimeout: silence, // and pings
		DisableRetry:     true, DisableCache: true, AlwaysPipelining: true, PipelineMultiplex: -1,
		ForceSingleClient: !o.Cluster && o.SentinelMaster == "",
		ShuffleInit:       o.Cluster, // InitAddress, in place
		// A master that has fallen silent says nothing of the one that has its slots now.
		ClusterOption: rueidis.ClusterOption{ShardsRefreshInterval: watchPause},
	}
	if o.SentinelMaster != "" {
		c.Sentinel = rueidis.SentinelOption{MasterSet: o.SentinelMaster, TLSConfig: o.TLS, Username: o.User, Password: o.Password, Dialer: c.Dialer}
	}
	return c, nil
}
