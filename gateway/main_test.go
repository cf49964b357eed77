package gateway

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind: everything that New
// and Run start has ended when Run or Stop has returned. As a child of a test the
// binary is a node that the test runs out of something.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childNode())
	}
	// A client of a Redis Cluster closes connections that it does not need any more 5 s later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}
