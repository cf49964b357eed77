package gateway

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/config"
)

// O10: the systemd unit runs the node as nobody in particular, with nothing to
// write to, one capability and no core dumps, and waits for its drain.
func TestUnit(t *testing.T) {
	const unit = "../configs/sluice.service"
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			got[key] = append(got[key], value)
		}
	}
	for key, want := range map[string]string{
		"DynamicUser":           "yes",
		"NoNewPrivileges":       "yes",
		"ProtectSystem":         "strict",
		"ProtectHome":           "yes",
		"PrivateTmp":            "yes",
		"PrivateDevices":        "yes",
		"AmbientCapabilities":   "CAP_NET_BIND_SERVICE",
		"CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
		"LimitCORE":             "0",
		"SystemCallErrorNumber": "EPERM",
	} {
		if !slices.Equal(got[key], []string{want}) {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if len(got["User"]) > 0 || len(got["ReadWritePaths"]) > 0 {
		t.Errorf("a user of its own or something to write to: %q, %q", got["User"], got["ReadWritePaths"])
	}
	stop, err := time.ParseDuration(strings.Join(got["TimeoutStopSec"], ""))
	if drain := time.Duration(config.Default().Drain.Timeout); err != nil || stop <= drain {
		t.Errorf("systemd kills after %v, and drain.timeout is %v", stop, drain)
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "nrecognized option") { // one older than 250
			t.Errorf("%v: %s", err, out[max(0, len(out)-500):])
		}
	}
}
