package edge

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"sluice/gateway/ws"
)

// resumes opens two connections, to a and then to b, and says whether the second one resumed the first.
func resumes(t *testing.T, a, b *tlsRig, version uint16, client func(*tls.Config)) bool {
	t.Helper()
	c := a.config()
	c.RootCAs.AddCert(b.root.cert)
	c.MinVersion, c.MaxVersion = version, version
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	if client != nil {
		client(c)
	}
	resumed := false
	for _, r := range []*tlsRig{a, b} {
		conn, err := r.handshake(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.upgrade("/"); err != nil { // a ticket of TLS 1.3 comes before the 101
			t.Fatal(err)
		}
		conn.send(t, masked(ws.Text, "x"))
		conn.expect(t, ws.Text, "x")
		resumed = conn.tls.ConnectionState().DidResume
	}
	return resumed
}

var bothVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// T4: tickets of both versions resume.
func TestT4Resumption(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		for _, v := range bothVersions {
			if !resumes(t, r, r, v, nil) {
				t.Errorf("%s: a new session", tls.VersionName(v))
			}
		}
	})
}

// ticketKey writes a file.
func ticketKey(t *testing.T, dir, name string, b byte) string {
	t.Helper()
	f := filepath.Join(dir, name)
	if err := os.WriteFile(f, bytes.Repeat([]byte{b}, 48), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// T15: nodes with the same key file resume each other's sessions, also from a
// key that is not the newest any more; others do not, and none without tickets.
func TestT15Tickets(t *testing.T) {
	dir := t.TempDir()
	old, next := ticketKey(t, dir, "old", 1), ticketKey(t, dir, "next", 2)
	node := func(keys ...string) *tlsRig {
		r := newTLSRig(t)
		r.tls.TicketKeys = keys
		return r.startTLS(t)
	}
	a, b, rotated, other := node(old), node(old), node(next, old), node(next)
	off := newTLSRig(t)
	off.tls.Tickets = false
	off.start(t)
	own := node()
	for _, v := range bothVersions {
		for _, tt := range []struct {
			name string
			a, b *tlsRig
			want bool
		}{
			{"the same file", a, b, true},
			{"a rotated key", a, rotated, true},
			{"the new key, which the old node does not have", rotated, a, false},
			{"another file", a, other, false},
			{"no tickets", off, off, false},
			{"keys of their own", own, a, false},
		} {
			if got := resumes(t, tt.a, tt.b, v, nil); got != tt.want {
				t.Errorf("%s, %s: resumed %v", tls.VersionName(v), tt.name, got)
			}
		}
	}
}

// T15: a session is not resumed on a listener that asks for other clients, even
// with the same key file: one without a certificate where one is required, or
// one under other authorities (CVE-2025-23419, CVE-2025-68121).
func TestT15TicketsAndClientCertificates(t *testing.T) {
	dir := t.TempDir()
	key := ticketKey(t, dir, "key", 1)
	ours, theirs := newAuthority(t), newAuthority(t)
	node := func(auth tls.ClientAuthType, ca *authority) *tlsRig {
		r := newTLSRig(t)
		r.tls.TicketKeys = []string{key}
		r.tls.ClientAuth = auth
		if ca != nil {
			r.tls.ClientCA = ca.write(t, r.dir, "ca").Certificate
		}
		return r.startTLS(t)
	}
	open := node(tls.NoClientCert, nil)
	strict, same := node(tls.RequireAndVerifyClientCert, ours), node(tls.RequireAndVerifyClientCert, ours)
	relaxed := node(tls.VerifyClientCertIfGiven, ours)
	pair, stranger := ours.client(t).pair(), theirs.client(t).pair()
	give := func(c tls.Certificate) func(*tls.Config) {
		return func(conf *tls.Config) {
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
		}
	}
	for _, v := range bothVersions {
		if !resumes(t, strict, same, v, give(pair)) {
			t.Errorf("%s: a listener that asks for the same did not resume", tls.VersionName(v))
		}
		if resumes(t, open, strict, v, give(pair)) || resumes(t, relaxed, strict, v, give(pair)) {
			t.Errorf("%s: a session that began elsewhere was resumed", tls.VersionName(v))
		}
		// The same listener, whose authorities are replaced meanwhile.
		r := node(tls.RequireAndVerifyClientCert, ours)
		c := r.config()
		c.MinVersion, c.MaxVersion = v, v
		c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		give(pair)(c)
		first, err := r.handshake(t, c)
		if err != nil || first.upgrade("/") != nil {
			t.Fatal(err)
		}
		theirs.write(t, r.dir, "ca")
		r.ReloadTLS()
		if second, err := r.handshake(t, c); err == nil && second.upgrade("/") == nil {
			t.Errorf("%s: a client of the old authority came in", tls.VersionName(v))
		}
		give(stranger)(c)
		c.ClientSessionCache = nil
		if third, err := r.handshake(t, c); err != nil || third.upgrade("/") != nil {
			t.Errorf("%s: a client of the new authority did not come in: %v", tls.VersionName(v), err)
		}
	}
}
