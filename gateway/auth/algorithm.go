package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"
)

// Algorithms are the signature algorithms that a key may have (RFC 7518 section
// 3.1, RFC 8037). "none" is not one of them.
func Algorithms() []string {
	return []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
		"ES256", "ES384", "ES512", "EdDSA",
	}
}

// Bounds of RSA moduli, in bits. Above the upper one a signature would cost a
// poller milliseconds.
const (
	minRSA = 2048
	maxRSA = 8192
)

// isSymmetric says that the algorithm's key is a secret.
func isSymmetric(algorithm string) bool { return len(algorithm) == 5 && algorithm[:2] == "HS" }

// minSecret is how long a secret has to be, in bytes: as long as the hash (RFC
// 7518 section 3.2).
func minSecret(algorithm string) int {
	switch algorithm {
	case "HS384":
		return 48
	case "HS512":
		return 64
	}
	return 32
}

// curveOf is the curve of an ECDSA algorithm, nil for the others.
func curveOf(algorithm string) elliptic.Curve {
	switch algorithm {
	case "ES256":
		return elliptic.P256()
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	return nil
}

// fits says what is wrong with a public key for an algorithm; nil when nothing is.
func fits(algorithm string, public any) error {
	if !slices.Contains(Algorithms(), algorithm) {
		return fmt.Errorf("the algorithm %.20q is not supported", algorithm)
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		if family := algorithm[:2]; family != "RS" && family != "PS" {
			return fmt.Errorf("an RSA key is for RS256 or PS256 and their like, not for %s", algorithm)
		}
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Errorf("an RSA key must have %d to %d bits, not %d", minRSA, maxRSA, bits)
		}
		return nil
	case *ecdsa.PublicKey:
		if curve := curveOf(algorithm); curve == nil || curve != key.Curve {
			return fmt.Errorf("a key on the curve %s is not for %s", key.Curve.Params().Name, algorithm)
		}
		return nil
	case ed25519.PublicKey:
		if algorithm != "EdDSA" {
			return fmt.Errorf("an Ed25519 key is for EdDSA, not for %s", algorithm)
		}
		return nil
	}
	return fmt.Errorf("a key of this kind (%T) is not supported", public)
}

// naturalAlgorithm is the algorithm of a public key that names none.
func naturalAlgorithm(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		for _, a := range []string{"ES256", "ES384", "ES512"} {
			if curveOf(a) == key.Curve {
				return a
			}
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}
