package auth

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Grant is what a token is to say. It is for development and tests: in
// production an application's own backend makes the tokens.
type Grant struct {
	KeyID, Algorithm   string
	Issuer, Audience   string
	User, TokenID      string
	Issued, Expires    time.Time
	Subscribe, Publish []string
	Meta               json.RawMessage // an object; nil for none
}

// Sign makes a token of g. secret signs HS256 and its like, private, as PEM, the others.
func (g *Grant) Sign(secret string, private []byte) (string, error) {
	method := jwt.GetSigningMethod(g.Algorithm)
	if method == nil || g.Algorithm == "none" {
		return "", fmt.Errorf("auth: the algorithm %.20q is not supported", g.Algorithm)
	}
	c := jwt.MapClaims{
		"iss": g.Issuer, "aud": g.Audience, "sub": g.User, "iat": g.Issued.Unix(), "exp": g.Expires.Unix(),
	}
	for name, value := range map[string]any{"channels": g.Subscribe, "publish": g.Publish} {
		if list := value.([]string); len(list) > 0 {
			c[name] = list
		}
	}
	if g.TokenID != "" {
		c["jti"] = g.TokenID
	}
	if g.Meta != nil {
		c["meta"] = g.Meta
	}
	t := jwt.NewWithClaims(method, c)
	if g.KeyID != "" {
		t.Header["kid"] = g.KeyID
	}
	var key any = []byte(secret)
	if !isSymmetric(g.Algorithm) {
		var err error
		if key, err = parsePrivate(private); err != nil {
			return "", err
		}
	}
	s, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("auth: sign with %s: %w", g.Algorithm, err)
	}
	return s, nil
}

func parsePrivate(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("auth: the private key is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("auth: the private key cannot be read")
	}
	return signer, nil
}
