package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"sluice/gateway/auth/jwks"
	"sluice/gateway/config"
	"sluice/gateway/metrics"
)

// A provider is an identity provider's key set, over HTTPS.
type provider struct {
	*httptest.Server
	caFile string

	// Guarded by mu.
	mu      sync.Mutex
	keys    map[string]*ecdsa.PrivateKey // shown
	broken  bool
	fetches int
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]*ecdsa.PrivateKey{}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fetches++
		if p.broken {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		var list []map[string]string
		for kid, k := range p.keys {
			point, err := k.PublicKey.Bytes()
			if err != nil {
				t.Error(err)
			}
			e := base64.RawURLEncoding
			list = append(list, map[string]string{
				"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": e.EncodeToString(point[1:33]), "y": e.EncodeToString(point[33:]),
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	}))
	t.Cleanup(p.Close)
	p.caFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// show adds a key to the set.
func (p *provider) show(t *testing.T, kid string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.keys[kid] = k
	p.mu.Unlock()
}

func (p *provider) setBroken(broken bool) {
	p.mu.Lock()
	p.broken = broken
	p.mu.Unlock()
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

// sign makes a token with a key of the set.
func (p *provider) sign(t *testing.T, kid string, changes map[string]any) string {
	t.Helper()
	p.mu.Lock()
	k := p.keys[kid]
	p.mu.Unlock()
	tok := jwt.NewWithClaims(jwt.SigningMethodES256, claims(changes))
	tok.Header["kid"] = kid
	s, err := tok.SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A4: the keys of a provider, over HTTPS, with a certificate that is checked:
// a node that is ready knows them; made-up kids are one fetch, which is the first.
func TestA4KeySetEndToEnd(t *testing.T) {
	ctx := within(t)
	p := newProvider(t)
	p.show(t, "a")
	cfg := authConfig()
	cfg.Auth.JWKS.URL, cfg.Auth.JWKS.CAFile = p.URL, p.caFile
	n := start(t, cfg)
	eventually(t, "ready", func() bool { ready, _ := n.readiness(); return ready })
	c := n.enter(ctx, t, "/?channel=room.1", p.sign(t, "a", nil))
	say(ctx, t, c, "hello")
	expect(ctx, t, c, "hello")
	n.enter(ctx, t, "/?channel=room.1", token(t, nil)) // the configured key works beside it

	const flood = 200
	stranger := p.sign(t, "a", nil)
	for i := range flood {
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(nil))
		tok.Header["kid"] = fmt.Sprint("made up ", i)
		s, err := tok.SignedString([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		n.refused(ctx, t, "a made-up kid", "/", bearer(s), 401)
	}
	if got := n.tokenRefusals(metrics.TokenKey); got != flood {
		t.Errorf("%d refusals for the key", got)
	}
	if got := p.count(); got != 1 {
		t.Errorf("%d fetches", got)
	}
	n.enter(ctx, t, "/?channel=room.1", stranger)
	if _, page := get(t, "http://"+n.AdminAddress()+"/metrics"); !strings.Contains(page, `sluice_auth_key_set_fetches_total{result="ok"} 1`) ||
		!strings.Contains(page, "sluice_auth_key_set_age_seconds ") {
		t.Error("the metrics do not show the key set")
	}

	other := newProvider(t)
	wrong := authConfig()
	wrong.Auth.JWKS.URL, wrong.Auth.JWKS.CAFile = p.URL, other.caFile
	other.Close()
	if err := os.WriteFile(other.caFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(wrong, Options{Log: zerolog.Nop()}); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a ca_file without a certificate: %v", err)
	}
}

// A4: by the clock, with a real server: at most one fetch in 30 s however many
// kids are made up; a rotation with an overlap fails nobody; while the provider
// is down its keys work on.
func TestA4KeySetByTheClock(t *testing.T) {
	p := newProvider(t) // outside of the bubble: its connections are no business of the clock's
	p.show(t, "a")
	cell := metrics.NewSet(1).Edge()
	cfg := authConfig()
	cfg.Auth.JWKS.URL, cfg.Auth.JWKS.CAFile, cfg.Auth.JWKS.MaxStale = p.URL, p.caFile, config.Duration(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		source, err := newKeySet(&cfg.Auth.JWKS, cell, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		stop := keepFresh(t, source)
		defer stop()
		for i := range 1000 { // 10,000 kids in 100 s
			for j := range 10 {
				if source.Find(fmt.Sprint(i, j)) != nil {
					t.Fatal("found")
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := p.count(); got < 2 || got > 1+100/30 {
			t.Errorf("%d fetches in 100 s", got)
		}
		p.show(t, "b")
		for range 11 {
			time.Sleep(time.Minute)
			if source.Find("a") == nil {
				t.Fatal("the old key is gone during the overlap")
			}
		}
		if source.Find("b") == nil {
			t.Error("the new key is not known after a refresh")
		}
		p.setBroken(true)
		time.Sleep(10 * time.Minute)
		if source.Find("a") == nil || source.Find("b") == nil || cell.KeySetFailures.Load() == 0 {
			t.Error("the provider is down, and its keys with it")
		}
		time.Sleep(time.Hour)
		if source.Find("a") != nil {
			t.Error("the key works for longer than max_stale")
		}
	})
}

// keepFresh runs a source until stop is called.
func keepFresh(t *testing.T, s *jwks.Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	<-s.Tried()
	return func() { cancel(); <-done }
}

// A5: a connection whose token expires is closed with 4401, by the clock of the node.
func TestA5Expiry(t *testing.T) {
	ctx := within(t)
	n := start(t, authConfig())
	c := n.enter(ctx, t, "/?channel=room.1", token(t, map[string]any{"exp": time.Now().Add(5 * time.Second).Unix()}))
	expectClose(ctx, t, c, 4401, "token expired")
	eventually(t, "the reason in the metrics", func() bool { return n.closed(metrics.CloseExpired) == 1 })
}

// A5: with first_message a client renews its token on the open connection.
func TestA5Renewal(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	cfg.Auth.Sources = append(cfg.Auth.Sources, config.FirstMessage)
	n := start(t, cfg)
	c := n.enter(ctx, t, "/?channel=room.1", token(t, map[string]any{"exp": time.Now().Add(time.Minute).Unix()}))
	far := time.Now().Add(time.Hour).Truncate(time.Second)
	say(ctx, t, c, `{"type":"auth","token":"`+token(t, map[string]any{"exp": far.Unix()})+`"}`)
	eventually(t, "the new expiry", func() bool {
		_, page := get(t, "http://"+n.AdminAddress()+"/api/connections")
		return strings.Contains(page, `"expires":"`+far.UTC().Format(time.RFC3339)+`"`)
	})
	say(ctx, t, c, "hello")
	expect(ctx, t, c, "hello")
	say(ctx, t, c, `{"type":"auth","token":"`+token(t, map[string]any{"sub": "bob"})+`"}`)
	expectClose(ctx, t, c, 4401, "valid token")
	if n.tokenRefusals(metrics.TokenSubject) != 1 {
		t.Error("the refusal is not counted")
	}
}

// A6: a revocation cuts live connections within 2 s, and refuses later ones.
func TestA6Revocation(t *testing.T) {
	ctx := within(t)
	n := start(t, authConfig())
	// Tokens of before: a user may come back with one that is made after the revocation.
	before := time.Now().Add(-time.Minute).Unix()
	alice := token(t, map[string]any{"iat": before, "jti": "a1", "meta": map[string]string{"plan": "pro"}})
	bob := token(t, map[string]any{"sub": "bob", "iat": before, "jti": "b1"})
	carol := token(t, map[string]any{"sub": "carol", "iat": before})
	call := func(path, body, want string) {
		t.Helper()
		resp, err := web.Post("http://"+n.AdminAddress()+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); strings.TrimSpace(string(b)) != want {
			t.Errorf("%s %s: %s", path, body, b)
		}
	}
	first, second, b, c := n.enter(ctx, t, "/?channel=room.1", alice), n.enter(ctx, t, "/?channel=room.2", alice),
		n.enter(ctx, t, "/?channel=room.1", bob), n.enter(ctx, t, "/?channel=room.1", carol)
	n.joined(t, "room.1", 3)
	n.joined(t, "room.2", 1)
	if _, page := get(t, "http://"+n.AdminAddress()+"/api/connections"); !strings.Contains(page, `"user":"alice","meta":{"plan":"pro"},"expires":"`) {
		t.Errorf("the connections do not say who they are: %s", page)
	}

	call("/api/revoke", `{"user":"alice"}`, `{"result":{"connections":2}}`)
	// When the call is answered the close frames are on their way: 2 s is a lot.
	if _, page := get(t, "http://"+n.AdminAddress()+"/api/connections"); strings.Contains(page, "alice") {
		t.Errorf("alice is still there: %s", page)
	}
	expectClose(ctx, t, first, 4401, "token revoked")
	expectClose(ctx, t, second, 4401, "token revoked")
	n.refused(ctx, t, "a revoked user", "/?channel=room.1", bearer(alice), 401)
	call("/api/revoke", `{"token_id":"b1"}`, `{"result":{"connections":1}}`)
	expectClose(ctx, t, b, 4401, "token revoked")
	n.refused(ctx, t, "a revoked token", "/?channel=room.1", bearer(bob), 401)
	again := n.enter(ctx, t, "/?channel=room.1", token(t, map[string]any{"sub": "bob", "iat": before, "jti": "b2"}))

	say(ctx, t, c, "still here")
	expect(ctx, t, c, "still here")
	n.joined(t, "room.1", 2)
	call("/api/revoke", fmt.Sprintf(`{"issued_before":%d}`, before+1), `{"result":{"connections":2}}`)
	expectClose(ctx, t, c, 4401, "token revoked")
	expectClose(ctx, t, again, 4401, "token revoked")
	if got := n.tokenRefusals(metrics.TokenRevoked); got != 2 {
		t.Errorf("%d refusals of revoked tokens", got)
	}
	eventually(t, "the reason in the metrics", func() bool { return n.closed(metrics.CloseRevoked) == 5 })

	d := n.enter(ctx, t, "/?channel=room.1", token(t, map[string]any{"sub": "dave"}))
	n.joined(t, "room.1", 1)
	call("/api/disconnect", `{"user":"dave","code":4001,"reason":"signed out"}`, `{"result":{"connections":1}}`)
	expectClose(ctx, t, d, 4001, "signed out")
}

// A7: every source that is on works and no other; the token stands nowhere.
func TestA7Sources(t *testing.T) {
	const canary = "canary4711"
	ctx := within(t)
	cfg := authConfig()
	cfg.Log.Level = config.Trace
	e := cfg.Listeners[0].Endpoints[0]
	for path, sources := range map[string][]config.TokenSource{
		"/header": {config.Authorization}, "/protocol": {config.Subprotocol}, "/query": {config.Query}, "/message": {config.FirstMessage},
	} {
		e.Path, e.Auth.Sources, e.Greeting = path, sources, "welcome"
		cfg.Listeners[0].Endpoints = append(cfg.Listeners[0].Endpoints, e)
	}
	n, log := startLogged(t, cfg)
	good, bad := token(t, map[string]any{"jti": canary}), canary+"."+canary+"."+canary
	var outputs []string
	for _, path := range []string{"/header", "/protocol", "/query", "/message"} {
		for _, way := range []string{"/header", "/protocol", "/query", "/message"} {
			for _, tok := range []string{good, bad} {
				target, header, protocols := path+"?channel=room.1", http.Header{}, []string{"sluice"}
				switch way {
				case "/header":
					header = bearer(tok)
				case "/protocol":
					protocols = append(protocols, "bearer."+tok)
				case "/query":
					target += "&token=" + tok
				}
				c, resp, body := n.try(ctx, t, target, header, protocols...)
				outputs = append(outputs, fmt.Sprint(resp.Header), body)
				// Where the first message is awaited, a token elsewhere is not looked at.
				open := path == "/message" || path == way && tok == good
				if (c != nil) != open {
					t.Errorf("%s, token by %s: %s", path, way, resp.Status)
				}
				if c == nil {
					continue
				}
				if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "sluice" {
					t.Errorf("%s: the answer names the subprotocol %q", path, got)
				}
				if path == "/message" {
					if way != path { // any other message is no token
						tok = bad
					}
					say(ctx, t, c, `{"type":"auth","token":"`+tok+`"}`)
				}
				_, text, err := c.Read(ctx)
				if path == "/message" && tok == bad {
					if websocket.CloseStatus(err) != 4401 {
						t.Errorf("%s: %q, %v", path, text, err)
					}
					outputs = append(outputs, fmt.Sprint(err))
				} else if string(text) != "welcome" {
					t.Errorf("%s: %q, %v", path, text, err)
				}
			}
		}
	}
	both := bearer(good)
	n.refused(ctx, t, "two ways at once", "/?channel=room.1", both, 401, "sluice", "bearer."+good)

	for _, path := range []string{"/metrics", "/api/connections", "/api/info", "/api/channels"} {
		_, page := get(t, "http://"+n.AdminAddress()+path)
		outputs = append(outputs, page)
	}
	outputs = append(outputs, log.String(), string(n.config().YAML()), fmt.Sprintf("%+v %#v", n.config(), n.config()))
	for _, out := range outputs {
		for _, secret := range []string{canary, good, good[:20], testSecret} {
			if strings.Contains(out, secret) {
				t.Fatalf("%.12q... stands in %.500s", secret, out)
			}
		}
	}
	if !strings.Contains(log.String(), `"message":"token refused"`) {
		t.Error("nothing was logged at all")
	}
}

// C9: subprotocols of the endpoint's own and the one that goes with a token do not
// get in each other's way; the token is answered with in neither case.
func TestC9SubprotocolsBesideTokens(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	cfg.Listeners[0].Endpoints[0].Subprotocols = []string{"v1.chat"}
	n := start(t, cfg)
	carried := "bearer." + token(t, nil)
	for _, c := range []struct {
		offer  []string
		answer string
	}{
		{[]string{"sluice", carried}, "sluice"},
		{[]string{carried, "sluice", "v1.chat"}, "sluice"},
		{[]string{"v1.chat", "sluice", carried}, "v1.chat"},
		{[]string{"v2.chat", carried, "v1.chat"}, "v1.chat"},
		{[]string{carried}, ""},
		{[]string{"v2.chat", carried}, ""},
	} {
		conn, resp, body := n.try(ctx, t, "/?channel=room.1", nil, c.offer...)
		if conn == nil {
			t.Fatalf("%q: %s %s", c.offer, resp.Status, body)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != c.answer {
			t.Errorf("%.30q is answered with %q, want %q", c.offer, got, c.answer)
		}
		if strings.Contains(fmt.Sprint(resp.Header), carried[7:20]) {
			t.Errorf("the token stands in %v", resp.Header)
		}
	}
	n.refused(ctx, t, "a bad one", "/?channel=room.1", nil, 401, "v1.chat", "bearer.x")
}

// A8: deny by default: a channel takes the endpoint's leave, and the token's or a rule's.
func TestA8Channels(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	cfg.Listeners[0].Endpoints[0].AllowChannels = []string{"room.*", "user.*", "public.*", "shut"}
	cfg.Listeners[0].Endpoints[0].Channels = []string{"lobby"}
	cfg.Listeners[0].Endpoints[0].Stats = true
	own, nobody := []string{"user.{user}", "user.{user}.*"}, []string{}
	cfg.Namespaces = []config.Namespace{
		{Match: "user.*", SlowConsumer: config.Disconnect, Subscribe: own, Publish: own},
		{Match: "public.*", SlowConsumer: config.Disconnect, Subscribe: []string{"users"}, Publish: nobody},
		{Match: "shut", SlowConsumer: config.Disconnect, Subscribe: nobody, Publish: nobody},
		{Match: "*", SlowConsumer: config.Disconnect, Subscribe: []string{"claims"}, Publish: []string{"claims"}},
	}
	n, log := startLogged(t, cfg)
	everything := map[string]any{"channels": []string{"*"}, "publish": []string{"*"}}
	for _, c := range []struct {
		target  string
		changes map[string]any
		status  int
	}{
		{"/?channel=room.1", nil, 101},
		{"/?channel=room.1&channel=user.alice", nil, 101},
		{"/?channel=user.alice.inbox", nil, 101},
		{"/?channel=user.bob", nil, 403},
		{"/?channel=user.bob", everything, 403}, // the namespace does not ask for claims
		{"/?channel=room.1&channel=user.bob", nil, 403},
		{"/?channel=user.a_2eb", map[string]any{"sub": "a.b"}, 101},
		{"/?channel=user.a.b", map[string]any{"sub": "a.b"}, 403},
		{"/?channel=user.alice", map[string]any{"sub": "*"}, 403},
		{"/?channel=public.news", map[string]any{"channels": nil}, 101},
		{"/?channel=shut", everything, 403},
		{"/?channel=elsewhere", everything, 403}, // the endpoint's allow_channels
		{"/", nil, 403},                          // lobby: the endpoint's own channel is no exception
		{"/", everything, 101},
		{"/?channel=$stats", nil, 403},
		{"/?channel=$stats", everything, 101},
		{"/?channel=room.1", map[string]any{"channels": []string{}}, 403},
	} {
		conn, resp, body := n.try(ctx, t, c.target, bearer(token(t, c.changes)))
		if resp.StatusCode != c.status {
			t.Errorf("%s with %v: %s %s", c.target, c.changes, resp.Status, body)
		}
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
	if got := n.metrics.Edge().HandshakeFailures[metrics.HandshakeForbidden].Load(); got != 9 {
		t.Errorf("%d handshakes are counted as forbidden", got)
	}
	reader := n.enter(ctx, t, "/?channel=public.news", token(t, nil))
	say(ctx, t, reader, "mine")
	expectClose(ctx, t, reader, 4403, "may not publish")
	for _, want := range []string{`"user":"alice","err":"session: not allowed: you may not join \"user.bob\""`, `you may not publish`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s", want)
		}
	}

	c := n.enter(ctx, t, "/?channel=public.news&channel=room.1", token(t, nil))
	n.joined(t, "public.news", 1)
	next := *cfg
	next.Namespaces = slices.Clone(cfg.Namespaces)
	next.Namespaces[1].Subscribe = nobody
	if live, restart := n.Reload(&next); len(live) != 1 || len(restart) != 0 {
		t.Errorf("live %v, restart %v", live, restart)
	}
	n.joined(t, "public.news", 0)
	say(ctx, t, c, "to the room")
	expect(ctx, t, c, "to the room")
}

// A8: clients without a token, where the endpoint lets them in, may read what it says.
func TestA8Anonymous(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	e := cfg.Listeners[0].Endpoints[0]
	e.Path, e.Channels, e.Auth.Anonymous = "/public", []string{"news.all"}, []string{"news.*"}
	open := cfg.Listeners[0].Endpoints[0]
	open.Path, open.Auth.Mode = "/open", config.AuthNone
	cfg.Listeners[0].Endpoints = append(cfg.Listeners[0].Endpoints, e, open)
	n := start(t, cfg)
	n.refused(ctx, t, "another endpoint", "/?channel=news.all", nil, 401)
	n.refused(ctx, t, "another channel", "/public?channel=room.1", nil, 403)
	n.refused(ctx, t, "a bad token is not no token", "/public", bearer("x"), 401)
	c := n.dial(ctx, t, "/public")
	n.joined(t, "news.all", 1)
	n.publish(t, "news.all", []byte("good news"))
	expect(ctx, t, c, "good news")
	say(ctx, t, c, "mine")
	expectClose(ctx, t, c, 4403, "may not publish")
	n.enter(ctx, t, "/public?channel=room.1", token(t, nil))
	o := n.dial(ctx, t, "/open?channel=whatever")
	say(ctx, t, o, "hello")
	expect(ctx, t, o, "hello")
}

// A9: whatever is wrong with a token, the answer is the same to the byte.
func TestA9UniformRefusals(t *testing.T) {
	ctx := within(t)
	n := start(t, authConfig())
	good := token(t, nil)
	var first string
	for what, header := range map[string]http.Header{
		"none": nil, "noise": bearer("x.y.z"), "expired": bearer(token(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})),
		"forged": bearer(good[:len(good)-5] + "AAAAA"), "for others": bearer(token(t, map[string]any{"aud": "x"})), "huge": bearer(strings.Repeat("x", 4000)),
	} {
		_, resp, body := n.try(ctx, t, "/?channel=room.1", header)
		answer := fmt.Sprint(resp.Status, resp.Header, body)
		if first == "" {
			first = answer
		}
		if answer != first || resp.StatusCode != 401 {
			t.Errorf("%s: %s, where others get %s", what, answer, first)
		}
	}
}

// A10: a client that has said nothing has joined nothing, and is gone after first_message_timeout.
func TestA10Silence(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	cfg.Auth.Sources = []config.TokenSource{config.FirstMessage}
	cfg.Auth.FirstMessageTimeout = config.Duration(time.Second)
	cfg.Listeners[0].Endpoints[0].Greeting = "welcome"
	n := start(t, cfg)
	silent := n.dial(ctx, t, "/?channel=room.1")
	c := n.dial(ctx, t, "/?channel=room.1")
	if got := n.hub.Subscribers("room.1"); got != 0 {
		t.Errorf("%d subscribers", got)
	}
	say(ctx, t, c, `{"type":"auth","token":"`+token(t, nil)+`"}`)
	expect(ctx, t, c, "welcome")
	n.joined(t, "room.1", 1)
	expectClose(ctx, t, silent, 4401, "valid token")
	say(ctx, t, c, "hello")
	expect(ctx, t, c, "hello")
	eventually(t, "the reason in the metrics", func() bool { return n.closed(metrics.CloseUnauthorized) == 1 })
}

// C7: a cookie is no token; a page of another origin is refused whatever it
// brings; no answer lets other origins read.
func TestC7Cookies(t *testing.T) {
	ctx := within(t)
	n := start(t, authConfig())
	good := token(t, nil)
	cookies := http.Header{"Cookie": {"token=" + good + "; access_token=" + good + "; Authorization=Bearer " + good}}
	n.refused(ctx, t, "cookies", "/?channel=room.1", cookies, 401)
	stranger := bearer(good)
	stranger.Set("Origin", "https://evil.example")
	stranger.Set("Cookie", cookies.Get("Cookie"))
	n.refused(ctx, t, "another origin with a good token", "/?channel=room.1", stranger, 403)
	same := bearer(good)
	same.Set("Origin", "http://"+n.Addresses()[0])
	for _, header := range []http.Header{nil, cookies, stranger, same} {
		for _, target := range []string{"/", "/?channel=room.1", "/nothing"} {
			_, resp, _ := n.try(ctx, t, target, header)
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("%s: the answer has %s", target, name)
				}
			}
		}
	}
}

// L2: who shows bad tokens too often is not let in, at the upgrade or later;
// who shows none is told that one is needed, as often as it takes.
func TestL2FailedTokens(t *testing.T) {
	ctx := within(t)
	cfg := authConfig()
	cfg.Auth.Sources = []config.TokenSource{config.Authorization, config.FirstMessage}
	cfg.Limits.FailedAuthsPerAddress = 2
	n := start(t, cfg)
	for range 3 {
		_ = n.dial(ctx, t, "/").CloseNow() // the first message never comes
	}
	n.refused(ctx, t, "a bad token", "/", bearer("x"), 401)
	c := n.dial(ctx, t, "/")
	say(ctx, t, c, `{"type":"auth","token":"x"}`)
	expectClose(ctx, t, c, 4401, "valid token")
	// It is refused at the accept, before it has asked for anything: an HTTP
	// client may take that answer for a mistake.
	conn, err := net.Dial("tcp", n.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	if got := n.metrics.Edge().HandshakeFailures[metrics.HandshakeAddressAuth].Load(); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") || got != 1 {
		t.Errorf("after two bad tokens: %q (%v), %d refused for it", answer, err, got)
	}
}
