package edge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// O3: a refusal is one line of JSON with its reason and who it was, whatever the
// client wrote into its request.
func TestO3RefusalIsOneLine(t *testing.T) {
	const nasty, shown = "\u202e\u2028\x1b[2J{\"level\":\"error\"}", `\u202e\u2028\x1b[2J{"level":"error"}`
	printable := strings.ReplaceAll(nasty, "\x1b", "") // ESC in a header is a 400 by itself
	type row struct {
		request              []byte
		status               int
		reason, path, origin string
	}
	r := newRig()
	r.endpoint.Session.Allow = []string{"c"}
	r.start(t)
	for _, want := range []row{
		{request("/", "Origin: https://evil.example"+printable), 403, "origin", "/", "https://evil.example" + strings.ReplaceAll(shown, `\x1b`, "")},
		{request("/", "Origin: https://evil.example/"+strings.Repeat("x", 300)), 403, "origin", "/", "https://evil.example/" + strings.Repeat("x", 256-21) + "..."},
		{request("/", "Origin: https://"+nasty), 400, "bad_request", "", ""},
		{request("/" + strings.Repeat("y", 300)), 404, "not_found", "/" + strings.Repeat("y", 255) + "...", ""},
		{request(`/{"level":"error"}`), 404, "not_found", `/{"level":"error"}`, ""},
		{request("/?channel=%0A%7B%22level%22%3A%22error%22%7D%1B%5B2J"), 403, "channel", "/", ""},
		{request("/\u202e"), 400, "bad_request", "", ""},
		{request("/", "User-Agent: "+nasty), 400, "bad_request", "", ""},
		{request("/nowhere", "User-Agent: "+printable), 404, "not_found", "/nowhere", ""},
	} {
		before := r.log.count()
		c := r.connect(t)
		c.send(t, want.request)
		if status, _ := c.response(t); status != want.status {
			t.Errorf("%.60q: got %d, want %d", want.request, status, want.status)
		}
		eventually(t, "a line", func() bool { return r.log.count() > before })
		r.log.mu.Lock()
		n, last := r.log.n, r.log.last
		r.log.mu.Unlock()
		var line struct{ Level, Reason, Origin, Path, Address string }
		if err := json.Unmarshal([]byte(last), &line); err != nil || n != before+1 || strings.Count(last, "\n") != 1 {
			t.Fatalf("%d lines, the last %q: %v", n-before, last, err)
		}
		if line.Level != zerolog.DebugLevel.String() || line.Reason != want.reason || line.Path != want.path || line.Address == "" || line.Origin != want.origin {
			t.Errorf("%.60q: got %+v", want.request, line)
		}
		if strings.ContainsAny(last, "\x1b\u202e\u2028") {
			t.Errorf("%q", last)
		}
	}
}
