package edge

import "net/netip"

// distantConn is a conn whose client is behind a proxy that said who it is.
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

// proxied takes bytes of the PROXY header and returns what follows it.
func (c *conn) proxied(b []byte) []byte { return b }
