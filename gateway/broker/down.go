package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
)

// Down is ErrDown because of cause, which is all that its text says.
func Down(cause error) error { return &because{ErrDown, cause} }

// because is an error of a kind that others ask for, and of a cause, whose text it has.
type because struct{ kind, cause error }

func (b *because) Error() string   { return b.cause.Error() }
func (b *because) Unwrap() []error { return []error{b.kind, b.cause} }

// Advice says after an error of a connection what to do about it, where that is the same for all engines.
func Advice(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("%w (broker.tls.ca_file has to have the authority of the server's certificate, which has to be for the name in its address)", err)
	case os.IsTimeout(err):
		return fmt.Errorf("%w (no answer: is it the right server, and is there TLS on both sides, or on neither?)", err)
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%w (nothing speaks TLS there: leave out broker.tls)", err)
	}
	return err
}
