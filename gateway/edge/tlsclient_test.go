package edge

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/gateway/metrics"
)

// T5: client certificates are accepted and refused as by crypto/tls with a
// goroutine and a blocking socket, in both versions.
func TestT5ClientCertificates(t *testing.T) {
	root, stranger := newAuthority(t), newAuthority(t)
	between := root.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "between"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	expired := root.issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "old"}, NotAfter: time.Now().Add(-time.Minute), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil)
	bits := func(n uint) tls.Certificate { return root.clientWith(t, pretender(n)).pair() }
	type row struct {
		name     string
		pair     *tls.Certificate
		request  bool // let in where a certificate may be given
		required bool // let in where one has to be
	}
	one := func(c tls.Certificate) *tls.Certificate { return &c }
	rows := []row{
		{"none", nil, true, false},
		{"leaf", one(root.client(t).pair()), true, true},
		{"leaf and intermediate", one(between.client(t).pair(between)), true, true},
		{"leaf without its intermediate", one(between.client(t).pair()), false, false},
		{"expired", one(expired.pair()), false, false},
		{"another authority's", one(stranger.client(t).pair()), false, false},
		{"a server's", one(root.server(t, "client.example").pair()), false, false},
		{"RSA of 16384 bits", one(bits(16384)), false, false},
	}
	for _, auth := range []tls.ClientAuthType{tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert} {
		bothModes(t, func(t *testing.T, r *tlsRig) {
			r.tls.ClientAuth, r.tls.ClientCA = auth, root.write(t, r.dir, "ca").Certificate
			r.start(t)
			oracle := r.oracle(t)
			for _, v := range bothVersions {
				for _, row := range rows {
					c := r.config()
					c.MinVersion, c.MaxVersion = v, v
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						if row.pair == nil {
							return new(tls.Certificate), nil
						}
						return row.pair, nil
					}
					want := row.request
					if auth == tls.RequireAndVerifyClientCert {
						want = row.required
					}
					if got := letIn(t, r.Addresses()[0], c); got != want {
						t.Errorf("%v, %s, %s: let in %v", auth, tls.VersionName(v), row.name, got)
					}
					if got := letIn(t, oracle, c); got != want {
						t.Errorf("%v, %s, %s: crypto/tls by itself lets in %v", auth, tls.VersionName(v), row.name, got)
					}
				}
			}
			eventually(t, "the counts", func() bool { return r.errors(metrics.TLSCertificate) > 0 })
		})
	}
}

// T18: an RSA key of more than 4096 bits is refused before anything is computed
// with it: checking one signature of 16384 bits would take a core 3 ms.
func TestT18LargeRSA(t *testing.T) {
	root := newAuthority(t)
	r := newTLSRig(t)
	r.tls.ClientAuth, r.tls.ClientCA = tls.RequireAndVerifyClientCert, root.write(t, r.dir, "ca").Certificate
	r.start(t)
	for n, want := range map[uint]string{4096: "decrypt", 4104: "bad certificate", 8192: "bad certificate", 16384: "bad certificate"} {
		c := r.config()
		c.MinVersion = tls.VersionTLS13
		c.Certificates = []tls.Certificate{root.clientWith(t, pretender(n)).pair()}
		client, err := r.handshake(t, c)
		if err == nil {
			_, err = client.in.ReadByte()
		}
		// The signature is none, so what is small enough fails at that.
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bits: %v, want %q", n, err, want)
		}
	}
}

// clientWith is a client's certificate for a key.
func (a *authority) clientWith(t testing.TB, key crypto.Signer) *authority {
	t.Helper()
	return a.issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key)
}

// pretend is the public half of an RSA key whose other half nobody has.
type pretend struct{ public *rsa.PublicKey }

func pretender(bits uint) pretend {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return pretend{&rsa.PublicKey{N: n.SetBit(n.Add(n, big.NewInt(12345)), 0, 1), E: 65537}}
}

func (p pretend) Public() crypto.PublicKey { return p.public }
func (p pretend) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	b := make([]byte, p.public.Size())
	_, err := rand.Read(b[1:])
	return b, err
}

// oracle is a server with the listener's own configuration, as crypto/tls is meant to be used.
func (r *tlsRig) oracle(t *testing.T) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", r.listeners[0].secure.config.Load())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, len(request("/"))))
			_, _ = io.WriteString(c, "HTTP/1.1 101 ")
			_ = c.Close()
		}
	}()
	return ln.Addr().String()
}

// letIn says whether a client gets as far as an answer.
func letIn(t *testing.T, address string, c *tls.Config) bool {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn := tls.Client(raw, c)
	_, _ = conn.Write(request("/"))
	got := make([]byte, 12)
	_, err = io.ReadFull(conn, got)
	if isTimeout(err) {
		t.Fatal("no answer, and no end")
	}
	return bytes.Equal(got, []byte("HTTP/1.1 101"))
}
