//go:build interop

package interop

import (
	"context"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"sluice/gateway/config"
)

// clients runs npm's ws client. It needs node, and `npm ci` in this folder.
func clients(ctx context.Context, t *testing.T, arguments ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "node", append([]string{"clients.mjs"}, arguments...)...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("node clients.mjs %v: %v\n%s", arguments, err, out)
	}
}

// TestNpmFanout: nothing lost, doubled or reordered from three publishers to
// 2,000 sockets of one node process.
func TestNpmFanout(t *testing.T) {
	ctx := within(t)
	n := start(t, config.Default())
	begin := time.Now()
	clients(ctx, t, "fanout", n.ws+"/?channel=many", strconv.Itoa(2000/scale), strconv.Itoa(200/scale))
	t.Logf("took %v, dials and closes included", time.Since(begin).Round(time.Millisecond))
	n.eventually(ctx, t, "many", 0)
}

// TestNpmChat: the tutorial's client, unchanged, against chat.yaml.
func TestNpmChat(t *testing.T) {
	clients(within(t), t, "chat", chat(t).ws)
}
