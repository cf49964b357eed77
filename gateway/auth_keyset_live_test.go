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
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
