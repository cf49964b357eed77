package auth

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Explain says the same as Verify: the step that fails is the reason, what
// comes before it passed, what comes after it was not looked at.
func TestExplain(t *testing.T) {
	o := options(t)
	o.Revocations = NewRevocations(10, 24*time.Hour)
	if err := o.Revocations.Add(Revocation{TokenID: "gone"}, now); err != nil {
		t.Fatal(err)
	}
	v := verifier(t, o)
	good := hs(t, claimSet(nil))
	for _, c := range []struct{ name, token, step, detail string }{
		{"good", good, "", ""},
		{"nothing", "", "form", "1 parts, 0 bytes"},
		{"noise", "a.b.c", "form", "wanted: 3 parts"},
		{"a foreign typ", signText(t, `{"alg":"HS256","kid":"hs","typ":"JOSE"}`, toJSON(t, claimSet(nil))), "header", `typ "JOSE"`},
		{"kid", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "x"}, claimSet(nil)), "key", `kid "x"; known: "hs" (HS256)`},
		{"algorithm", sign(t, jwt.SigningMethodHS384, []byte(secret), map[string]any{"kid": "hs"}, claimSet(nil)), "algorithm", `alg "HS384"; the key's: HS256`},
		{"signature", good[:len(good)-5] + "AAAAA", "signature", "not made with this key"},
		{"no exp", hs(t, claimSet(map[string]any{"exp": nil})), "claims", "exp is not there"},
		{"exp", hs(t, claimSet(map[string]any{"exp": "soon"})), "claims", `exp "soon"; wanted: whole seconds`},
		{"no sub", hs(t, claimSet(map[string]any{"sub": nil})), "claims", "sub not there"},
		{"channels", hs(t, claimSet(map[string]any{"channels": []string{"a*"}})), "claims", `channels ["a*"]`},
		{"a name twice", signText(t, hsHeader, `{"sub":"a","sub":"b"}`), "form", "no name twice"},
		{"issuer", hs(t, claimSet(map[string]any{"iss": "x"})), "issuer", `iss "x"; wanted: "https://id.example.com"`},
		{"audience", hs(t, claimSet(map[string]any{"aud": "x"})), "audience", `wanted: "sluice" among them`},
		{"expired", hs(t, claimSet(map[string]any{"exp": now.Add(-time.Minute).Unix()})), "expiry", "(1m0s ago)"},
		{"early", hs(t, claimSet(map[string]any{"nbf": now.Add(time.Minute).Unix()})), "beginning", "(in 1m0s)"},
		{"long", hs(t, claimSet(map[string]any{"exp": now.Add(25 * time.Hour).Unix()})), "lifetime", "25h0m0s from iat to exp; at most 24h"},
		{"revoked", hs(t, claimSet(map[string]any{"jti": "gone"})), "revocation", `jti "gone"`},
	} {
		e := v.Explain(c.token, now)
		_, err := v.Verify(c.token, now)
		if (err == nil) != (e.Identity != nil) {
			t.Errorf("%s: Verify says %v", c.name, err)
		}
		failed := ""
		for _, s := range e.Steps {
			switch {
			case s.Verdict == Failed && failed != "":
				t.Errorf("%s: two steps fail", c.name)
			case s.Verdict == Failed:
				failed = s.Name
				if !strings.Contains(s.Detail, c.detail) {
					t.Errorf("%s: %s, no %q in it", c.name, s.Detail, c.detail)
				}
			case failed != "" && s.Verdict != Skipped:
				t.Errorf("%s: %s was looked at after %s", c.name, s.Name, failed)
			}
			if (s.Verdict == Skipped) != (s.Detail == "not looked at") {
				t.Errorf("%s: %s %s %s", c.name, s.Name, s.Verdict, s.Detail)
			}
			if strings.Contains(s.Detail, secret) {
				t.Errorf("%s: the secret is shown", c.name)
			}
		}
		if failed != c.step {
			t.Errorf("%s: %q fails, want %q", c.name, failed, c.step)
		}
	}
}

// What Grant signs, a Verifier with the public half takes.
func TestGrant(t *testing.T) {
	m := material()
	o := options(t)
	o.Keys[1] = key(t, "rs", "RS512", m.rsa.Public())
	v := verifier(t, o)
	pemOfPrivate := func(private any) []byte {
		b, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
	}
	for _, c := range []struct {
		kid, algorithm string
		private        []byte
	}{
		{"hs", "HS256", nil},
		{"rs", "RS512", pemOfPrivate(m.rsa)},
		{"ps", "PS384", pemOfPrivate(m.rsa)},
		{"es", "ES256", pemOfPrivate(m.ec)},
		{"es384", "ES384", pemOfPrivate(m.ec384)},
		{"ed", "EdDSA", pemOfPrivate(m.ed)},
	} {
		g := Grant{
			KeyID: c.kid, Algorithm: c.algorithm, Issuer: o.Issuer, Audience: o.Audience, User: "alice", TokenID: "t1",
			Issued: now, Expires: now.Add(time.Hour), Subscribe: []string{"room.*"}, Publish: []string{"room.1"}, Meta: []byte(`{"a":1}`),
		}
		token, err := g.Sign(secret, c.private)
		if err != nil {
			t.Errorf("%s: %v", c.algorithm, err)
			continue
		}
		id, err := v.Verify(token, now)
		if err != nil || id.User != "alice" || id.TokenID != "t1" || string(id.Meta) != `{"a":1}` || len(id.Subscribe) != 1 || len(id.Publish) != 1 {
			t.Errorf("%s: %+v, %v", c.algorithm, id, err)
		}
	}
	for name, g := range map[string]*Grant{"none": {Algorithm: "none"}, "unknown": {Algorithm: "HS1"}, "no private key": {Algorithm: "ES256"}} {
		if token, err := g.Sign(secret, nil); err == nil {
			t.Errorf("%s: %s", name, token)
		}
	}
}
