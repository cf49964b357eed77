package edge

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// AddressLimits are what the connections of one client address may do together.
// An IPv6 /64 is one address, as a subscriber is given all of it; a /48, as a
// site is given it, may do siteFactor times as much. 0 is no limit.
type AddressLimits struct {
	// Connections at one time.
	Connections int
	// ConnectsPerSecond are new connections, with bursts of connectBurst times as many.
	ConnectsPerSecond int
	// FailuresPerMinute are failed authentications, above which new connections are refused.
	FailuresPerMinute int
}

const (
	// siteFactor is how many addresses an IPv6 /48 counts for.
	siteFactor = 10
	// connectBurst lets an office behind one address come back at once when a
	// node was restarted: with 20 a second, 100 of them.
	connectBurst = 5
)

func (l AddressLimits) on() bool {
	return l.Connections > 0 || l.ConnectsPerSecond > 0 || l.FailuresPerMinute > 0
}

// times is l for a whole site.
func (l AddressLimits) times(n int) AddressLimits {
	return AddressLimits{l.Connections * n, l.ConnectsPerSecond * n, l.FailuresPerMinute * n}
}

// addresses knows the owners that have connections, and for a minute those that
// had some: by then their buckets are empty, whatever the limits. Without limits
// it knows nobody, and connections that came meanwhile do not count when one is set.
type addresses struct {
	// Guarded by mu, a leaf.
	mu     sync.Mutex
	owners map[ownerKey]*owner
	idle   owner // a ring of those without connections, the one that waits longest first
	idling int
}

// Bounds of what is known of owners without connections. Whoever has more
// addresses than that gets fresh buckets with each, and fills no memory.
const (
	maxIdle    = 1 << 16
	idleMillis = 60_000
)

// ownerKey is an IPv4 address, or the leading 64 or 48 bits of an IPv6 address.
type ownerKey struct {
	prefix uint64
	bits   uint8
}

// owner is whom connections belong to.
type owner struct {
	// Static.
	key  ownerKey
	site *owner // the /48 around an IPv6 /64; nil for others

	// Guarded by addresses.mu.
	connections int
	connects    bucket
	failures    bucket
	prev, next  *owner // in the ring; nil unless it idles
	since       int64  // when it came there
}

// enter counts a new connection from ip, or says which limit is in its way. The
// owner is for leave. now is in milliseconds.
func (a *addresses) enter(ip netip.Addr, l AddressLimits, now int64) (o *owner, why metrics.HandshakeFailure, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o = a.find(ip, now)
	for p, l := o, l; p != nil; p, l = p.site, l.times(siteFactor) {
		if why, ok := p.allows(l, now); !ok {
			return nil, why, false
		}
	}
	for p := o; p != nil; p = p.site {
		p.connections++
		p.connects.add(1)
		a.wake(p)
	}
	return o, 0, true
}

// allows says whether one more connection is within the limits.
func (o *owner) allows(l AddressLimits, now int64) (why metrics.HandshakeFailure, ok bool) {
	o.connects.leak(now, float64(l.ConnectsPerSecond))
	o.failures.leak(now, float64(l.FailuresPerMinute)/60)
	switch {
	case l.FailuresPerMinute > 0 && !o.failures.room(l.FailuresPerMinute):
		return metrics.HandshakeAddressAuth, false
	case l.Connections > 0 && o.connections >= l.Connections:
		return metrics.HandshakeAddressLimit, false
	case l.ConnectsPerSecond > 0 && !o.connects.room(connectBurst*l.ConnectsPerSecond):
		return metrics.HandshakeAddressRate, false
	}
	return 0, true
}

// leave takes a connection out of the count. A nil owner was never counted.
func (a *addresses) leave(o *owner, now int64) {
	if o == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for ; o != nil; o = o.site {
		if o.connections--; o.connections == 0 {
			a.sleep(o, now)
		}
	}
}

// failed counts an authentication from ip that failed. Whoever checks tokens
// calls it, for a connection that was let in.
func (a *addresses) failed(ip netip.Addr, l AddressLimits, now int64) {
	if l.FailuresPerMinute <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for o, l := a.find(ip, now), l; o != nil; o, l = o.site, l.times(siteFactor) {
		o.failures.leak(now, float64(l.FailuresPerMinute)/60)
		if o.failures.room(l.FailuresPerMinute) {
			o.failures.add(1)
		}
	}
}

// find returns the owner of ip, new if need be. One without connections goes to
// the end of the ring; two that were there too long are forgotten.
func (a *addresses) find(ip netip.Addr, now int64) *owner {
	if a.owners == nil {
		a.owners = make(map[ownerKey]*owner)
		a.idle.prev, a.idle.next = &a.idle, &a.idle
	}
	key, site := keysOf(ip)
	o := a.owner(key, now)
	if site.bits > 0 {
		o.site = a.owner(site, now)
	}
	for range 4 { // two come at most, so this gets ahead of them
		oldest := a.idle.next
		if oldest == &a.idle || a.idling <= maxIdle && now-oldest.since < idleMillis {
			break
		}
		a.wake(oldest)
		delete(a.owners, oldest.key)
	}
	return o
}

func (a *addresses) owner(key ownerKey, now int64) *owner {
	o := a.owners[key]
	if o == nil {
		o = &owner{key: key}
		a.owners[key] = o
	}
	if o.connections == 0 {
		a.wake(o)
		a.sleep(o, now)
	}
	return o
}

// sleep puts o at the end of the ring.
func (a *addresses) sleep(o *owner, now int64) {
	o.since = now
	o.prev, o.next = a.idle.prev, &a.idle
	o.prev.next, o.next.prev = o, o
	a.idling++
}

// wake takes o out of the ring, if it is in it.
func (a *addresses) wake(o *owner) {
	if o.next == nil {
		return
	}
	o.prev.next, o.next.prev = o.next, o.prev
	o.prev, o.next = nil, nil
	a.idling--
}

// keysOf are the owner of an address and the site around it, if it has one.
func keysOf(ip netip.Addr) (key, site ownerKey) {
	ip = ip.Unmap()
	if ip.Is4() {
		b := ip.As4()
		return ownerKey{uint64(binary.BigEndian.Uint32(b[:])), 32}, ownerKey{}
	}
	b := ip.As16()
	p := binary.BigEndian.Uint64(b[:])
	return ownerKey{p, 64}, ownerKey{p >> 16 << 16, 48}
}

// bucket is how much came, less what time has let go.
type bucket struct {
	level float64
	at    int64 // milliseconds
}

func (b *bucket) leak(now int64, perSecond float64) {
	b.level = max(0, b.level-float64(now-b.at)/1000*perSecond)
	b.at = now
}

// room says that one more fits.
func (b *bucket) room(size int) bool { return b.level+1 <= float64(size) }

func (b *bucket) add(n float64) { b.level += n }

// admitAddress applies the limits on addresses to a new connection from ip, once
// it is known who the client is: at the accept, or with what a proxy says. The
// owner belongs to the connection, and leaves with it.
func (e *Edge) admitAddress(ip netip.Addr) (o *owner, why metrics.HandshakeFailure, ok bool) {
	l := e.settings.Load().Address
	if !l.on() || !ip.IsValid() {
		return nil, 0, true
	}
	return e.addresses.enter(ip, l, e.now())
}

// AuthFailed notes that the client of an open connection, or of one in its
// handshake, failed to authenticate. Any goroutine may call it.
func (e *Edge) AuthFailed(c hub.Conn) {
	l := e.settings.Load().Address
	if l.FailuresPerMinute <= 0 {
		return
	}
	if ap, err := netip.ParseAddrPort(c.RemoteAddr()); err == nil {
		e.addresses.failed(ap.Addr(), l, e.now())
	}
}

// peer is the address at the other end of a socket; the zero Addr when it has left.
func peer(fd int) netip.Addr {
	sa, err := syscall.Getpeername(fd)
	if err != nil {
		return netip.Addr{}
	}
	return addressOf(sa).Addr()
}

func addressOf(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
