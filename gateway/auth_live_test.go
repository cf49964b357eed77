package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
)

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
