package edge

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2: its command, its family, and what follows the length.
func v2(command, family byte, body string) string {
	return proxyV2 + string([]byte{0x20 | command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

// client4 is the address block of 192.0.2.9:4660 to 127.0.0.1:80.
const client4 = "\xc0\x00\x02\x09\x7f\x00\x00\x01\x12\x34\x00\x50"

const client6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" +
	"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x34\x00\x50"

// O9: what a header says is whose connection it is; what is no good header, or
// none, ends the connection, unanswered.
func TestO9Header(t *testing.T) {
	tlv := "\x03\x00\x04\x01\x02\x03\x04" + "\x04\x00\x02\x00\x00"
	long := func(n int) string {
		return client4 + "\x04" + string([]byte{byte((n - 15) >> 8), byte(n - 15)}) + strings.Repeat("\x00", n-15)
	}
	for _, tt := range []struct{ name, header, client string }{
		{"version 1", "PROXY TCP4 192.0.2.9 127.0.0.1 4660 80\r\n", "192.0.2.9:4660"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::9 2001:db8::1 4660 80\r\n", "[2001:db8::9]:4660"},
		{"version 1, the proxy's own", "PROXY UNKNOWN\r\n", "peer"},
		{"version 2", v2(1, 0x11, client4), "192.0.2.9:4660"},
		{"version 2, IPv6", v2(1, 0x21, client6), "[2001:db8::9]:4660"},
		{"version 2 with TLVs", v2(1, 0x11, client4+tlv), "192.0.2.9:4660"},
		{"version 2 of 4 KiB", v2(1, 0x11, long(4080)), "192.0.2.9:4660"},
		{"version 2, LOCAL", v2(0, 0x00, ""), "peer"},
		{"version 2, LOCAL with an address", v2(0, 0x11, client4), "peer"},
		{"version 2, a Unix socket", v2(1, 0x31, strings.Repeat("\x00", 216)), "peer"},
		{"version 2, no family", v2(1, 0x00, ""), ""},
		{"version 2, short", v2(1, 0x11, client4[:11]), ""},
		{"version 2, larger than 4 KiB", v2(1, 0x11, long(4081)), ""},
		{"version 2, an unknown command", v2(2, 0x11, client4), ""},
		{"version 2, an unknown family", v2(1, 0x41, client4), ""},
		{"version 3", strings.Replace(v2(1, 0x11, client4), "\x21\x11", "\x31\x11", 1), ""},
		{"version 1, no address", "PROXY TCP4 nobody 127.0.0.1 4660 80\r\n", ""},
		{"version 1, IPv6 as TCP4", "PROXY TCP4 2001:db8::9 2001:db8::1 4660 80\r\n", ""},
		{"version 1, a port too many", "PROXY TCP4 192.0.2.9 127.0.0.1 65536 80\r\n", ""},
		{"version 1, LF alone", "PROXY TCP4 192.0.2.9 127.0.0.1 4660 80\n", ""},
		{"version 1, more than 107 bytes", "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", ""},
		{"none", "", ""},
		{"another protocol", "SSH-2.0-x\r\n", ""},
		{"nearly", "PROXI TCP4", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			r.start(t)
			c := r.connect(t)
			_, _ = c.Write(append([]byte(tt.header), request("/")...)) // in one segment
			if tt.client == "" {
				if got := c.rest(t); len(got) > 0 {
					t.Errorf("answered %q", got)
				}
				eventually(t, "the count", func() bool { return r.failures(metrics.HandshakeProxy) == 1 })
				return
			}
			if err := c.accepted(); err != nil {
				t.Fatal(err)
			}
			r.conns(t, 1)
			want := tt.client
			if want == "peer" {
				want = c.LocalAddr().String()
			}
			if got := r.h.Connections(1)[0].Conn.RemoteAddr(); got != want {
				t.Errorf("the client is %s, want %s", got, want)
			}
		})
	}
}

// O9: a header may come in any pieces, and what follows it is the client's.
func TestO9Pieces(t *testing.T) {
	r := newRig()
	r.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	r.start(t)
	for _, header := range []string{"PROXY TCP4 192.0.2.9 127.0.0.1 4660 80\r\n", v2(1, 0x11, client4)} {
		all := append([]byte(header), request("/")...)
		for cut := 1; cut < len(header)+2; cut++ {
			before := r.set.Edge().BytesIn.Load()
			c := r.connect(t)
			c.send(t, all[:cut])
			eventually(t, "the first piece", func() bool { return r.set.Edge().BytesIn.Load() == before+uint64(cut) })
			c.send(t, all[cut:])
			if err := c.accepted(); err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			_ = c.Close()
			eventually(t, "the end", func() bool { all, _ := r.Connections(); return all == 0 })
		}
	}
}

// O9: the header comes before TLS, in the same segment as the ClientHello too.
func TestO9BeforeTLS(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		r.start(t)
		c := r.connect(t)
		conn := tls.Client(&prefixed{Conn: c.TCPConn, prefix: []byte(v2(1, 0x11, client4))}, r.config())
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.in.Reset(conn)
		c.out = conn
		if err := c.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		if got := r.tlsConns(t, 1)[0].RemoteAddr(); got != "192.0.2.9:4660" {
			t.Errorf("the client is %s", got)
		}
		c.send(t, masked(ws.Text, "x"))
		c.expect(t, ws.Text, "x")

		without, err := r.handshake(t, r.config())
		if err == nil {
			t.Errorf("a connection without a header: %v", without.tls.ConnectionState())
		}
	})
}

// prefixed sends something in front of the first write, in one segment with it.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	head := p.prefix
	p.prefix = nil
	_, err := p.Conn.Write(append(head, b...))
	return len(b), err
}

// O9: nobody but the proxies may connect; one that says nothing is cut.
func TestO9Strangers(t *testing.T) {
	r := newRig()
	r.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	r.start(t)
	c := r.connect(t)
	_, _ = c.Write([]byte("PROXY TCP4 192.0.2.9 127.0.0.1 4660 80\r\n"))
	if got := c.rest(t); len(got) > 0 {
		t.Errorf("answered %q", got)
	}
	if n := r.failures(metrics.HandshakeProxy); n != 1 {
		t.Errorf("%d were counted", n)
	}

	silent := newRig()
	silent.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	silent.options.Settings.HandshakeTimeout = patience
	silent.start(t)
	c = silent.connect(t)
	c.send(t, []byte("PROXY "))
	c.rest(t)
	if n := silent.failures(metrics.HandshakeProxy); n != 1 {
		t.Errorf("%d were counted", n)
	}
}

// O9: limits on addresses are for the client that the header names.
func TestO9Limits(t *testing.T) {
	r := newRig()
	r.options.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	r.options.Settings.Address.Connections = 1
	r.start(t)
	from := func(ip string) *client {
		c := r.connect(t)
		c.send(t, append([]byte("PROXY TCP4 "+ip+" 127.0.0.1 4660 80\r\n"), request("/")...))
		return c
	}
	first := from("192.0.2.1")
	if err := first.accepted(); err != nil {
		t.Fatal(err)
	}
	if err := from("192.0.2.2").accepted(); err != nil {
		t.Errorf("another client: %v", err)
	}
	if status, _ := from("192.0.2.1").response(t); status != 503 {
		t.Errorf("a second connection from one client: %d", status)
	}
	first.reset()
	eventually(t, "room for the client", func() bool {
		c := from("192.0.2.1")
		err := c.accepted()
		return err == nil
	})
}

// O9: the header's reader meets what it was not made for.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.0.2.9 127.0.0.1 4660 80\r\nGET", v2(1, 0x11, client4) + "GET", v2(0, 0, ""), "PROXY UNKNOWN\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := proxyHeader(b)
		for cut := range min(len(b), 300) { // what is cut short is never something else
			m, early := proxyHeader(b[:cut])
			if early != nil && err == nil && n > 0 || m > 0 && m != n {
				t.Fatalf("%d bytes: %d, %v; all %d: %d, %v", cut, m, early, len(b), n, err)
			}
		}
		if err != nil || n == 0 {
			return
		}
		if n > maxProxyV2 || n > len(b) {
			t.Fatalf("a header of %d bytes in %d", n, len(b))
		}
		client, err := proxyClient(b[:n])
		if err == nil && client.IsValid() && client.Addr().Is4In6() {
			t.Fatalf("%v has two spellings", client)
		}
	})
}
