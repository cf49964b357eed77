package natsbroker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// Who waits for a history that cannot be made is told why, and not that the last of many attempts
// came too late to be answered.
func TestPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		persisted := func(answered int) error {
			ctx, cancel := context.WithTimeout(t.Context(), ensureTimeout)
			defer cancel()
			attempts := 0
			_, err := persist(ctx, nil, func(attempt context.Context) (string, error) {
				if attempts++; attempts <= answered {
					return "", errWithoutJetStream
				}
				<-attempt.Done()
				return "", errNoJetStream
			})
			return err
		}
		last := int(ensureTimeout / (attemptTimeout / 10)) // one at once, and one after each pause
		for answered, want := range map[int]error{0: errNoJetStream, 1: errNoJetStream, last - 1: errWithoutJetStream, last: errWithoutJetStream} {
			if err := persisted(answered); !errors.Is(err, want) || errors.Is(err, errWithoutJetStream) != (want == errWithoutJetStream) {
				t.Errorf("%d attempts were answered: %v", answered, err)
			}
		}
	})
}
