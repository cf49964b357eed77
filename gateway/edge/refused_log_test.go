package edge

import (
	"encoding/json"
	"testing"

	"github.com/rs/zerolog"
)

// O3: a refusal is one line of JSON with its reason and who it was, whatever the
// client wrote into its request.
func TestO3RefusalIsOneLine(t *testing.T) {
	r := newRig()
	r.start(t)
	c := r.connect(t)
	c.send(t, request("/", "Origin: https://evil.example\u202e\u2028{\"level\":\"error\"}"))
	if status, _ := c.response(t); status != 403 {
		t.Errorf("got %d, want 403", status)
	}
	eventually(t, "a line", func() bool { return r.log.count() > 0 })
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	var line struct{ Level, Reason, Origin, Path, Address string }
	if err := json.Unmarshal([]byte(r.log.last), &line); err != nil || r.log.n != 1 {
		t.Fatalf("%d lines, the last %q: %v", r.log.n, r.log.last, err)
	}
	if line.Level != zerolog.DebugLevel.String() || line.Reason != "origin" || line.Path != "/" || line.Address == "" ||
		line.Origin != `https://evil.example\u202e\u2028{"level":"error"}` {
		t.Errorf("got %+v", line)
	}
}
