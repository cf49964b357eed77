package bench

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

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
