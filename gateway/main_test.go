package gateway

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind: everything that New
// and Run start has ended when Run or Stop has returned.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
