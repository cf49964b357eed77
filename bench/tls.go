package bench

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// readRecords is how much is read at once over TLS: four whole records.
const readRecords = 64 << 10

// trust prepares the swarm for a target that wants TLS.
func (s *swarm) trust(p *Plan, t *target) error {
	if t.tls == nil {
		return nil
	}
	config, err := tlsConfig(p)
	if err != nil {
		return err
	}
	config.ServerName = t.tls.ServerName
	t.tls = config
	if s.secured == nil {
		s.secured = make([]*secure, len(s.conns))
		s.cipher = make([]byte, readRecords)
	}
	return nil
}

// tlsConfig is what the plan says about TLS, without the server's name. Sessions
// are not resumed: every handshake is a whole one.
func tlsConfig(p *Plan) (*tls.Config, error) {
	c := &tls.Config{
		InsecureSkipVerify: p.TLSInsecure,
		NextProtos:         []string{"http/1.1"},
		// Records as large as what is written: one per write, up to 16 KiB.
		DynamicRecordSizingDisabled: true,
	}
	if p.CA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, fmt.Errorf("bench: ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("bench: ca: no certificate in %s", p.CA)
	}
	return c, nil
}
