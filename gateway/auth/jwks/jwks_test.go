package jwks

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// A provider answers fetches without a network. Safe for concurrent use.
type provider struct {
	mu      sync.Mutex
	kids    []string
	broken  bool
	hangs   bool
	fetches int
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	if p.hangs {
		p.mu.Unlock()
		<-r.Context().Done()
		p.mu.Lock()
		return nil, r.Context().Err()
	}
	if p.broken {
		return nil, errors.New("down")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(keySet(p.kids...)))}, nil
}

func (p *provider) set(broken bool, kids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken, p.kids = broken, kids
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

func keySet(kids ...string) string {
	var list []string
	for _, kid := range kids {
		seed := bytes.Repeat([]byte(kid), 32)[:32]
		x := base64.RawURLEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
		list = append(list, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, kid, x))
	}
	return `{"keys":[` + strings.Join(list, ",") + `]}`
}

// bubble runs f with a source that runs, where time passes when everyone waits.
func bubble(t *testing.T, p *provider, f func(t *testing.T, s *Source, cell *metrics.Cell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cell := metrics.NewSet(1).Edge()
		s := New(Options{
			URL: "https://id.example.com/jwks", Refresh: 5 * time.Minute, MaxStale: time.Hour,
			Client: &http.Client{Transport: p}, Metrics: cell, Log: zerolog.Nop(),
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		f(t, s, cell)
		cancel()
		<-done
	})
}

// A4: a flood of unknown kids is one fetch in 30 s.
func TestA4KidFlood(t *testing.T) {
	p := &provider{kids: []string{"a"}}
	bubble(t, p, func(t *testing.T, s *Source, _ *metrics.Cell) {
		for range 100 { // 10,000 kids in 100 s
			for i := range 100 {
				if s.Find(fmt.Sprint("made up ", i)) != nil {
					t.Fatal("found")
				}
			}
			time.Sleep(time.Second)
		}
		if n := p.count(); n < 2 || n > 1+100/30 {
			t.Errorf("%d fetches in 100 s", n)
		}
		if s.Find("a") == nil {
			t.Error("the good key is lost")
		}
	})
}

// A4: a provider that shows the new key before it signs with it loses nobody; a
// key that it takes back is gone with the next fetch.
func TestA4Rotation(t *testing.T) {
	p := &provider{kids: []string{"a"}}
	bubble(t, p, func(t *testing.T, s *Source, _ *metrics.Cell) {
		p.set(false, "a", "b")
		for range 6 {
			time.Sleep(time.Minute)
			if s.Find("a") == nil {
				t.Fatal("the old key is gone during the overlap")
			}
		}
		if s.Find("b") == nil {
			t.Error("the new key is not known after the refresh")
		}
		p.set(false, "b")
		time.Sleep(6 * time.Minute)
		if s.Find("a") != nil || s.Find("b") == nil {
			t.Error("the old key is still known, or the new one is not")
		}
		synctest.Wait()        // for a last fetch, as the old key was asked for
		p.set(false, "b", "c") // without an overlap: the first asks in vain, 30 s later it is there
		if s.Find("c") != nil {
			t.Error("found before it was fetched")
		}
		time.Sleep(31 * time.Second)
		if s.Find("c") == nil {
			t.Error("not found 31 s after it was asked for")
		}
	})
}

// A4: while the provider is down its keys go on working, for an hour, and the
// metrics tell.
func TestA4Down(t *testing.T) {
	p := &provider{kids: []string{"a"}}
	bubble(t, p, func(t *testing.T, s *Source, cell *metrics.Cell) {
		p.set(true)
		time.Sleep(10 * time.Minute)
		if s.Find("a") == nil {
			t.Error("the key is gone after 10 minutes")
		}
		if n := cell.KeySetFailures.Load(); n < 5 || s.Age() < 10*time.Minute {
			t.Errorf("%d failures, age %v", n, s.Age())
		}
		time.Sleep(51 * time.Minute)
		if s.Find("a") != nil {
			t.Error("the key works for longer than max_stale")
		}
		p.set(false, "a")
		time.Sleep(31 * time.Second)
		if s.Find("a") == nil || s.Age() > time.Minute {
			t.Error("it does not recover within 31 s")
		}
	})
}

// A4: a provider that takes the request and does not answer is waited for 5 s, and its
// keys go on working.
func TestA4Hangs(t *testing.T) {
	p := &provider{kids: []string{"a"}}
	bubble(t, p, func(t *testing.T, s *Source, cell *metrics.Cell) {
		p.mu.Lock()
		p.hangs = true
		p.mu.Unlock()
		time.Sleep(5*time.Minute + 4*time.Second)
		if n := cell.KeySetFailures.Load(); n != 0 || p.count() != 2 {
			t.Errorf("%d failures of %d fetches after 4 s", n, p.count())
		}
		time.Sleep(2 * time.Second)
		if n := cell.KeySetFailures.Load(); n != 1 || s.Find("a") == nil {
			t.Errorf("%d failures after 6 s", n)
		}
	})
}

// A4: what a fetch does not take.
func TestA4Fetch(t *testing.T) {
	var hits int
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, keySet("a")) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, keySet("a")+strings.Repeat(" ", maxSet))
	})
	mux.HandleFunc("/html", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { hits++ })
	mux.Handle("/redirect", http.RedirectHandler("/elsewhere", http.StatusFound))
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, good := range map[string]bool{"/good": true, "/large": false, "/html": false, "/redirect": false, "/missing": false} {
		s := New(Options{URL: server.URL + path, MaxStale: time.Hour, Metrics: metrics.NewSet(1).Edge(), Log: zerolog.Nop()})
		if err := s.Fetch(t.Context()); (err == nil) != good || (s.Find("a") != nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
	if hits > 0 {
		t.Error("it followed a redirect")
	}
}

// A4: https, and nothing but a fixed URL.
func TestA4URL(t *testing.T) {
	for text, good := range map[string]bool{
		"https://id.example.com/jwks.json": true, "http://127.0.0.1:1/x": true, "http://localhost/x": true, "http://[::1]/x": true,
		"http://id.example.com/jwks.json": false, "http://127.0.0.1.evil.example/": false, "ftp://id.example.com": false, "": false,
		"https://user:pass@id.example.com/": false, "/jwks.json": false, "https://": false, "file:///etc/keys": false,
	} {
		if err := CheckURL(text); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
