//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
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

// TestRFCWithNpm: C3, W1, W2, W3, W6, W7, W8 and W10, the table of rfc_test.go,
// with npm's ws.
func TestRFCWithNpm(t *testing.T) {
	n := echo(t)
	type bytesRow struct {
		row
		Want [][]byte `json:"want"` // they need not be UTF-8
	}
	var table []bytesRow
	for _, r := range rows() {
		b := bytesRow{row: r}
		for _, s := range r.Want {
			b.Want = append(b.Want, []byte(s))
		}
		table = append(table, b)
	}
	in, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), "node", "rfc.mjs", n.ws)
	cmd.WaitDelay = time.Second
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// TestWindowsWithNpm: W6, every window of RFC 7692 section 7.1.2, in both directions, and
// no context takeover, asked for by npm's ws and used.
func TestWindowsWithNpm(t *testing.T) {
	n := echo(t)
	cmd := exec.CommandContext(within(t), "node", "windows.mjs", n.ws)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
