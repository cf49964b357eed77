package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/metrics"
)

const secret = "0k8Zq2vXw9LrT5nYb7HcJd3FmGs6PaEu1iOe4WtRyUx"

// now is when these tests happen.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// material is one private key of each kind. Making them takes a while.
var material = sync.OnceValue(func() (m struct {
	rsa, small *rsa.PrivateKey
	ec, ec384  *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
},
) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	m.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	m.small, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	m.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	m.ec384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, m.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return m
})

func pemOf(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b}))
}

func key(t testing.TB, id, algorithm string, public crypto.PublicKey) *Key {
	t.Helper()
	k, err := NewPublicKey(id, algorithm, pemOf(t, public))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// options are a verifier's with a key of each kind.
func options(t testing.TB) Options {
	t.Helper()
	m := material()
	hs, err := NewSecretKey("hs", "HS256", secret)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Keys: []*Key{
			hs, key(t, "rs", "RS256", m.rsa.Public()), key(t, "ps", "PS384", m.rsa.Public()),
			key(t, "es", "ES256", m.ec.Public()), key(t, "es384", "ES384", m.ec384.Public()), key(t, "ed", "EdDSA", m.ed.Public()),
		},
		Issuer: "https://id.example.com", Audience: "sluice",
		MaxLifetime: 24 * time.Hour, Leeway: 30 * time.Second, TokenBytes: 4096,
	}
}

func verifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v, err := NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// claimSet are good claims; with changes, or without where nil.
func claimSet(changes map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": "https://id.example.com", "aud": "sluice", "sub": "alice",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
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

// sign makes a token; header overrides what the library sets.
func sign(t testing.TB, method jwt.SigningMethod, private any, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for k, v := range header {
		if v == nil {
			delete(token.Header, k)
		} else {
			token.Header[k] = v
		}
	}
	s, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hs is a token of the key hs.
func hs(t testing.TB, c jwt.MapClaims) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "hs"}, c)
}

// signText is a token of the key hs whose parts are texts, well-formed or not.
func signText(t testing.TB, header, payload string) string {
	t.Helper()
	e := base64.RawURLEncoding
	text := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload))
	sig, err := jwt.SigningMethodHS256.Sign(text, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + e.EncodeToString(sig)
}

const hsHeader = `{"alg":"HS256","typ":"JWT","kid":"hs"}`

// expect holds Verify's answer to a reason; ok is no refusal.
const ok = metrics.NumTokenRefusals

func expect(t *testing.T, v *Verifier, name, token string, want metrics.TokenRefusal) {
	t.Helper()
	id, err := v.Verify(token, now)
	if want == ok {
		if err != nil || id == nil {
			t.Errorf("%s: %v, want it taken", name, err)
		}
		return
	}
	var r *Refused
	if id != nil || !errors.As(err, &r) || r.Reason != want {
		t.Errorf("%s: %v (%v), want %v", name, err, id, want)
	}
	if err != nil && len(token) > 40 && strings.Contains(err.Error(), token[:40]) {
		t.Errorf("%s: the error shows the token", name)
	}
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
