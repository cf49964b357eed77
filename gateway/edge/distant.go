package edge

import (
	"net/netip"

	"sluice/gateway/metrics"
)

// distantConn is a conn whose client is behind a proxy that says who it is.
type distantConn struct {
	conn

	// Owned by the poller until the connection is open, static afterwards.
	client netip.AddrPort // zero for the peer's own address
}

// RemoteAddr implements hub.Conn.
func (d *distantConn) RemoteAddr() string {
	if d.client.IsValid() {
		return d.client.String()
	}
	return d.conn.RemoteAddr()
}

// from notes what a proxy said about the client, whose port may be 0: unknown.
// The limits on addresses are for the client, not for the proxy. When they are
// reached it says so, and by which.
func (c *conn) from(client netip.AddrPort) (why metrics.HandshakeFailure, ok bool) {
	switch o := c.opening.outer.(type) {
	case *distantConn:
		o.client = client
	case *tlsConn:
		o.client = client
	}
	e := c.edge()
	o, why, ok := e.admitAddress(client.Addr())
	if ok && o != nil && !own(c.nc, o) {
		e.addresses.leave(o, e.now()) // its end did not see the owner
	}
	return why, ok
}

// isIn says that an address is in one of the prefixes.
func isIn(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
