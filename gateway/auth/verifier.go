package auth

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/metrics"
)

// KeySource has keys that come and go, as those of a JWKS do. Find must not
// block, and may be called concurrently.
type KeySource interface {
	// Find returns the key of a kid, or nil; it may note that one was asked for in vain.
	Find(kid string) *Key
}

// Options configure a Verifier.
type Options struct {
	// Keys are the configured ones. Their IDs differ.
	Keys []*Key
	// Source is asked for kids that Keys does not have; nil: there is none.
	Source KeySource
	// Issuer is what iss must be, exactly; "" looks at no issuer.
	Issuer string
	// Audience is what aud must contain.
	Audience string
	// MaxLifetime is the longest time from iat (or, without one, from now) to exp.
	MaxLifetime time.Duration
	// Leeway is how far iat and nbf may lie in the future, for clocks that differ. exp has none.
	Leeway time.Duration
	// TokenBytes is the largest token.
	TokenBytes int
	// Revocations are asked for each token; nil: nothing is revoked.
	Revocations *Revocations
}

// Verifier turns tokens into identities. It is read only: a reload makes
// another one. Verify may be called concurrently.
type Verifier struct {
	// Static after construction.
	o      Options
	parser *jwt.Parser
}

// NewVerifier returns a verifier. It keeps o's slices.
func NewVerifier(o Options) (*Verifier, error) {
	if len(o.Keys) == 0 && o.Source == nil {
		return nil, errors.New("auth: no keys")
	}
	for i, k := range o.Keys {
		if slices.ContainsFunc(o.Keys[:i], func(other *Key) bool { return other.ID == k.ID }) {
			return nil, errors.New("auth: two keys have the same id")
		}
	}
	return &Verifier{o: o, parser: jwt.NewParser(
		jwt.WithValidMethods(Algorithms()), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(),
	)}, nil
}

// Verify returns whom a token names, or a *Refused. Only the header's alg, kid,
// typ and crit are looked at: keys that a token brings along (jwk, jku, x5c,
// x5u) are nobody's (RFC 8725 section 3.10).
func (v *Verifier) Verify(token string, now time.Time) (*Identity, error) {
	switch {
	case token == "":
		return nil, refuse(metrics.TokenMissing)
	case len(token) > v.o.TokenBytes:
		return nil, refuse(metrics.TokenTooLarge)
	case strings.ContainsFunc(token, func(r rune) bool { return !isTokenRune(r) }):
		return nil, refuse(metrics.TokenMalformed) // the library's base64 skips line breaks
	}
	var c claims
	var key *Key
	parsed, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		var err error
		if key, err = v.key(t); err != nil {
			return nil, err
		}
		return key.material, nil
	})
	if err != nil || !parsed.Valid || key == nil {
		return nil, refusal(err)
	}
	if err := v.check(&c, now); err != nil {
		return nil, err
	}
	id := &Identity{
		User:      c.subject,
		TokenID:   c.id,
		Expires:   time.Unix(c.expires, 0),
		Subscribe: c.subscribe,
		Publish:   c.publish,
		Meta:      c.meta,
		segment:   Segment(c.subject),
	}
	if c.issued != 0 {
		id.Issued = time.Unix(c.issued, 0)
	}
	if v.Revoked(id, now) {
		return nil, refuse(metrics.TokenRevoked)
	}
	return id, nil
}

// Revoked says whether id's token was revoked since it was verified.
func (v *Verifier) Revoked(id *Identity, now time.Time) bool {
	return v.o.Revocations != nil && v.o.Revocations.Revoked(id, now)
}

func isTokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
}

// key finds the key of a token by its header, and holds the header to it.
func (v *Verifier) key(t *jwt.Token) (*Key, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515 section 4.1.11: none is understood
		return nil, refuse(metrics.TokenHeader)
	}
	if typ, given := t.Header["typ"]; given {
		s, _ := typ.(string)
		if !strings.EqualFold(s, "JWT") && !strings.EqualFold(s, "at+jwt") { // RFC 8725 section 3.11
			return nil, refuse(metrics.TokenHeader)
		}
	}
	kid, given := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && !given {
		return nil, refuse(metrics.TokenHeader)
	}
	key := v.find(kid, given)
	if key == nil {
		return nil, refuse(metrics.TokenKey)
	}
	if t.Method.Alg() != key.Algorithm {
		return nil, refuse(metrics.TokenAlgorithm)
	}
	return key, nil
}

// find is the key of a kid. A token without one is for the only key there is.
func (v *Verifier) find(kid string, given bool) *Key {
	if !given {
		if len(v.o.Keys) == 1 && v.o.Source == nil {
			return v.o.Keys[0]
		}
		return nil
	}
	for _, k := range v.o.Keys {
		if k.ID == kid {
			return k
		}
	}
	if v.o.Source == nil {
		return nil
	}
	return v.o.Source.Find(kid)
}

// refusal is what the library's error comes to.
func refusal(err error) error {
	var r *Refused
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, errClaims):
		return refuse(metrics.TokenClaims)
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(metrics.TokenMalformed)
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return refuse(metrics.TokenAlgorithm) // none, or one that nobody knows
	}
	return refuse(metrics.TokenSignature)
}

// check holds the claims of a token with a good signature to the rules.
func (v *Verifier) check(c *claims, now time.Time) error {
	early := now.Add(v.o.Leeway).Unix()
	begins := c.issued
	if begins == 0 {
		begins = now.Unix()
	}
	switch {
	case !c.hasExpires || !validUser(c.subject):
		return refuse(metrics.TokenClaims)
	case v.o.Issuer != "" && c.issuer != v.o.Issuer:
		return refuse(metrics.TokenIssuer)
	case !slices.Contains(c.audience, v.o.Audience):
		return refuse(metrics.TokenAudience)
	case now.Unix() >= c.expires:
		return refuse(metrics.TokenExpired)
	case c.notBefore > early || c.issued > early:
		return refuse(metrics.TokenEarly)
	case c.expires-begins > int64(v.o.MaxLifetime/time.Second):
		return refuse(metrics.TokenLifetime)
	}
	return nil
}
