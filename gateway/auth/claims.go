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

// UnmarshalJSON takes the claims apart, strictly: names and types are exact,
// times are whole seconds, no name stands twice. (Given a struct, encoding/json
// would take "Channels", which may be a claim of somebody else's, for "channels".)
func (c *claims) UnmarshalJSON(b []byte) error {
	if err := wellFormed(b); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return errClaims
	}
	var channels, publish []string
	for name, to := range map[string]any{
		"iss": &c.issuer, "sub": &c.subject, "jti": &c.id, "channels": &channels, "publish": &publish,
	} {
		if text := all[name]; text != nil && json.Unmarshal(text, to) != nil {
			return errClaims
		}
	}
	for name, to := range map[string]*int64{"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issued} {
		if err := seconds(all[name], to); err != nil {
			return err
		}
	}
	c.hasExpires = c.expires != 0
	if err := c.setAudience(all["aud"]); err != nil {
		return err
	}
	if len(c.id) > maxTokenID || !utf8.ValidString(c.id) || len(channels) > maxPatterns || len(publish) > maxPatterns {
		return errClaims
	}
	var err, err2 error
	c.subscribe, err = ParsePatterns(channels)
	c.publish, err2 = ParsePatterns(publish)
	if err != nil || err2 != nil {
		return errClaims
	}
	if meta := all["meta"]; meta != nil {
		if len(meta) > maxMeta || meta[0] != '{' {
			return errClaims
		}
		c.meta = meta
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

// seconds reads a NumericDate without a fraction or an exponent. null is as good as none.
func seconds(b json.RawMessage, to *int64) error {
	if b == nil || string(b) == "null" {
		return nil
	}
	var n int64
	if err := json.Unmarshal(b, &n); err != nil || n <= 0 || n > maxTime || strings.ContainsAny(string(b), ".eE\"") {
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
