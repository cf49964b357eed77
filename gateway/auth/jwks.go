package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// MaxKeys is how many keys a key set may have.
const MaxKeys = 64

// jwk is one key of a set (RFC 7517 section 4), as far as it is looked at.
type jwk struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	N, E      string
	X, Y      string
}

// ParseKeySet reads a JWK set (RFC 7517 section 5). Keys that are not for
// signatures, of a kind that is not supported, or without a kid, are left out,
// as the section wants it; secrets (kty oct) too: whoever can read a key set
// could sign with them. A set of which nothing is left is an error.
func ParseKeySet(b []byte) ([]*Key, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("auth: the key set is not JSON of the form {\"keys\": [...]}")
	}
	if len(set.Keys) > MaxKeys {
		return nil, fmt.Errorf("auth: the key set has %d keys, of at most %d", len(set.Keys), MaxKeys)
	}
	var keys []*Key
	seen := map[string]bool{}
	for i := range set.Keys {
		k := set.Keys[i].key()
		if k == nil {
			continue
		}
		if seen[k.ID] {
			return nil, errors.New("auth: the key set has two keys with the same kid")
		}
		seen[k.ID] = true
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("auth: the key set has no usable key")
	}
	return keys, nil
}

// key is the key, or nil if it is of no use.
func (j *jwk) key() *Key {
	if j.ID == "" || j.Use != "" && j.Use != "sig" {
		return nil
	}
	public := j.public()
	algorithm := j.Algorithm
	if algorithm == "" {
		algorithm = naturalAlgorithm(public)
	}
	if public == nil || fits(algorithm, public) != nil {
		return nil
	}
	return &Key{ID: j.ID, Algorithm: algorithm, material: public}
}

// public reads the key material (RFC 7518 section 6, RFC 8037); nil if it is not right.
func (j *jwk) public() any {
	switch j.Type {
	case "RSA":
		n, e := decode(j.N), decode(j.E)
		if len(n) == 0 || len(n) > maxRSA/8 || len(e) == 0 || len(e) > 4 {
			return nil
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent < 3 || exponent%2 == 0 || exponent > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}
	case "EC":
		return j.ecdsa()
	case "OKP":
		if x := decode(j.X); j.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x)
		}
	}
	return nil
}

func (j *jwk) ecdsa() any {
	algorithm, ok := map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[j.Curve]
	if !ok {
		return nil
	}
	curve := curveOf(algorithm)
	size := (curve.Params().BitSize + 7) / 8
	x, y := decode(j.X), decode(j.Y)
	if len(x) != size || len(y) != size {
		return nil
	}
	// The uncompressed form of SEC 1; the point has to be on the curve.
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil
	}
	return key
}

// decode reads unpadded base64url; nil if it is not.
func decode(s string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
