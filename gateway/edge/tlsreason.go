package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"sluice/gateway/metrics"
)

// reasonTLS says what was wrong with a handshake. crypto/tls has types for few
// of its errors; for the others the text is all there is, and an unknown one is
// TLSOther. A test makes each of them happen.
func reasonTLS(err error) metrics.TLSError {
	var (
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		remote *net.OpError
	)
	switch {
	case errors.As(err, &record):
		return metrics.TLSNotTLS
	case errors.As(err, &verify), errors.Is(err, errNoCertificate):
		return metrics.TLSCertificate
	case errors.As(err, &remote) && remote.Op == "remote error":
		return metrics.TLSAlert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return metrics.TLSLost
	}
	text := err.Error()
	for _, k := range [...]struct {
		part string
		why  metrics.TLSError
	}{
		{"unsupported versions", metrics.TLSVersion},
		{"unsupported application protocols", metrics.TLSProtocol},
		{"no cipher suite", metrics.TLSCipher},
		{"no ECDHE curve", metrics.TLSCipher},
		{"key exchange", metrics.TLSCipher},
		{"didn't provide a certificate", metrics.TLSCertificate},
		{"certificate", metrics.TLSCertificate},
	} {
		if strings.Contains(text, k.part) {
			return k.why
		}
	}
	return metrics.TLSOther
}

// errAnswers: the peer asked for more answers than it reads.
var errAnswers = errors.New("edge: the peer does not read what it asks for")
