package edge

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"sluice/gateway/metrics"
)

// L2: an address with as many connections as the limit allows gets a quick 503;
// other addresses do not notice, and there is room again when one leaves.
func TestL2ConnectionsPerAddress(t *testing.T) {
	r := newRig()
	r.options.Settings.Address.Connections = 2
	r.start(t)
	first := r.dial(t)
	r.dial(t)
	for range 20 {
		if got := string(r.connect(t).rest(t)); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Fatalf("a third connection got %q", got)
		}
	}
	if n := r.failures(metrics.HandshakeAddressLimit); n != 20 {
		t.Errorf("%d refusals were counted, want 20", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	other, err := d.DialContext(ctx, "tcp", r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	eventually(t, "another address is let in", func() bool { all, _ := r.Connections(); return all == 3 })

	first.reset()
	eventually(t, "room", func() bool { all, _ := r.Connections(); return all == 2 })
	r.dial(t)
	if n := r.addresses.count("127.0.0.1"); n != 2 {
		t.Errorf("127.0.0.1 has %d connections in the count, want 2", n)
	}
}

// L2: over TLS, too, who comes above the limit is refused before the handshake,
// which would cost a signature.
func TestL2BeforeTLS(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.options.Settings.Address.Connections = 1
		r.start(t)
		there := r.dial(t)
		for range 20 {
			if c, err := r.handshake(t, r.config()); err == nil {
				t.Fatalf("a second connection finished its handshake: %q", c.rest(t))
			}
		}
		if n := r.failures(metrics.HandshakeAddressLimit); n != 20 {
			t.Errorf("%d refusals were counted, want 20", n)
		}
		if read := r.set.Edge().BytesIn.Load(); read > 4<<10 {
			t.Errorf("%d bytes were read: more than the one's that was let in", read)
		}
		there.send(t, masked(1, "still here"))
		there.expect(t, 1, "still here")
	})
}

// L2: a flood of connections from one address is refused before a byte of it is
// read; who was there stays, and other addresses get in.
func TestL2ConnectFlood(t *testing.T) {
	r := newRig()
	r.options.Settings.Address.ConnectsPerSecond = 1
	r.start(t)
	there := r.dial(t)
	refused := 0
	for range 300 {
		c := r.connect(t)
		_, _ = c.Write(request("/"))
		if err := c.accepted(); err != nil {
			refused++
		}
		c.reset()
	}
	if n := r.failures(metrics.HandshakeAddressRate); int(n) != refused || n < 200 {
		t.Errorf("%d of 300 were refused, %d counted", refused, n)
	}
	there.send(t, masked(1, "still here"))
	there.expect(t, 1, "still here")
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	other, err := dial(&d, r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.upgrade("/"); err != nil {
		t.Error(err)
	}
}

// count is how many connections an address has.
func (a *addresses) count(ip string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, _ := keysOf(netip.MustParseAddr(ip))
	if o := a.owners[key]; o != nil {
		return o.connections
	}
	return 0
}

// L2: an IPv6 /64 is one client, a /48 ten; an IPv4 address in IPv6's clothes is
// that IPv4 address.
func TestL2Owners(t *testing.T) {
	var a addresses
	l := AddressLimits{Connections: 2}
	enter := func(ip string) bool {
		_, _, ok := a.enter(netip.MustParseAddr(ip), l, 0)
		return ok
	}
	for _, c := range []struct {
		ip   string
		want bool
	}{
		{"192.0.2.1", true},
		{"::ffff:192.0.2.1", true},
		{"192.0.2.1", false},
		{"192.0.2.2", true},
		{"2001:db8:1:2:3:4:5:6", true},
		{"2001:db8:1:2:ffff::1", true},
		{"2001:db8:1:2::", false},
	} {
		if got := enter(c.ip); got != c.want {
			t.Errorf("%s: let in %v, want %v", c.ip, got, c.want)
		}
	}
	in := 0
	for i := range 1000 { // a /48 of /64s
		ip := netip.MustParseAddr("2001:db8:2::1").As16()
		binary.BigEndian.PutUint16(ip[6:], uint16(i))
		if enter(netip.AddrFrom16(ip).String()) {
			in++
		}
	}
	if in != siteFactor*l.Connections {
		t.Errorf("a /48 was let in %d times, want %d", in, siteFactor*l.Connections)
	}
	if !enter("2001:db8:3::1") {
		t.Error("another /48 is not let in")
	}
}

// L2: a thousand addresses of one /64 are one client.
func TestL2OneNetwork(t *testing.T) {
	var a addresses
	in := 0
	for i := range 1000 {
		ip := netip.MustParseAddr("2001:db8::1").As16()
		binary.BigEndian.PutUint16(ip[14:], uint16(i))
		if _, _, ok := a.enter(netip.AddrFrom16(ip), AddressLimits{Connections: 100}, 0); ok {
			in++
		}
	}
	if in != 100 || len(a.owners) != 2 {
		t.Errorf("%d were let in and %d owners are known, want 100 and 2", in, len(a.owners))
	}
}

// L2: the rate of new connections has bursts, and room comes back with time.
func TestL2ConnectRate(t *testing.T) {
	var a addresses
	l := AddressLimits{ConnectsPerSecond: 20}
	ip := netip.MustParseAddr("192.0.2.1")
	burst := func(now int64) (in int) {
		for range 1000 {
			o, why, ok := a.enter(ip, l, now)
			if ok {
				in++
				a.leave(o, now)
			} else if why != metrics.HandshakeAddressRate {
				t.Errorf("refused as %v", why)
			}
		}
		return in
	}
	for _, c := range []struct {
		now  int64
		want int
	}{{0, 100}, {1000, 20}, {1500, 10}, {60_000, 100}} {
		if got := burst(c.now); got != c.want {
			t.Errorf("at %d ms: %d were let in, want %d", c.now, got, c.want)
		}
	}
}

// L2: who fails to authenticate too often is not let in until time has passed,
// whatever it would send; others are.
func TestL2FailedAuthentications(t *testing.T) {
	var a addresses
	l := AddressLimits{FailuresPerMinute: 5}
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	enter := func(ip netip.Addr, now int64) metrics.HandshakeFailure {
		o, why, ok := a.enter(ip, l, now)
		if !ok {
			return why
		}
		a.leave(o, now)
		return metrics.NumHandshakeFailures
	}
	for i := range 100 {
		want := metrics.NumHandshakeFailures
		if i >= 5 {
			want = metrics.HandshakeAddressAuth
		}
		if got := enter(bad, 0); got != want {
			t.Errorf("attempt %d: %v, want %v", i, got, want)
		}
		a.failed(bad, l, 0)
	}
	if got := enter(good, 0); got != metrics.NumHandshakeFailures {
		t.Errorf("another address: %v", got)
	}
	if got := enter(bad, 11_000); got != metrics.HandshakeAddressAuth {
		t.Errorf("after 11 s: %v", got)
	}
	if got := enter(bad, 12_000); got != metrics.NumHandshakeFailures {
		t.Errorf("after 12 s, a fifth of a minute: %v", got)
	}
}

// L2: who comes with ever new networks does not make the table grow, and all is
// forgotten a minute after the last has left.
func TestL2TableIsBounded(t *testing.T) {
	var a addresses
	l := AddressLimits{Connections: 100, ConnectsPerSecond: 20, FailuresPerMinute: 5}
	network := func(i int) netip.Addr {
		ip := netip.MustParseAddr("2001:db8::1").As16()
		binary.BigEndian.PutUint32(ip[2:], uint32(i))
		return netip.AddrFrom16(ip)
	}
	for i := range 300_000 {
		if o, _, ok := a.enter(network(i), l, 0); ok {
			a.leave(o, 0)
		}
		a.failed(network(i), l, 0)
	}
	if n := len(a.owners); n > maxIdle+4 || a.idling != n {
		t.Errorf("%d owners are known, %d idle, want at most %d", n, a.idling, maxIdle)
	}
	stays, _, _ := a.enter(netip.MustParseAddr("192.0.2.1"), l, 0)
	for i := range maxIdle { // each that comes takes away what is over
		o, _, _ := a.enter(network(i), l, idleMillis+1)
		a.leave(o, idleMillis+1)
	}
	o, _, _ := a.enter(network(1), l, 3*idleMillis)
	a.leave(o, 3*idleMillis)
	for range maxIdle {
		o, _, _ := a.enter(network(1), l, 3*idleMillis)
		a.leave(o, 3*idleMillis)
	}
	if n := len(a.owners); n != 3 {
		t.Errorf("%d owners are known, want the one that stays, the one that came and its site", n)
	}
	if n := a.count("192.0.2.1"); n != 1 {
		t.Errorf("the one that stayed has %d connections", n)
	}
	a.leave(stays, 0)
}
