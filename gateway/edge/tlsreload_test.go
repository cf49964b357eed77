package edge

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"sluice/gateway/ws"
)

// serial is that of the certificate which a new client is shown.
func (r *tlsRig) serial(t *testing.T) string {
	t.Helper()
	c, err := r.handshake(t, r.config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.tls.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// T14: a certificate that was replaced is shown to new clients within two
// seconds, without a signal; connections go on. A file that is not good, or a
// key that is another's, changes nothing, and is counted and logged.
func TestT14Reload(t *testing.T) {
	if watchInterval > time.Second {
		t.Errorf("files are looked at every %v", watchInterval)
	}
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		open := r.dial(t)
		old := r.serial(t)
		cell := r.set.Edge()

		if err := os.WriteFile(r.tls.Certificates[0].Certificate, []byte("not a certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the failure to be counted", func() bool { return cell.TLSReloadFailures.Load() == 1 })
		if now := r.serial(t); now != old {
			t.Error("a broken file took the certificate's place")
		}
		if r.log.count() == 0 {
			t.Error("nothing was logged")
		}

		next := r.root.server(t, "example.com")
		next.write(t, r.dir, "server")
		eventually(t, "the new certificate", func() bool { return r.serial(t) == next.cert.SerialNumber.String() })

		other := r.root.server(t, "example.com").write(t, r.dir, "other")
		key, err := os.ReadFile(other.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.tls.Certificates[0].Key, key, 0o600); err != nil {
			t.Fatal(err)
		}
		failures := cell.TLSReloadFailures.Load()
		r.ReloadTLS() // as SIGHUP does
		if cell.TLSReloadFailures.Load() == failures {
			t.Error("another certificate's key was taken")
		}
		if now := r.serial(t); now != next.cert.SerialNumber.String() {
			t.Error("the certificate has changed")
		}

		open.send(t, masked(ws.Text, "still here"))
		open.expect(t, ws.Text, "still here")
	})
}

// T14: what cannot be read at the start is an error, and nothing stays open.
func TestT14Start(t *testing.T) {
	r := newTLSRig(t)
	if err := os.Remove(r.tls.Certificates[0].Key); err != nil {
		t.Fatal(err)
	}
	if err := r.prepare(); err == nil {
		t.Error("it started without a key")
	}
	r.h.Stop()
}

// T15: a ticket key that is rotated in its file is used at once, and the old
// one, in the second file, still opens tickets.
func TestT15Rotation(t *testing.T) {
	r := newTLSRig(t)
	r.tls.TicketKeys = []string{ticketKey(t, r.dir, "a", 1), ticketKey(t, r.dir, "b", 2)}
	r.start(t)
	c := r.config()
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	resumed := func() bool {
		conn, err := r.handshake(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		return conn.tls.ConnectionState().DidResume
	}
	resumed()
	ticketKey(t, r.dir, "a", 3)
	ticketKey(t, r.dir, "b", 1)
	r.ReloadTLS()
	if !resumed() {
		t.Error("a ticket of the key before was not taken")
	}
	ticketKey(t, r.dir, "a", 4)
	ticketKey(t, r.dir, "b", 5)
	r.ReloadTLS()
	if resumed() {
		t.Error("a ticket of a key that is gone was taken")
	}
}
