package auth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Key verifies the tokens of one kid, by one algorithm and no other: that a
// public key could be taken for a secret (RS256 for HS256) is a matter of the
// token's header nowhere.
type Key struct {
	// ID is the kid of its tokens.
	ID string
	// Algorithm is the only alg that its tokens may have.
	Algorithm string

	material any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// NewSecretKey returns a key for HS256, HS384 or HS512. The error says what is
// wrong with the secret, without it.
func NewSecretKey(id, algorithm, secret string) (*Key, error) {
	if !isSymmetric(algorithm) {
		return nil, fmt.Errorf("%s takes a public key, not a secret", algorithm)
	}
	if n := minSecret(algorithm); len(secret) < n {
		return nil, fmt.Errorf("the secret of %s must have at least %d bytes, this one has %d: openssl rand -base64 48", algorithm, n, len(secret))
	}
	if isExample(secret) {
		return nil, errors.New("this secret is an example that everyone knows, or the same few bytes repeated: openssl rand -base64 48")
	}
	return &Key{ID: id, Algorithm: algorithm, material: []byte(secret)}, nil
}

// NewPublicKey returns a key for an asymmetric algorithm, from a PEM text: a
// public key (PKIX or, for RSA, PKCS #1) or a certificate, whose dates and
// issuer are not looked at.
func NewPublicKey(id, algorithm, text string) (*Key, error) {
	if isSymmetric(algorithm) {
		return nil, fmt.Errorf("%s takes a secret, not a public key", algorithm)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is not PEM: it must begin with -----BEGIN PUBLIC KEY-----")
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("must hold one PEM block")
	}
	public, err := parsePublic(block)
	if err != nil {
		return nil, err
	}
	if err := fits(algorithm, public); err != nil {
		return nil, err
	}
	return &Key{ID: id, Algorithm: algorithm, material: public}, nil
}

func parsePublic(block *pem.Block) (public any, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, errors.New("is a private key: the gateway needs the public one, and nothing else should have this (openssl pkey -pubout)")
		}
		return nil, fmt.Errorf("is a PEM block of the type %.40q: a PUBLIC KEY or a CERTIFICATE is needed", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block %s cannot be read", block.Type)
	}
	return public, nil
}

// isExample says that a secret is one that stands in tutorials, or a short text
// over and over.
func isExample(secret string) bool {
	s := strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_.,!", r) {
			return -1
		}
		return r
	}, secret))
	for _, known := range []string{
		"your256bitsecret", "your384bitsecret", "your512bitsecret", "asecretstring", "astringsecretatleast", "avalidstringsecret",
		"changeme", "changethis", "replaceme", "mysecret", "topsecret", "supersecret", "verysecret", "secretkey", "jwtsecret", "password",
		"exampleexample", "thisisasecret", "notasecret",
	} {
		if strings.HasPrefix(s, known) {
			return true
		}
	}
	for period := 1; period <= 16 && 2*period <= len(s); period++ {
		if strings.HasPrefix(s[period:], s[:len(s)-period]) {
			return true
		}
	}
	return false
}
