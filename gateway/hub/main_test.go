package hub

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// join subscribes s to one channel.
func join(h interface {
	Subscribe(*Subscriber, []Join, []byte) error
}, s *Subscriber, channel string,
) error {
	return h.Subscribe(s, []Join{{Channel: channel}}, nil)
}
