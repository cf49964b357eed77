package natsbroker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/broker"
)

// Close waits for a stream that is being made, and nothing begins to make one on a connection that has ended.
func TestCloseWhileMakingStream(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	o := options("a", 1<<20)
	o.Embedded = &Embedded{MaxPayload: 1 << 20}
	l := begun(t, o)
	c, err := l.live()
	if err != nil {
		t.Fatal(err)
	}
	k := c.class(broker.Class{Name: "all", Size: 10, TTL: time.Hour})
	k.mu.Lock()
	k.begin() // and is held up at its first step
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	<-c.closed
	select {
	case <-over:
		t.Error("Close has returned, and a stream is still being made")
	case <-time.After(500 * time.Millisecond):
	}
	k.mu.Unlock()
	<-over
	if _, err := k.ensured(ctx); !errors.Is(err, broker.ErrDown) {
		t.Errorf("after the end: %v", err)
	}
}

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
