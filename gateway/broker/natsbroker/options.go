package natsbroker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sluice/gateway/broker"
)

// Options configure a Link.
type Options struct {
	// Node names this node in the fleet: A-Z a-z 0-9 _ -.
	Node string
	// Prefix is what all subjects and streams begin with: A-Z a-z 0-9 _ -.
	Prefix string

	// URLs of servers, without passwords; with Embedded, none.
	URLs []string
	// Embedded runs a server inside the process; nil: none.
	Embedded *Embedded

	// User and Password, or CredentialsFile (JWT and seed), or NKeyFile (seed).
	User, Password            string
	CredentialsFile, NKeyFile string
	// TLS to servers; nil: only where a URL says tls://, with the system's roots.
	TLS *tls.Config

	// Classes of channels that will have histories. On a server of another process, their
	// streams are made as soon as the link is up, so that its log says if that fails.
	Classes []broker.Class
	// QueueBytes bounds what is on its way out.
	QueueBytes int
	// Replicas of each history; 0: 3 in a cluster of three or more, else 1.
	Replicas int
	Log      zerolog.Logger
}

// Embedded is a NATS server inside the process.
type Embedded struct {
	// ClientListen is host:port for other NATS clients, who give User and
	// Password; "": there are none.
	ClientListen string
	// StoreDir keeps histories over restarts; "": they are kept in memory.
	StoreDir string
	// MaxPayload is the largest message, in bytes.
	MaxPayload int

	// ClusterListen is host:port for the servers of other nodes; "": none.
	ClusterName, ClusterListen, Advertise string
	// Routes are other nodes' ClusterListen.
	Routes []string
	// Secret is what servers prove to each other that they belong together with.
	Secret string
	// TLS between them; nil: none.
	TLS *tls.Config
}

// Bounds in time.
const (
	dialTimeout   = 5 * time.Second
	writeTimeout  = 10 * time.Second // a server that takes nothing for so long is given up
	pingInterval  = 3 * time.Second  // and one that is silent for three of these
	appendTimeout = 5 * time.Second
	ensureTimeout = 4 * time.Second // less: those who wait for it hear why
	// Of that, one attempt.
	attemptTimeout = time.Second
)

// dial are the options of a connection.
func (o *Options) dial() ([]nats.Option, error) {
	list := []nats.Option{
		nats.Name("sluice " + o.Node),
		nats.NoReconnect(), nats.NoEcho(),
		nats.Timeout(dialTimeout), nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2),
	}
	if o.User != "" {
		list = append(list, nats.UserInfo(o.User, o.Password))
	}
	if o.Embedded != nil {
		return list, nil
	}
	if len(o.URLs) == 0 {
		return nil, errors.New("natsbroker: no servers")
	}
	if o.TLS != nil {
		list = append(list, nats.Secure(o.TLS))
	}
	if o.CredentialsFile != "" {
		list = append(list, nats.UserCredentials(o.CredentialsFile))
	}
	if o.NKeyFile != "" {
		key, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("natsbroker: nkey file: %w", err)
		}
		list = append(list, key)
	}
	return list, nil
}
