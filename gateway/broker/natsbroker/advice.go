package natsbroker

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// advice says after an error of connect what to do about it, where that is known.
func advice(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return fmt.Errorf("%w (broker.user and broker.password_file, broker.credentials_file or broker.nkey_file)", err)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%w (docs/fleet.md has what the broker's user needs)", err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("%w (is nats-server up, and does broker.url have its address?)", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("%w (the server has no TLS: nats:// in broker.url, without broker.tls)", err)
	}
	return broker.Advice(err)
}
