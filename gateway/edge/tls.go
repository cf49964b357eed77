package edge

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sluice/gateway/internal/certs"
)

// TLS is what a listener needs to speak it. Files are read by New, and again
// by Edge.ReloadTLS and when they change.
type TLS struct {
	// Certificates are chosen by the name that the client asks for, and by what
	// it can verify; the first is for those that fit none. At least one.
	Certificates []CertificateFiles
	// Goroutines gives each connection a goroutine for life, instead of
	// decrypting on the pollers.
	Goroutines bool
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ClientAuth is tls.NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert.
	ClientAuth tls.ClientAuthType
	// ClientCA is a file of authorities that sign client certificates.
	ClientCA string
	// HandshakeTimeout is from the accept to the end of the TLS handshake.
	HandshakeTimeout time.Duration
	// MaxHandshakes is how many handshakes may be under way, each with a goroutine.
	MaxHandshakes int
	// Tickets lets clients resume sessions.
	Tickets bool
	// TicketKeys are files whose content ticket keys are made from: the first is
	// for new tickets, the others for those that still come. None: random keys,
	// which are the process's own.
	TicketKeys []string
}

// CertificateFiles are a certificate with its chain, and its key, both PEM.
type CertificateFiles struct{ Certificate, Key string }

// files are all that the listener's TLS reads.
func (o *TLS) files() (list []string) {
	for _, c := range o.Certificates {
		list = append(list, c.Certificate, c.Key)
	}
	if o.ClientCA != "" {
		list = append(list, o.ClientCA)
	}
	return append(list, o.TicketKeys...)
}

// The most that a client may send before its TLS handshake is complete. A
// ClientHello has 0.5 to 2 KB, a chain of client certificates 2 to 10.
const (
	maxHello          = 16 << 10
	maxHelloWithCerts = 64 << 10
)

// secure is a listener's TLS.
type secure struct {
	// Static.
	options    *TLS
	maxHello   int
	handshakes handshakes

	// config is replaced as a whole when files have changed; handshakes under
	// way, and connections, keep the one that they began with.
	config atomic.Pointer[tls.Config]
	expiry atomic.Int64 // when the first of the certificates ends, Unix seconds
}

// newSecure reads the files.
func newSecure(o *TLS) (*secure, error) {
	s := &secure{options: o, maxHello: maxHello}
	if o.ClientAuth != tls.NoClientCert {
		s.maxHello = maxHelloWithCerts
	}
	s.handshakes.init(o.MaxHandshakes)
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads the files, and replaces what is in use if all of them are good.
func (s *secure) load() error {
	o := s.options
	c := &tls.Config{
		MinVersion: o.MinVersion,
		// WebSockets are HTTP/1.1. A client whose list has none of ours is refused:
		// it means to speak another protocol (RFC 7301, ALPACA).
		NextProtos:             []string{"http/1.1"},
		ClientAuth:             o.ClientAuth,
		SessionTicketsDisabled: !o.Tickets,
		// Records as large as what is sent: what goes out is one write anyway.
		DynamicRecordSizingDisabled: true,
	}
	var expiry time.Time
	for _, f := range o.Certificates {
		pair, err := certs.Load(f.Certificate, f.Key)
		if err != nil {
			file := f.Certificate
			if key := (*certs.KeyError)(nil); errors.As(err, &key) {
				file = f.Key
			}
			return fmt.Errorf("edge: %s %w", file, err)
		}
		c.Certificates = append(c.Certificates, *pair)
		if end := pair.Leaf.NotAfter; expiry.IsZero() || end.Before(expiry) {
			expiry = end
		}
	}
	purpose := []byte{byte(o.ClientAuth)}
	if o.ClientAuth != tls.NoClientCert {
		pool, digest, err := certs.Pool(o.ClientCA)
		if err != nil {
			return fmt.Errorf("edge: %s %w", o.ClientCA, err)
		}
		c.ClientCAs = pool
		c.VerifyConnection = verifier(pool, o.ClientAuth)
		purpose = append(purpose, digest[:]...)
	}
	if o.Tickets && len(o.TicketKeys) > 0 {
		keys, err := ticketKeys(o.TicketKeys, purpose)
		if err != nil {
			return err
		}
		c.SetSessionTicketKeys(keys)
	}
	s.expiry.Store(expiry.Unix())
	s.config.Store(c)
	return nil
}

// ticketKeys reads the ticket keys of a listener. Its purpose, which clients
// may come in, is part of them: a session that was opened where everyone may
// is never resumed where a certificate is asked for, even if an operator gives
// both listeners the same file.
func ticketKeys(files []string, purpose []byte) ([][32]byte, error) {
	sum := sha256.Sum256(purpose)
	var keys [][32]byte
	for _, f := range files {
		key, err := certs.TicketKey(f, sum[:])
		if err != nil {
			return nil, fmt.Errorf("edge: %s %w", f, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// verifier checks a client's certificate against the authorities. crypto/tls
// does so itself in a full handshake; this is called in a resumed one, too,
// where the certificate is the one of the first handshake.
func verifier(pool *x509.CertPool, auth tls.ClientAuthType) func(tls.ConnectionState) error {
	return func(st tls.ConnectionState) error {
		if !st.DidResume {
			return nil
		}
		if len(st.PeerCertificates) == 0 {
			if auth == tls.RequireAndVerifyClientCert {
				return errNoCertificate
			}
			return nil
		}
		between := x509.NewCertPool()
		for _, c := range st.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := st.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: st.PeerCertificates, Err: err}
		}
		return nil
	}
}

var errNoCertificate = errors.New("edge: the resumed session has no client certificate")
