// Package jwks keeps the public keys of an identity provider: it fetches a JWK
// set (RFC 7517) in the background, and never while somebody waits for a key.
package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/auth"
	"sluice/gateway/metrics"
)

// Bounds of a fetch.
const (
	fetchTimeout = 5 * time.Second
	maxSet       = 256 << 10 // bytes
	// minPause lies between two fetches, whatever asks for them: a flood of
	// made-up kids does not become a flood of requests.
	minPause = 30 * time.Second
)

// Options configure a Source.
type Options struct {
	// URL is where the set is: https, or http on a loopback address.
	URL string
	// Refresh is the time between two fetches, at least minPause.
	Refresh time.Duration
	// MaxStale is how old a set may become when fetches fail; after that it has no keys.
	MaxStale time.Duration
	// CAs are what the server's certificate is checked against; nil: the system's.
	CAs *x509.CertPool
	// Client fetches; nil: one of the Source's own, which follows no redirects and uses no proxy.
	Client  *http.Client
	Metrics *metrics.Cell
	Log     zerolog.Logger
}

// Source is an auth.KeySource that Run keeps fresh.
type Source struct {
	// Static after New.
	o       Options
	started time.Time
	wanted  chan struct{} // a kid was asked for that is not there
	tried   chan struct{} // closed when the first fetch has ended

	set atomic.Pointer[set]
}

// set is what a fetch gave. It is read only.
type set struct {
	keys    map[string]*auth.Key
	fetched time.Time
}

// CheckURL says what is wrong with the address of a key set; nil when nothing is.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "" || u.User != nil:
		return errors.New("must be an https URL without a user and a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https: whoever can change the answer can sign tokens (http is for a loopback address)")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// New returns a source that has no keys before Run has fetched them.
func New(o Options) *Source {
	if o.Client == nil {
		o.Client = client(o.CAs)
	}
	o.Refresh = max(o.Refresh, minPause)
	return &Source{o: o, started: time.Now(), wanted: make(chan struct{}, 1), tried: make(chan struct{})}
}

// client follows nobody elsewhere, and holds nothing open between fetches.
func client(cas *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: fetchTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: cas},
			TLSHandshakeTimeout:    fetchTimeout,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 16 << 10,
		},
	}
}

// Find implements auth.KeySource. A kid that is not there is looked for in the
// background; who brings it comes again.
func (s *Source) Find(kid string) *auth.Key {
	if set := s.set.Load(); set != nil && time.Since(set.fetched) <= s.o.MaxStale {
		if k := set.keys[kid]; k != nil {
			return k
		}
	}
	select {
	case s.wanted <- struct{}{}:
	default:
	}
	return nil
}

// Age is how old the key set is; without one, how long there has been none.
func (s *Source) Age() time.Duration {
	if set := s.set.Load(); set != nil {
		return time.Since(set.fetched)
	}
	return time.Since(s.started)
}

// Run fetches until ctx is done: at once, every Refresh, and when a kid is
// missing, but never twice within minPause. It is called once.
func (s *Source) Run(ctx context.Context) {
	for first := true; ; first = false {
		err := s.Fetch(ctx)
		if first {
			close(s.tried)
		}
		if ctx.Err() != nil {
			return
		}
		select { // who asked while the fetch was under way has been served
		case <-s.wanted:
		default:
		}
		if !pause(ctx, minPause, nil) {
			return
		}
		if err != nil {
			continue
		}
		if !pause(ctx, s.o.Refresh-minPause, s.wanted) {
			return
		}
	}
}

// Tried is closed when Run's first fetch has ended, well or not.
func (s *Source) Tried() <-chan struct{} { return s.tried }

// pause waits for d, or for early if that comes first; false: ctx is done.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-early:
	}
	return true
}

// Fetch replaces the key set by the one that the URL gives now. When that
// fails, the last good one stays.
func (s *Source) Fetch(ctx context.Context) error {
	keys, err := s.fetch(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Metrics.KeySetFailures.Add(1)
			s.o.Log.Warn().Err(err).Dur("age_ms", s.Age()).Msg("key set could not be fetched, the last one stays")
		}
		return err
	}
	next := &set{keys: make(map[string]*auth.Key, len(keys)), fetched: time.Now()}
	for _, k := range keys {
		next.keys[k.ID] = k
	}
	s.o.Metrics.KeySetFetches.Add(1)
	if s.set.Swap(next) == nil {
		s.o.Log.Info().Int("keys", len(keys)).Msg("key set fetched")
	}
	return nil
}

func (s *Source) fetch(ctx context.Context) ([]*auth.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.o.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("jwks: fetch: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: the answer has status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return nil, fmt.Errorf("jwks: read: %w", err)
	}
	if len(body) > maxSet {
		return nil, fmt.Errorf("jwks: the key set has more than %d bytes", maxSet)
	}
	keys, err := auth.ParseKeySet(body)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	return keys, nil
}
