package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"sluice/gateway/auth"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

const secret = "0k8Zq2vXw9LrT5nYb7HcJd3FmGs6PaEu1iOe4WtRyUx"

// guarded gives the rig's endpoint a gate: users join and publish to what their tokens name.
func guarded(t *testing.T, r *rig, sources Sources, rules ...string) *auth.Revocations {
	t.Helper()
	key, err := auth.NewSecretKey("k", "HS256", secret)
	if err != nil {
		t.Fatal(err)
	}
	list := auth.NewRevocations(10, 24*time.Hour)
	v, err := auth.NewVerifier(auth.Options{
		Keys: []*auth.Key{key}, Issuer: "i", Audience: "a", MaxLifetime: 24 * time.Hour, Leeway: 30 * time.Second, TokenBytes: 4096, Revocations: list,
	})
	if err != nil {
		t.Fatal(err)
	}
	authority := new(atomic.Pointer[Authority])
	authority.Store(&Authority{Verifier: v, Policy: policy(t, rules...), FirstMessage: 5 * time.Second, Grace: 25 * time.Second})
	r.ep.Auth = &Gate{
		Users:   NewTally(),
		Sources: sources, Subprotocol: "sluice", Refusals: NewRefusals(r.set.Edge(), zerolog.Nop()), Authority: authority,
	}
	return list
}

// policy has the same rules for every channel; none: claims.
func policy(t *testing.T, rules ...string) *auth.Policy {
	t.Helper()
	if len(rules) == 0 {
		rules = []string{"claims"}
	}
	rs, err := auth.ParseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewPolicy([]auth.Namespace{{Match: "*", Subscribe: rs, Publish: rs}})
}

// tokenFor is a token that is valid from now for d.
func tokenFor(t *testing.T, user string, d time.Duration, channels ...string) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "i", "aud": "a", "sub": user, "iat": time.Now().Unix(), "exp": time.Now().Add(d).Unix(), "channels": channels, "publish": channels,
	})
	tok.Header["kid"] = "k"
	s, err := tok.SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// enter opens a session with an upgrade request.
func (r *rig) enter(t *testing.T, target string, headers ...string) (*client, error) {
	t.Helper()
	c := &client{t: t}
	b := ws.AppendUpgradeRequest(nil, "example.com", target, "dGhlIHNhbXBsZSBub25jZQ==", headers...)
	req, _, err := ws.ParseRequest(&ws.HandshakeLimits{}, b)
	if err != nil {
		t.Fatal(err)
	}
	adm, _, err := r.ep.Enter(&req, c)
	if err != nil {
		return nil, err
	}
	clear(b) // it is the poller's
	c.Open(r.ep, c, adm, nil, ws.Deflate{}, adm.Greet([]byte{}, ws.AppendFrame(nil, ws.Text, []byte("welcome"))))
	synctest.Wait()
	return c, nil
}

func (r *rig) mustEnter(t *testing.T, target string, headers ...string) *client {
	t.Helper()
	c, err := r.enter(t, target, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func bearer(token string) []string { return []string{"Authorization: Bearer " + token} }

func authText(token string) string { return fmt.Sprintf(`{"type": "auth", "token": %q}`, token) }

// A5: a connection ends with its token, where the client cannot bring another.
func TestA5ExpiryWithoutRefresh(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization)
		c := r.mustEnter(t, "/?channel=room", bearer(tokenFor(t, "alice", time.Minute, "room"))...)
		c.check(frame{ws.Text, "welcome"})
		time.Sleep(59 * time.Second)
		c.send(ws.Text, "still here")
		c.check(frame{ws.Text, "still here"})
		time.Sleep(2500 * time.Millisecond)
		c.check(farewell(CodeUnauthorized, "token expired"))
		if r.closed(metrics.CloseExpired) != 0 { // counted when the socket has ended
			t.Error("counted too early")
		}
		c.Detach()
		synctest.Wait()
		if n := r.closed(metrics.CloseExpired); n != 1 {
			t.Errorf("%d connections closed as expired", n)
		}
	})
}

// A5: a client that may send a new token has 25 s for it; the new one must name
// the same user, and what it does not allow is left.
func TestA5Refresh(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization|FromFirstMessage)
		join := func() *client {
			c := r.mustEnter(t, "/?channel=a&channel=b", bearer(tokenFor(t, "alice", time.Minute, "a", "b"))...)
			c.check(frame{ws.Text, "welcome"})
			return c
		}
		late, good, other, less, none := join(), join(), join(), join(), join()
		time.Sleep(61 * time.Second) // expired, within the grace
		good.send(ws.Text, authText(tokenFor(t, "alice", time.Hour, "a", "b")))
		good.check() // it is no message
		other.send(ws.Text, authText(tokenFor(t, "bob", time.Hour, "a", "b")))
		other.check(farewell(CodeUnauthorized, "a valid token is needed"))
		if n := r.set.Edge().TokenRefusals[metrics.TokenSubject].Load(); n != 1 {
			t.Errorf("%d refusals for another user", n)
		}
		less.send(ws.Text, authText(tokenFor(t, "alice", time.Hour, "b")))
		none.send(ws.Text, authText(tokenFor(t, "alice", time.Hour, "c")))
		none.check(farewell(CodeForbidden, "not allowed"))
		if n := r.hub.Subscribers("a"); n != 2 { // late and good
			t.Errorf("%d subscribers of a", n)
		}
		less.send(ws.Text, "to b alone")
		good.check(frame{ws.Text, "to b alone"})
		late.check(frame{ws.Text, "to b alone"})
		less.check(frame{ws.Text, "to b alone"})

		time.Sleep(22 * time.Second) // 83 s
		late.check()
		time.Sleep(4 * time.Second) // 87 s
		late.check(farewell(CodeUnauthorized, "token expired"))
		good.check()
		good.send(ws.Text, authText("not a token"))
		good.check(farewell(CodeUnauthorized, "a valid token is needed"))
	})
}

// L1: verifying a token costs a poller more than all else that a client may send:
// a client that sends more of them than refreshes_per_minute is closed with 1008,
// good as they are, and none above it is looked at. A new minute is a new start, a
// new policy none.
func TestL1RefreshRate(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization|FromFirstMessage)
		r.limit(func(l *Limits) { l.RefreshesPerMinute = 3 })
		good := tokenFor(t, "alice", time.Hour, "a")
		c := r.mustEnter(t, "/?channel=a", bearer(good)...)
		c.frames()
		for range 5 {
			for range 3 {
				c.send(ws.Text, authText(good))
			}
			c.check()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		c.send(ws.Text, authText(good))
		c.send(ws.Text, authText(good))
		a := *r.ep.Auth.Authority.Load()
		r.ep.Auth.Authority.Store(&a)
		c.Adapt()
		c.send(ws.Text, authText(good))
		c.check()
		c.send(ws.Text, authText("not even a token"))
		c.check(farewell(ws.PolicyViolation, "too many tokens"))
		for reason := range metrics.NumTokenRefusals {
			if n := r.set.Edge().TokenRefusals[reason].Load(); n != 0 {
				t.Errorf("%d were refused as %v: they were looked at", n, reason)
			}
		}
		c.Detach()
		synctest.Wait()
		if n := r.closed(metrics.CloseRateLimit); n != 1 {
			t.Errorf("%d were closed for it, want 1", n)
		}
	})
}

// A5, L10: what looks like a renewal and is none is a message like any other.
func TestA5OnlyTokensAreTaken(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization|FromFirstMessage)
		c := r.mustEnter(t, "/?channel=a", bearer(tokenFor(t, "alice", time.Minute, "a"))...)
		c.frames()
		for _, text := range []string{
			`{"type":"auth"}`, `{"type":"authentic","token":"x"}`, `{"type":"auth","token":"x","more":1}`, `{"type":"auth","token":1}`,
			`[{"type":"auth","token":"x"}]`, `{"type":"auth","token":"x"} {}`, `{"auth":`, "auth", "",
			`{"type":"auth","token":"x","token":"y"}`, `{"Type":"auth","Token":"x"}`, `{"type":"auth","token":""}`,
		} {
			c.send(ws.Text, text)
			c.check(frame{ws.Text, text})
		}
		c.send(ws.Binary, authText("x"))
		c.check(frame{ws.Binary, authText("x")})
	})
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization)
		c := r.mustEnter(t, "/?channel=a", bearer(tokenFor(t, "alice", time.Minute, "a"))...)
		c.frames()
		c.send(ws.Text, authText("x")) // first_message is off
		c.check(frame{ws.Text, authText("x")})
	})
}

// A10: a client without a token joins nothing and hears nothing before its
// first message; then it joins what its URL asked for.
func TestA10FirstMessage(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromFirstMessage)
		c := r.mustEnter(t, "/?channel=room")
		if n := r.hub.Subscribers("room"); n != 0 {
			t.Errorf("%d subscribers before the token", n)
		}
		_, _ = r.hub.Publish([]string{"room"}, hub.Publication{Payload: []byte("not for you")})
		c.send(ws.Ping, "?")
		c.check(frame{ws.Pong, "?"})
		c.send(ws.Text, authText(tokenFor(t, "alice", time.Hour, "room")))
		c.check(frame{ws.Text, "welcome"}) // the greeting says that it is in
		c.send(ws.Text, "hello")
		c.check(frame{ws.Text, "hello"})
		if user, _, _ := c.Who(); user != "alice" {
			t.Errorf("it is %q", user)
		}
		time.Sleep(10 * time.Second)
		c.check() // the timeout is over
	})
}

// A10, W3: 5 seconds, 4 KiB, in one message and in all, and one try.
func TestA10Limits(t *testing.T) {
	refused := farewell(CodeUnauthorized, "a valid token is needed")
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromFirstMessage)
		limits := *r.limits.Load()
		limits.Rules.MaxMessage = 1 << 20
		r.limits.Store(&limits)
		silent := r.mustEnter(t, "/?channel=room")
		time.Sleep(4 * time.Second)
		silent.check()
		time.Sleep(2500 * time.Millisecond) // 5 s, and up to one for the tick
		silent.check(refused)

		for name, payload := range map[string]string{
			"a message": "hello", "a bad token": authText("x"), "another's": authText(tokenFor(t, "", time.Hour)), "nothing": "",
		} {
			c := r.mustEnter(t, "/?channel=room")
			c.send(ws.Text, payload)
			if got := c.frames(); len(got) != 1 || got[0] != refused {
				t.Errorf("%s: %v", name, got)
			}
		}
		fragment := func(op ws.Opcode, payload string) string {
			return string(ws.AppendMaskedFragment(nil, op, false, [4]byte{}, []byte(payload)))
		}
		for name, early := range map[string]struct {
			bytes string
			code  ws.CloseCode
		}{
			"one frame of 4 KiB and a byte": {string(masked(ws.Text, strings.Repeat("x", 4097))), ws.MessageTooBig},
			"its header alone":              {string(masked(ws.Text, strings.Repeat("x", 4097))[:8]), ws.MessageTooBig},
			"fragments of 4 KiB and a byte": {fragment(ws.Text, strings.Repeat("x", 2048)) + fragment(ws.Continuation, strings.Repeat("x", 2049)), ws.MessageTooBig},
			"pings of 5 KB":                 {strings.Repeat(string(masked(ws.Ping, strings.Repeat("x", 100))), 50), CodeUnauthorized},
			"fragments without an end":      {fragment(ws.Text, "") + strings.Repeat(fragment(ws.Continuation, ""), 1000), ws.PolicyViolation},
		} {
			for _, step := range []int{len(early.bytes), 100} {
				c := r.mustEnter(t, "/?channel=room")
				for part := range slices.Chunk([]byte(early.bytes), step) {
					c.Feed(part)
				}
				synctest.Wait()
				got := c.frames()
				if len(got) == 0 || got[len(got)-1].Op != ws.Close || got[len(got)-1].Payload[:2] != farewell(early.code, "").Payload {
					t.Errorf("%s, %d bytes at a time: %v, want close %d", name, step, got, early.code)
				}
			}
		}
		if n := r.hub.Subscribers("room"); n != 0 {
			t.Errorf("%d subscribers", n)
		}
		c := r.mustEnter(t, "/?channel=other")
		c.send(ws.Text, authText(tokenFor(t, "alice", time.Hour, "room")))
		c.check(farewell(CodeForbidden, `not allowed: you may not join "other"`))
	})
}

// A8: publishing is a permission of its own.
func TestA8Publish(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization)
		all, err := auth.ParseRules([]string{"users"})
		if err != nil {
			t.Fatal(err)
		}
		mine, err := auth.ParseRules([]string{"claims"})
		if err != nil {
			t.Fatal(err)
		}
		a := *r.ep.Auth.Authority.Load()
		a.Policy = auth.NewPolicy([]auth.Namespace{{Match: "*", Subscribe: all, Publish: mine}})
		r.ep.Auth.Authority.Store(&a)
		one := r.mustEnter(t, "/?channel=a&channel=b", bearer(tokenFor(t, "alice", time.Hour, "a"))...)
		both := r.mustEnter(t, "/?channel=b", bearer(tokenFor(t, "bob", time.Hour))...)
		one.frames()
		both.frames()
		one.send(ws.Text, "to a alone")
		one.check(frame{ws.Text, "to a alone"})
		both.check()
		both.send(ws.Text, "nowhere")
		both.check(farewell(CodeForbidden, "not allowed: you may not publish"))
		if n := r.drops(metrics.DropNotAllowed); n != 1 {
			t.Errorf("%d drops", n)
		}
	})
}

// A8: a policy that is replaced holds for those who are connected, too.
func TestA8PolicyChanges(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization, "users")
		c := r.mustEnter(t, "/?channel=a&channel=b", bearer(tokenFor(t, "alice", time.Hour, "a"))...)
		d := r.mustEnter(t, "/?channel=b", bearer(tokenFor(t, "bob", time.Hour, "a"))...)
		c.frames()
		d.frames()
		a := *r.ep.Auth.Authority.Load()
		a.Policy = policy(t, "claims")
		r.ep.Auth.Authority.Store(&a)
		r.hub.Each(func(conn hub.Conn) { conn.(*client).Adapt() })
		synctest.Wait()
		d.check(farewell(CodeForbidden, "not allowed"))
		if a, b := r.hub.Subscribers("a"), r.hub.Subscribers("b"); a != 1 || b != 0 {
			t.Errorf("%d and %d subscribers", a, b)
		}
		c.send(ws.Text, "to a")
		c.check(frame{ws.Text, "to a"})
	})
}

// A8: a connection that was let in while the policy was replaced is held to the
// new one when it opens; the endpoint's own channels may have the user in them.
func TestA8OwnChannels(t *testing.T) {
	inBubble(t, hub.Settings{}, func(ep *Endpoint) { ep.Channels = []string{"user.{user}", "lobby"} }, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization, "user.{user}", "claims")
		c := r.mustEnter(t, "/", bearer(tokenFor(t, "alice", time.Hour, "lobby"))...)
		c.frames()
		if a, b := r.hub.Subscribers("user.alice"), r.hub.Subscribers("lobby"); a != 1 || b != 1 {
			t.Errorf("%d and %d subscribers", a, b)
		}
		if _, err := r.enter(t, "/", bearer(tokenFor(t, "bob", time.Hour))...); !errors.Is(err, ErrForbidden) {
			t.Errorf("without the lobby: %v", err)
		}
		if _, err := r.enter(t, "/", bearer(tokenFor(t, "a.name.that.is.too.long", time.Hour, "lobby"))...); !errors.Is(err, ErrChannel) {
			t.Errorf("a name that is too long: %v", err)
		}

		id, err := r.ep.Auth.Authority.Load().Verifier.Verify(tokenFor(t, "alice", time.Hour, "lobby"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		adm, err := r.ep.grant(id, r.ep.Channels)
		if err != nil {
			t.Fatal(err)
		}
		a := *r.ep.Auth.Authority.Load()
		a.Policy = policy(t, "claims")
		r.ep.Auth.Authority.Store(&a)
		late := &client{t: t}
		late.Open(r.ep, late, adm, nil, ws.Deflate{}, []byte{})
		synctest.Wait()
		if a, b := r.hub.Subscribers("user.alice"), r.hub.Subscribers("lobby"); a != 1 || b != 2 {
			t.Errorf("%d and %d subscribers after the change", a, b)
		}
	})
}

// A8: a policy that is replaced between the moment that the hub knows a connection and
// the one that it has joined holds for it, too, and its user's count is that of what it is in.
func TestA8PolicyChangesWhileJoining(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization, "users")
		c := &client{t: t}
		id, err := r.ep.Auth.Authority.Load().Verifier.Verify(tokenFor(t, "alice", time.Hour, "a"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		adm, err := r.ep.grant(id, []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		// What Open does before it joins.
		c.ep = r.ep
		c.admission.Store(adm)
		c.Hold()
		r.hub.Attach(&c.Subscriber, c, r.ep.Variants.pick(false, ws.Deflate{}))
		synctest.Wait()
		a := *r.ep.Auth.Authority.Load()
		a.Policy = policy(t, "claims")
		r.ep.Auth.Authority.Store(&a)
		r.hub.Each(func(conn hub.Conn) { conn.(*client).Adapt() })
		c.join(adm, nil, []byte{})
		synctest.Wait()
		if a, b := r.hub.Subscribers("a"), r.hub.Subscribers("b"); a != 1 || b != 0 {
			t.Errorf("%d and %d subscribers", a, b)
		}
		if n := r.ep.Auth.Users.users["alice"]; n != 1 {
			t.Errorf("%d channels are counted", n)
		}
		c.Detach()
		if n := r.ep.Auth.Users.Users(); n != 0 {
			t.Errorf("%d users are counted when it has ended", n)
		}
	})
}

// A6: a connection that was let in while its token was revoked is cut when it opens.
func TestA6RevokedWhileOpening(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		list := guarded(t, r, FromAuthorization)
		c := &client{t: t}
		b := ws.AppendUpgradeRequest(nil, "h", "/?channel=room", "dGhlIHNhbXBsZSBub25jZQ==", bearer(tokenFor(t, "alice", time.Hour, "room"))...)
		req, _, err := ws.ParseRequest(&ws.HandshakeLimits{}, b)
		if err != nil {
			t.Fatal(err)
		}
		adm, _, err := r.ep.Enter(&req, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.Add(auth.Revocation{User: "alice"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		c.Open(r.ep, c, adm, nil, ws.Deflate{}, []byte{})
		synctest.Wait()
		c.check(farewell(CodeUnauthorized, "token revoked"))
		if _, err := r.enter(t, "/?channel=room", bearer(tokenFor(t, "alice", time.Hour, "room"))...); err != ErrUnauthorized {
			t.Errorf("it comes back in the same second: %v", err)
		}
	})
}

// What the node has closed is not heard any more, though its socket is still open.
func TestClosedClientsAreNotHeard(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		a, b := r.join(t, ""), r.join(t, "")
		if !r.hub.Disconnect(a.ID(), ws.AppendClose(nil, 4000, "")) {
			t.Fatal("not found")
		}
		a.send(ws.Text, "from beyond")
		b.check()
		if n := r.drops(metrics.DropNotAllowed); n != 1 {
			t.Errorf("%d drops", n)
		}
	})
}

// L8: a user's connections together may join so many channels, and when they have
// ended, whenever that was, nothing is left of the count.
func TestL8SubscriptionsPerUser(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		guarded(t, r, FromAuthorization, "users")
		r.limit(func(l *Limits) { l.SubscriptionsPerUser = 3 })
		enter := func(user, target string) (*client, error) {
			c, err := r.enter(t, target, bearer(tokenFor(t, user, time.Hour))...)
			return c, err
		}
		one, err := enter("alice", "/?channel=a&channel=b")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := enter("alice", "/?channel=a&channel=b"); !errors.Is(err, ErrForbidden) {
			t.Errorf("a fourth: %v", err)
		}
		two, err := enter("alice", "/?channel=a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := enter("bob", "/?channel=a"); err != nil {
			t.Errorf("another user: %v", err)
		}
		one.Detach()
		one.Detach()
		if _, err := enter("alice", "/?channel=a&channel=b"); err != nil {
			t.Errorf("when one has left: %v", err)
		}

		a := *r.ep.Auth.Authority.Load()
		a.Policy = policy(t, "claims") // alice may join nothing any more
		r.ep.Auth.Authority.Store(&a)
		two.Adapt()
		if n := r.ep.Auth.Users.users["alice"]; n != 2 {
			t.Errorf("%d are counted after one was taken away", n)
		}
		two.Detach()

		early := &client{t: t} // its connection ends before it opens
		early.Detach()
		id := r.ep.Auth.Users
		adm := &Admission{Channels: []string{"a"}, id: &auth.Identity{User: "carol", Expires: time.Now().Add(time.Hour)}, by: &a}
		early.Open(r.ep, early, adm, nil, ws.Deflate{}, []byte{})
		if n := id.users["carol"]; n != 0 {
			t.Errorf("%d are counted of one that never was", n)
		}
	})
}

// A7: no token is kept with a query.
func TestA7QueriesAreNotKept(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		if _, err := r.ep.Admit("channel=a&token=canary"); err != nil {
			t.Fatal(err)
		}
		if n := len(r.ep.admitted.queries); n != 0 {
			t.Errorf("%d queries are kept", n)
		}
	})
}
