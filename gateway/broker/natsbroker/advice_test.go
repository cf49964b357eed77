package natsbroker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// What keeps a node from its servers says which key is to be looked at.
func TestAdvice(t *testing.T) {
	for want, err := range map[string]error{
		"broker.password_file":             nats.ErrAuthorization,
		"is nats-server up":                nats.ErrNoServers,
		"nats:// in broker.url":            nats.ErrSecureConnWanted,
		"what the broker's user needs":     fmt.Errorf("%w: for subscription to sluice.n", nats.ErrPermissionViolation),
		"broker.tls.ca_file":               fmt.Errorf("nats: %w", &tls.CertificateVerificationError{Err: errors.New("unknown authority")}),
		"TLS on both sides, or on neither": os.ErrDeadlineExceeded,
		"something else":                   errors.New("something else"),
		"nothing speaks TLS there: leave ": tls.RecordHeaderError{},
	} {
		if got := advice(err); !errors.Is(got, err) && !strings.Contains(got.Error(), err.Error()) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
