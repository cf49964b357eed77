package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/api"
	"sluice/gateway/auth"
	"sluice/gateway/auth/jwks"
	"sluice/gateway/config"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/session"
)

// identities are what a node knows about who its clients are; nil: auth is off.
type identities struct {
	// Static after construction.
	keySet      *jwks.Source // nil: none is configured
	revocations *auth.Revocations
	refusals    *session.Refusals
	users       *session.Tally
}

// newIdentities reads the part of the configuration that a reload does not touch.
func newIdentities(c *config.Auth, cell *metrics.Cell, log zerolog.Logger) (*identities, error) {
	if !c.On() {
		return nil, nil
	}
	keySet, err := newKeySet(&c.JWKS, cell, log)
	if err != nil {
		return nil, err
	}
	return &identities{
		users:  session.NewTally(),
		keySet: keySet,
		// No token lives for longer than 24h, whatever a reload makes of max_lifetime.
		revocations: auth.NewRevocations(c.MaxRevocations, 24*time.Hour+time.Duration(c.Leeway)),
		refusals:    session.NewRefusals(cell, log),
	}, nil
}

// newKeySet is the source of the keys of an identity provider; nil: none is configured.
func newKeySet(c *config.JWKS, cell *metrics.Cell, log zerolog.Logger) (*jwks.Source, error) {
	if c.URL == "" {
		return nil, nil
	}
	o := jwks.Options{
		URL: c.URL, Refresh: time.Duration(c.Refresh), MaxStale: time.Duration(c.MaxStale), Metrics: cell, Log: log,
	}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("gateway: auth.jwks.ca_file: %w", err)
		}
		o.CAs = x509.NewCertPool()
		if !o.CAs.AppendCertsFromPEM(text) {
			return nil, errors.New("gateway: auth.jwks.ca_file has no certificate")
		}
	}
	return jwks.New(o), nil
}

// authority is how tokens and channels are decided about, as cfg says.
func (i *identities) authority(cfg *config.Config) (*session.Authority, error) {
	c := &cfg.Auth
	o := auth.Options{
		Issuer:      c.Issuer,
		Audience:    c.Audience,
		MaxLifetime: time.Duration(c.MaxLifetime),
		Leeway:      time.Duration(c.Leeway),
		TokenBytes:  int(c.TokenBytes),
		Revocations: i.revocations,
	}
	if i.keySet != nil {
		o.Source = i.keySet
	}
	for n := range c.Keys {
		k, err := c.Keys[n].Verifying()
		if err != nil {
			return nil, fmt.Errorf("gateway: auth.keys.%d: %w", n, err)
		}
		o.Keys = append(o.Keys, k)
	}
	v, err := auth.NewVerifier(o)
	if err != nil {
		return nil, err
	}
	var classes []auth.Namespace
	for _, ns := range cfg.Namespaces {
		subscribe, err := auth.ParseRules(ns.Subscribe)
		publish, err2 := auth.ParseRules(ns.Publish)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("gateway: namespace %s: %w", ns.Match, err)
		}
		classes = append(classes, auth.Namespace{Match: ns.Match, Subscribe: subscribe, Publish: publish})
	}
	return &session.Authority{
		Verifier:     v,
		Policy:       auth.NewPolicy(classes),
		FirstMessage: time.Duration(c.FirstMessageTimeout),
		Grace:        time.Duration(c.RefreshGrace),
	}, nil
}

// authorise has tokens and channels decided about as cfg says, from now on.
func (g *Gateway) authorise(cfg *config.Config) error {
	if g.identities == nil {
		return nil
	}
	a, err := g.identities.authority(cfg)
	if err != nil {
		return err
	}
	g.authority.Store(a)
	return nil
}

// gate is what an endpoint asks of those who connect; nil: nothing.
func (g *Gateway) gate(c *config.Endpoint) (*session.Gate, error) {
	if g.identities == nil || c.Auth.Mode == config.AuthNone {
		return nil, nil
	}
	sources := c.Auth.Sources
	if len(sources) == 0 {
		sources = g.cfg.Auth.Sources
	}
	gate := &session.Gate{Subprotocol: g.cfg.Auth.Subprotocol, Users: g.identities.users, Refusals: g.identities.refusals, Authority: &g.authority}
	for _, s := range sources {
		gate.Sources |= map[config.TokenSource]session.Sources{
			config.Authorization: session.FromAuthorization,
			config.Subprotocol:   session.FromSubprotocol,
			config.FirstMessage:  session.FromFirstMessage,
			config.Query:         session.FromQuery,
		}[s]
	}
	if len(c.Auth.Anonymous) > 0 {
		patterns, err := auth.ParsePatterns(c.Auth.Anonymous)
		if err != nil {
			return nil, fmt.Errorf("gateway: endpoint %s: %w", c.Path, err)
		}
		gate.Anonymous = auth.Anonymous(patterns)
	}
	return gate, nil
}

// revokeHere takes tokens back on this node. First they are put on the list, then the
// connections are looked through; a connection that is admitted meanwhile looks
// at the list once more when it is open. So none is missed.
func (g *Gateway) revokeHere(r auth.Dated) (connections int, err error) {
	if g.identities == nil {
		return 0, api.ErrAuthOff
	}
	switch err := g.identities.revocations.Add(r.Revocation, r.At); {
	case errors.Is(err, auth.ErrRevocationsFull):
		return 0, api.ErrRevocationsFull
	case err != nil:
		return 0, err
	}
	return g.hub.CloseIf(func(c hub.Conn) bool {
		id := identityOf(c)
		return id != nil && r.Revokes(id, r.At)
	}, nil, metrics.CloseRevoked), nil
}

// revokeAllHere is revokeHere for many: the connections are looked through once.
func (g *Gateway) revokeAllHere(list []auth.Dated) (connections int, err error) {
	if g.identities == nil {
		return 0, api.ErrAuthOff
	}
	for _, r := range list {
		if err = g.identities.revocations.Add(r.Revocation, r.At); err != nil {
			break // what is on the list holds
		}
	}
	now := time.Now()
	return g.hub.CloseIf(func(c hub.Conn) bool {
		id := identityOf(c)
		return id != nil && g.identities.revocations.Revoked(id, now)
	}, nil, metrics.CloseRevoked), err
}

// identityOf is who the client of a connection is; nil where nobody asks.
func identityOf(c hub.Conn) *auth.Identity {
	s, ok := c.(interface{ Identity() *auth.Identity })
	if !ok {
		return nil
	}
	return s.Identity()
}

// adapt holds the open connections to the policy that authorise has put in force.
func (g *Gateway) adapt() {
	if g.identities == nil {
		return
	}
	g.hub.Each(func(c hub.Conn) {
		if s, ok := c.(interface{ Adapt() }); ok {
			s.Adapt()
		}
	})
}

// fetchKeys keeps the key set fresh until background is done. It returns when
// the first fetch has ended, or nobody waits for it any more: a node that is
// ready knows its keys, unless their provider is down.
func (i *identities) fetchKeys(background, wait context.Context, wg *sync.WaitGroup) {
	if i == nil || i.keySet == nil {
		return
	}
	wg.Go(func() { i.keySet.Run(background) })
	select {
	case <-i.keySet.Tried():
	case <-wait.Done():
	}
}

// Judge is how a node with this configuration decides about tokens and
// channels, for tools that explain it. A key set is fetched once.
func Judge(ctx context.Context, cfg *config.Config) (*auth.Verifier, *auth.Policy, error) {
	i, err := newIdentities(&cfg.Auth, metrics.NewSet(1).Edge(), zerolog.Nop())
	if err != nil {
		return nil, nil, err
	}
	if i == nil {
		return nil, nil, errors.New("gateway: auth is off: there are no auth.keys, and no auth.jwks.url")
	}
	if i.keySet != nil {
		if err := i.keySet.Fetch(ctx); err != nil {
			return nil, nil, err
		}
	}
	a, err := i.authority(cfg)
	if err != nil {
		return nil, nil, err
	}
	return a.Verifier, a.Policy, nil
}
