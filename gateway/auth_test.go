package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
)

const (
	testSecret   = "0k8Zq2vXw9LrT5nYb7HcJd3FmGs6PaEu1iOe4WtRyUx"
	testIssuer   = "https://id.example.com"
	testAudience = "sluice"
)

// authConfig is testConfig with auth on, by one secret.
func authConfig() *config.Config {
	cfg := testConfig()
	cfg.Auth.Keys = []config.Key{{ID: "k", Algorithm: "HS256", Secret: config.NewSecret(testSecret)}}
	cfg.Auth.Issuer, cfg.Auth.Audience = testIssuer, testAudience
	cfg.Auth.Sources = []config.TokenSource{config.Authorization, config.Subprotocol}
	return cfg
}

// claims are those of alice's token, who may join and publish to room.*, for an hour.
func claims(changes map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": testIssuer, "aud": testAudience, "sub": "alice",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"channels": []string{"room.*"}, "publish": []string{"room.*"},
	}
	for k, v := range changes {
		if v == nil {
			delete(c, k)
		} else {
			c[k] = v
		}
	}
	return c
}

// token signs alice's claims with changes.
func token(t testing.TB, changes map[string]any) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(changes))
	tok.Header["kid"] = "k"
	s, err := tok.SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bearer is a header with a token.
func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// try opens a WebSocket and returns it, the status and the answer's body.
func (n *node) try(ctx context.Context, t testing.TB, target string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, string) {
	t.Helper()
	c, resp, err := websocket.Dial(ctx, "ws://"+n.Addresses()[0]+target, &websocket.DialOptions{
		HTTPClient: web, HTTPHeader: header, Subprotocols: protocols,
	})
	if resp == nil {
		t.Fatal(err)
	}
	body := ""
	if err != nil {
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return nil, resp, string(b)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, resp, body
}

// enter opens a WebSocket with a token in the header.
func (n *node) enter(ctx context.Context, t testing.TB, target, token string) *websocket.Conn {
	t.Helper()
	c, resp, body := n.try(ctx, t, target, bearer(token))
	if c == nil {
		t.Fatalf("%s: %s %s", target, resp.Status, body)
	}
	return c
}

// refused opens a WebSocket in vain.
func (n *node) refused(ctx context.Context, t testing.TB, what, target string, header http.Header, status int, protocols ...string) {
	t.Helper()
	c, resp, body := n.try(ctx, t, target, header, protocols...)
	if c != nil || resp.StatusCode != status {
		t.Errorf("%s: %s, want %d", what, resp.Status, status)
	}
	if challenge := resp.Header.Get("WWW-Authenticate"); (challenge != "") != (status == 401) {
		t.Errorf("%s: WWW-Authenticate is %q", what, challenge)
	}
	if !strings.HasPrefix(body, resp.Status[:3]+": ") {
		t.Errorf("%s: the body is %q", what, body)
	}
}

// expectClose reads until the node closes with a code.
func expectClose(ctx context.Context, t testing.TB, c *websocket.Conn, want websocket.StatusCode, text string) {
	t.Helper()
	for {
		_, _, err := c.Read(ctx)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != want || !strings.Contains(err.Error(), text) {
			t.Errorf("closed with %v, want %d %s", err, want, text)
		}
		return
	}
}

func (n *node) tokenRefusals(reason metrics.TokenRefusal) uint64 {
	return n.metrics.Edge().TokenRefusals[reason].Load()
}

// closed is how many connections ended for a reason.
func (n *node) closed(reason metrics.CloseReason) (sum uint64) {
	for i := range n.metrics.Shards() {
		sum += n.metrics.Cell(i).Closed[reason].Load()
	}
	return sum
}

// buffer is a log that many may write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startLogged is start with a log to look at.
func startLogged(t testing.TB, cfg *config.Config) (*node, *buffer) {
	t.Helper()
	log := new(buffer)
	g, err := New(cfg, Options{Log: zerolog.New(log), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	n := run(g)
	t.Cleanup(func() {
		n.drain()
		if err := n.wait(t); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return n, log
}

// A1: a token decides at the upgrade; every way in which it can be wrong is one
// 401, and one reason in the metrics and in the log.
func TestA1TokensAtTheUpgrade(t *testing.T) {
	ctx := within(t)
	n, log := startLogged(t, authConfig())
	c := n.enter(ctx, t, "/?channel=room.1", token(t, nil))
	say(ctx, t, c, "hello")
	expect(ctx, t, c, "hello")

	rs := jwt.NewWithClaims(jwt.SigningMethodHS512, claims(nil))
	rs.Header["kid"] = "k"
	other, err := rs.SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodNone, claims(nil))
	unsigned.Header["kid"] = "k"
	none, err := unsigned.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	good := token(t, nil)
	for _, c := range []struct {
		what   string
		header http.Header
		reason metrics.TokenRefusal
	}{
		{"no token", nil, metrics.TokenMissing},
		{"another scheme", http.Header{"Authorization": {"Basic " + good}}, metrics.TokenMissing},
		{"an empty token", http.Header{"Authorization": {"Bearer "}}, metrics.TokenMissing},
		{"two headers", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, metrics.TokenMalformed},
		{"noise", bearer("abc"), metrics.TokenMalformed},
		{"none", bearer(none), metrics.TokenSignature},
		{"another algorithm of the same secret", bearer(other), metrics.TokenAlgorithm},
		{"another signature", bearer(good[:len(good)-6] + "AAAAAA"), metrics.TokenSignature},
	} {
		before := n.tokenRefusals(c.reason)
		n.refused(ctx, t, c.what, "/?channel=room.1", c.header, 401)
		if n.tokenRefusals(c.reason) != before+1 {
			t.Errorf("%s: not counted as %v", c.what, c.reason)
		}
		if !strings.Contains(log.String(), `"reason":"`+c.reason.String()+`"`) {
			t.Errorf("%s: %v is not in the log", c.what, c.reason)
		}
	}
	if got := n.metrics.Edge().HandshakeFailures[metrics.HandshakeUnauthorized].Load(); got != 8 {
		t.Errorf("%d handshakes are counted as unauthorized", got)
	}
}

// A2: what the claims have to be.
func TestA2Claims(t *testing.T) {
	ctx := within(t)
	n := start(t, authConfig())
	now := time.Now()
	for _, c := range []struct {
		what    string
		changes map[string]any
		reason  metrics.TokenRefusal
	}{
		{"no exp", map[string]any{"exp": nil}, metrics.TokenClaims},
		{"exp is a text", map[string]any{"exp": "4102444800"}, metrics.TokenClaims},
		{"exp is a fraction", map[string]any{"exp": float64(now.Unix()) + 60.5}, metrics.TokenClaims},
		{"exp is over", map[string]any{"exp": now.Add(-time.Second).Unix()}, metrics.TokenExpired},
		{"more than 24 hours", map[string]any{"exp": now.Add(25 * time.Hour).Unix()}, metrics.TokenLifetime},
		{"nbf to come", map[string]any{"nbf": now.Add(time.Minute).Unix()}, metrics.TokenEarly},
		{"for another audience", map[string]any{"aud": "billing"}, metrics.TokenAudience},
		{"for nobody in particular", map[string]any{"aud": nil}, metrics.TokenAudience},
		{"of another issuer", map[string]any{"iss": testIssuer + "/"}, metrics.TokenIssuer},
		{"for nobody", map[string]any{"sub": nil}, metrics.TokenClaims},
	} {
		before := n.tokenRefusals(c.reason)
		n.refused(ctx, t, c.what, "/?channel=room.1", bearer(token(t, c.changes)), 401)
		if n.tokenRefusals(c.reason) != before+1 {
			t.Errorf("%s: not counted as %v", c.what, c.reason)
		}
	}
	for what, changes := range map[string]map[string]any{
		"nbf within the leeway":  {"nbf": now.Add(20 * time.Second).Unix()},
		"one of several readers": {"aud": []string{"billing", testAudience}},
	} {
		if c, resp, body := n.try(ctx, t, "/?channel=room.1", bearer(token(t, changes))); c == nil {
			t.Errorf("%s: %s %s", what, resp.Status, body)
		}
	}
}
