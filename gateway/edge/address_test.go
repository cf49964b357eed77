package edge

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"sluice/gateway/metrics"
)

// L2: an address with as many connections as the limit allows gets a quick 503;
// other addresses do not notice, and there is room again when one leaves.
func TestL2ConnectionsPerAddress(t *testing.T) {
	r := newRig()
	r.options.Settings.PerAddress = 2
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
	r.addresses.mu.Lock()
	defer r.addresses.mu.Unlock()
	if n := r.addresses.count[netip.MustParsePrefix("127.0.0.1/32")]; n != 2 {
		t.Errorf("127.0.0.1 has %d connections in the count, want 2", n)
	}
}

// L2: an IPv6 /64 is one client; an IPv4 address in IPv6's clothes is that IPv4 address.
func TestL2Owner(t *testing.T) {
	for _, tt := range []struct{ ip, want string }{
		{"192.0.2.1", "192.0.2.1/32"},
		{"::ffff:192.0.2.1", "192.0.2.1/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::1", "2001:db8:1:3::/64"},
	} {
		var sa syscall.Sockaddr = &syscall.SockaddrInet6{Addr: netip.MustParseAddr(tt.ip).As16()}
		if ip := netip.MustParseAddr(tt.ip); ip.Is4() {
			sa = &syscall.SockaddrInet4{Addr: ip.As4()}
		}
		if got := owner(sa).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.ip, got, tt.want)
		}
	}
}
