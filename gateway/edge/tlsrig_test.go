package edge

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/gateway/metrics"
)

// An authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pool *x509.CertPool
}

var serials = big.NewInt(time.Now().UnixNano())

// issue makes a certificate of a template, signed by a, or by itself if a is nil.
func (a *authority) issue(t testing.TB, template x509.Certificate, key crypto.Signer) *authority {
	t.Helper()
	var err error
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	template.SerialNumber = new(big.Int).Add(serials, big.NewInt(time.Now().UnixNano()))
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	template.BasicConstraintsValid = true
	parent, signer := &template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return &authority{c, key, pool}
}

// newAuthority is a root.
func newAuthority(t testing.TB) *authority {
	t.Helper()
	return (*authority)(nil).issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
}

// server is a certificate for a host.
func (a *authority) server(t testing.TB, host string) *authority {
	t.Helper()
	return a.issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, nil)
}

// client is a certificate for a client.
func (a *authority) client(t testing.TB) *authority {
	t.Helper()
	return a.issue(t, x509.Certificate{
		Subject:  pkix.Name{CommonName: "client"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil)
}

// pair is what crypto/tls presents, with the chain behind it.
func (a *authority) pair(chain ...*authority) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}
	for _, b := range chain {
		c.Certificate = append(c.Certificate, b.cert.Raw)
	}
	return c
}

// write puts the certificate and its key into files.
func (a *authority) write(t testing.TB, dir, name string) CertificateFiles {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	f := CertificateFiles{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	for file, b := range map[string]*pem.Block{
		f.Certificate: {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		f.Key:         {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// A tlsRig is a rig whose listener speaks TLS.
type tlsRig struct {
	*rig
	tls  *TLS
	root *authority
	dir  string
}

func newTLSRig(t testing.TB) *tlsRig {
	t.Helper()
	r := &tlsRig{rig: newRig(), root: newAuthority(t), dir: t.TempDir()}
	r.tls = &TLS{
		Certificates: []CertificateFiles{r.root.server(t, "example.com").write(t, r.dir, "server")},
		MinVersion:   tls.VersionTLS12, HandshakeTimeout: 5 * time.Second, MaxHandshakes: 64, Tickets: true,
	}
	r.options.Listeners[0].TLS = r.tls
	return r
}

// bothModes runs a test with pollers that decrypt, and with a goroutine for each connection.
func bothModes(t *testing.T, f func(t *testing.T, r *tlsRig)) {
	for _, goroutines := range []bool{false, true} {
		name := "loop"
		if goroutines {
			name = "goroutine"
		}
		t.Run(name, func(t *testing.T) {
			r := newTLSRig(t)
			r.tls.Goroutines = goroutines
			f(t, r)
		})
	}
}

// config is what a client needs to know.
func (r *tlsRig) config() *tls.Config {
	return &tls.Config{RootCAs: r.root.pool, ServerName: "example.com"}
}

// A tlsClient is a client over crypto/tls.
type tlsClient struct {
	*client
	tls *tls.Conn
}

// handshake opens a TLS connection.
func (r *tlsRig) handshake(t testing.TB, c *tls.Config) (*tlsClient, error) {
	t.Helper()
	raw := r.connect(t)
	return over(raw, c)
}

func over(raw *client, c *tls.Config) (*tlsClient, error) {
	conn := tls.Client(raw.TCPConn, c)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return &tlsClient{&client{raw.TCPConn, bufio.NewReaderSize(conn, 4<<10), conn}, conn}, nil
}

// dial opens a WebSocket over TLS.
func (r *tlsRig) dial(t testing.TB) *tlsClient {
	t.Helper()
	c, err := r.handshake(t, r.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	return c
}

// tlsConns are the edge's ends of the n open connections.
func (r *tlsRig) tlsConns(t testing.TB, n int) (list []*tlsConn) {
	t.Helper()
	eventually(t, "the connections", func() bool { return len(r.h.Connections(1<<20)) == n })
	for _, info := range r.h.Connections(1 << 20) {
		list = append(list, info.Conn.(*tlsConn))
	}
	return list
}

func (r *tlsRig) errors(why metrics.TLSError) uint64 { return r.set.Edge().TLSErrors[why].Load() }

var _ net.Conn = (*wire)(nil)

// startTLS is start.
func (r *tlsRig) startTLS(t testing.TB) *tlsRig {
	t.Helper()
	r.start(t)
	return r
}
