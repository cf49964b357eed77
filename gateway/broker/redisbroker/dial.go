package redisbroker

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/rueidis"
)

// dial is a client of the server, of the sentinels' master, or of a cluster's server with this address.
func (l *Link) dial() (client rueidis.Client, address string, err error) {
	if l.o.Cluster {
		return l.member()
	}
	client, err = open(l.client)
	return client, "", err
}

// open is a client, or an error and nothing that is left open.
func open(o rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(o)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	return client, nil
}

// dialForLife connects until the end of c: a client that is closed while it
// connects would keep the connection.
func (c *conn) dialForLife(ctx context.Context, address string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
	dial := d.DialContext
	if t != nil {
		dial = (&tls.Dialer{NetDialer: d, Config: t}).DialContext
	}
	n, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return mortal{n, context.AfterFunc(c.life, func() { _ = n.Close() })}, nil
}

// mortal is a connection that is closed at the end of something, if it was not before.
type mortal struct {
	net.Conn
	spare func() bool
}

func (m mortal) Close() error {
	m.spare()
	return m.Conn.Close()
}
