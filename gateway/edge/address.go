package edge

import (
	"net/netip"
	"sync"
	"syscall"
)

// addresses counts connections by client address while there is a limit for
// one. Without a limit nothing is kept, and connections that came meanwhile do
// not count when one is set.
type addresses struct {
	// Guarded by mu.
	mu    sync.Mutex
	count map[netip.Prefix]int
	of    map[*conn]netip.Prefix
}

// enter counts c, whose socket is fd, unless its address has limit connections.
func (a *addresses) enter(c *conn, fd, limit int) bool {
	sa, err := syscall.Getpeername(fd)
	if err != nil {
		return true // it has left: the poller will see
	}
	p := owner(sa)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count[p] >= limit {
		return false
	}
	if a.count == nil {
		a.count, a.of = make(map[netip.Prefix]int), make(map[*conn]netip.Prefix)
	}
	a.count[p]++
	a.of[c] = p
	return true
}

// leave takes c out of the count, if it is in it.
func (a *addresses) leave(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.of[c]
	if !ok {
		return
	}
	delete(a.of, c)
	if a.count[p]--; a.count[p] == 0 {
		delete(a.count, p)
	}
}

// owner is whom an address belongs to: an IPv4 address, or the /64 that an
// IPv6 subscriber is given as a whole.
func owner(sa syscall.Sockaddr) netip.Prefix {
	var ip netip.Addr
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		ip = netip.AddrFrom4(sa.Addr)
	case *syscall.SockaddrInet6:
		ip = netip.AddrFrom16(sa.Addr).Unmap()
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits) // the zero Prefix for what is no address
	return p
}
