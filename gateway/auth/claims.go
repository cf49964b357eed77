package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of what a token says.
const (
	maxTokenID  = 128 // bytes
	maxPatterns = 64  // in each of channels and publish
	maxMeta     = 1024
	maxTime     = 1 << 36 // seconds, some two thousand years: nothing overflows
)

// errClaims: a claim is of another type, or out of its bounds.
var errClaims = errors.New("auth: claims")

// claims are what is read of a token's second part. Times are seconds; 0 is
// absent. It implements jwt.Claims for the library, which is asked for the
// signature alone: Verifier.check looks at the values.
type claims struct {
	issuer     string
	audience   []string
	subject    string
	id         string
	expires    int64
	notBefore  int64
	issued     int64
	subscribe  []Pattern
	publish    []Pattern
	meta       json.RawMessage
	hasExpires bool
}

// UnmarshalJSON takes the claims apart, strictly: types are exact, times are
// whole seconds, no name stands twice.
func (c *claims) UnmarshalJSON(b []byte) error {
	if err := wellFormed(b); err != nil {
		return err
	}
	var raw struct {
		Issuer    *string          `json:"iss"`
		Audience  json.RawMessage  `json:"aud"`
		Subject   *string          `json:"sub"`
		ID        *string          `json:"jti"`
		Expires   *json.RawMessage `json:"exp"`
		NotBefore *json.RawMessage `json:"nbf"`
		Issued    *json.RawMessage `json:"iat"`
		Channels  []string         `json:"channels"`
		Publish   []string         `json:"publish"`
		Meta      json.RawMessage  `json:"meta"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return errClaims
	}
	c.issuer, c.subject, c.id = value(raw.Issuer), value(raw.Subject), value(raw.ID)
	c.hasExpires = raw.Expires != nil
	for _, t := range []struct {
		text *json.RawMessage
		to   *int64
	}{{raw.Expires, &c.expires}, {raw.NotBefore, &c.notBefore}, {raw.Issued, &c.issued}} {
		if err := seconds(t.text, t.to); err != nil {
			return err
		}
	}
	if err := c.setAudience(raw.Audience); err != nil {
		return err
	}
	if len(c.id) > maxTokenID || !utf8.ValidString(c.id) || len(raw.Channels) > maxPatterns || len(raw.Publish) > maxPatterns {
		return errClaims
	}
	var err, err2 error
	c.subscribe, err = ParsePatterns(raw.Channels)
	c.publish, err2 = ParsePatterns(raw.Publish)
	if err != nil || err2 != nil {
		return errClaims
	}
	if raw.Meta != nil {
		if len(raw.Meta) > maxMeta || raw.Meta[0] != '{' {
			return errClaims
		}
		c.meta = raw.Meta
	}
	return nil
}

// setAudience reads a text or a list of texts (RFC 7519 section 4.1.3).
func (c *claims) setAudience(b json.RawMessage) error {
	if b == nil {
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil && b[0] == '"' {
		c.audience = []string{one}
		return nil
	}
	if b[0] != '[' || json.Unmarshal(b, &c.audience) != nil {
		return errClaims
	}
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// seconds reads a NumericDate without a fraction or an exponent.
func seconds(b *json.RawMessage, to *int64) error {
	if b == nil {
		return nil
	}
	var n int64
	if err := json.Unmarshal(*b, &n); err != nil || n <= 0 || n > maxTime || strings.ContainsAny(string(*b), ".eE\"n") {
		return errClaims
	}
	*to = n
	return nil
}

// The methods of jwt.Claims, so that it takes a value of this type. Its own
// validation is off.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.expires, 0)), nil
}

func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.issued, 0)), nil
}

func (c *claims) GetNotBefore() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.notBefore, 0)), nil
}

func (c *claims) GetIssuer() (string, error)             { return c.issuer, nil }
func (c *claims) GetSubject() (string, error)            { return c.subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.audience, nil }
