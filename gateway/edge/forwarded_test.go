package edge

import (
	"net/netip"
	"testing"

	"sluice/gateway/ws"
)

// O8: what a trusted proxy says is taken from the right; nothing that the
// client itself has put to the left of it ever counts.
func TestO8Forwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, tt := range []struct {
		header  ClientHeader
		headers []string
		want    string // empty: it says nothing
	}{
		{XForwardedFor, nil, ""},
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1:0"},
		{XForwardedFor, []string{"X-Forwarded-For: 8.8.8.8, 192.0.2.1"}, "192.0.2.1:0"}, // spoofed
		{XForwardedFor, []string{"X-Forwarded-For: 8.8.8.8, 192.0.2.1, 10.1.2.3"}, "192.0.2.1:0"},
		{XForwardedFor, []string{"X-Forwarded-For: 8.8.8.8", "x-forwarded-for: 192.0.2.1,10.9.9.9"}, "192.0.2.1:0"},
		{XForwardedFor, []string{"X-Forwarded-For: 10.0.0.1, 10.0.0.2"}, "10.0.0.1:0"}, // all ours
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.1:4660"}, "192.0.2.1:4660"},
		{XForwardedFor, []string{"X-Forwarded-For: 2001:db8::9"}, "[2001:db8::9]:0"},
		{XForwardedFor, []string{"X-Forwarded-For: [2001:db8::9]:4660, 2001:db8:1::1"}, "[2001:db8::9]:4660"},
		{XForwardedFor, []string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1:0"},
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.1, unknown"}, ""},
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.1,"}, ""},
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.1, fe80::1%eth0"}, ""},
		{XForwardedFor, []string{"X-Forwarded-For: 192.0.2.256"}, ""},
		{XForwardedFor, []string{"Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"}, ""}, // other headers are the client's
		{Forwarded, []string{"X-Forwarded-For: 192.0.2.1"}, ""},
		{Forwarded, []string{"Forwarded: for=8.8.8.8, for=192.0.2.1;proto=https;by=10.0.0.1"}, "192.0.2.1:0"},
		{Forwarded, []string{`Forwarded: proto=http;For="[2001:db8::9]:4660", for=10.0.0.2`}, "[2001:db8::9]:4660"},
		{Forwarded, []string{"Forwarded: for=_hidden"}, ""},
		{Forwarded, []string{"Forwarded: for=unknown, for=10.0.0.1"}, ""},
		{Forwarded, []string{"Forwarded: by=10.0.0.1"}, ""},
	} {
		req, _, err := ws.ParseRequest(&ws.HandshakeLimits{}, request("/", tt.headers...))
		if err != nil {
			t.Fatal(err)
		}
		client, ok := forwarded(&req, tt.header, trusted)
		got := ""
		if ok {
			got = client.String()
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.headers, got, tt.want)
		}
	}
}

// O8: only a trusted peer is believed, and the limits are for whom it names.
func TestO8TrustedPeers(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted, header, want string
	}{
		"trusted":            {"127.0.0.0/8", "X-Forwarded-For: 192.0.2.1", "192.0.2.1:0"},
		"not trusted":        {"10.0.0.0/8", "X-Forwarded-For: 192.0.2.1", "peer"},
		"trusted, malformed": {"127.0.0.0/8", "X-Forwarded-For: me", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.options.Listeners[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix(tt.trusted)}
			r.options.Settings.Address.Connections = 1
			r.start(t)
			open := func() *client {
				c := r.connect(t)
				_, _ = c.Write(request("/", tt.header))
				return c
			}
			c := open()
			if err := c.accepted(); err != nil {
				t.Fatal(err)
			}
			r.conns(t, 1)
			want := tt.want
			if want == "peer" {
				want = c.LocalAddr().String()
			}
			if got := r.h.Connections(1)[0].Conn.RemoteAddr(); got != want {
				t.Errorf("the client is %s, want %s", got, want)
			}
			if status, _ := open().response(t); status != 503 {
				t.Errorf("a second connection: %d", status)
			}
			c.reset()
			eventually(t, "room", func() bool { return open().accepted() == nil })
		})
	}
}
