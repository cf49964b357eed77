package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/config"
)

// O4: whatever a node is asked, with the key or without, by those who may and by
// those who may not, no secret of its configuration stands in an answer, in the
// metrics or in the log.
func TestO4NoSecretComesOut(t *testing.T) {
	const canary = "canary-8d1f-of-the-admin-listener"
	ctx := within(t)
	cfg := authConfig()
	cfg.Admin.APIKey = config.NewSecret(canary)
	cfg.Admin.Pprof = true
	cfg.Log.Level = config.Trace
	n, log := startLogged(t, cfg)
	n.enter(ctx, t, "/?channel=room.1", token(t, nil))
	n.refused(ctx, t, "a bad token", "/?channel=room.1", bearer(token(t, nil)+"x"), 401)

	var outputs []string
	answered := 0
	for _, key := range []string{"", canary, canary + "x"} {
		for _, call := range []struct{ method, path, body string }{
			{"GET", "/metrics", ""},
			{"GET", "/api/info", ""},
			{"GET", "/api/connections", ""},
			{"GET", "/api/channels", ""},
			{"GET", "/api/openapi.yaml", ""},
			{"GET", "/api/config", ""},
			{"GET", "/admin/config", ""},
			{"GET", "/healthz", ""},
			{"GET", "/readyz", ""},
			{"GET", "/debug/pprof/", ""},
			{"GET", "/debug/pprof/cmdline", ""},
			{"GET", "/debug/pprof/goroutine?debug=2", ""},
			{"POST", "/api/publish", `{"channel":"room.1","text":"x"}`},
			{"POST", "/api/publish", `{"channel":`},
			{"POST", "/api/info", ""},
		} {
			req, err := http.NewRequestWithContext(ctx, call.method, "http://"+n.AdminAddress()+call.path, strings.NewReader(call.body))
			if err != nil {
				t.Fatal(err)
			}
			if key != "" {
				req.Header.Set("X-Api-Key", key)
			}
			resp, err := web.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusOK {
				answered++
			}
			outputs = append(outputs, fmt.Sprintf("%s %s: %v %s", call.method, call.path, resp.Header, body))
		}
	}
	if answered < 10 {
		t.Errorf("%d calls were answered: the key does not work", answered)
	}
	outputs = append(outputs, log.String())
	for _, out := range outputs {
		for _, secret := range []string{canary[:20], testSecret[:20]} {
			if strings.Contains(out, secret) {
				t.Errorf("a secret stands in %.500s", out)
			}
		}
	}
	if !strings.Contains(log.String(), "token refused") {
		t.Error("nothing was logged")
	}
}
