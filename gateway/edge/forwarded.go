package edge

import (
	"net/netip"
	"strings"

	"sluice/gateway/ws"
)

// ClientHeader is the header in which trusted proxies say who the client is.
// There is one: a proxy that knows only one of them hands on the other as the
// client sent it.
type ClientHeader uint8

const (
	// XForwardedFor is a list of addresses, to which each proxy appends whom it got the request from.
	XForwardedFor ClientHeader = iota
	// Forwarded is the same with more in it (RFC 7239).
	Forwarded
)

// forwarded is the client of a request that came from a trusted proxy, walking
// back from the last hop to the first that is not one of ours. What stands
// before that is whatever the client made up. ok is false when the header is
// missing or is no list of addresses: then it says nothing.
func forwarded(req *ws.Request, header ClientHeader, trusted []netip.Prefix) (client netip.AddrPort, ok bool) {
	name := "x-forwarded-for"
	if header == Forwarded {
		name = "forwarded"
	}
	var hops []string
	for n, value := range req.Fields() {
		if strings.EqualFold(n, name) {
			hops = append(hops, strings.Split(value, ",")...) // no quoted comma belongs to an address
		}
	}
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if header == Forwarded {
			hop = forParameter(hop)
		}
		a, ok := hopAddress(hop)
		if !ok {
			return netip.AddrPort{}, false
		}
		client = a
		if !isIn(trusted, a.Addr()) {
			break
		}
	}
	return client, client.IsValid()
}

// forParameter is the value of for= in an element of Forwarded (RFC 7239 section 4).
func forParameter(element string) string {
	for p := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "for") {
			return strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
		}
	}
	return ""
}

// hopAddress reads an address, with a port or without; an IPv6 address with a
// port, or in Forwarded, stands in brackets.
func hopAddress(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddrPort(s); err == nil && a.Addr().Zone() == "" {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), 0), true
}

// identify notes who the client of a request is, where its proxy may say so. It
// answers the request, and says so, when that client has too many connections.
func (c *conn) identify(req *ws.Request) bool {
	l := c.opening.listener
	if len(l.trusted) == 0 {
		return true
	}
	ip := c.peer()
	if !isIn(l.trusted, ip) {
		return true // and has been counted by its own address
	}
	client, ok := forwarded(req, l.header, l.trusted)
	if !ok {
		client = netip.AddrPortFrom(ip, 0)
	}
	if why, ok := c.from(client); !ok {
		c.crowded(why)
		return false
	}
	return true
}

// peer is the address at the other end of the socket.
func (c *conn) peer() netip.Addr {
	c.nc.Lock()
	defer c.nc.Unlock()
	if closed, _ := c.nc.IsClosed(); closed {
		return netip.Addr{}
	}
	return peer(c.nc.Hash())
}
