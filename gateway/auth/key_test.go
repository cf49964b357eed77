package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

// A3: secrets that anyone could guess are refused, and are not shown.
func TestA3Secrets(t *testing.T) {
	for _, c := range []struct{ algorithm, secret, want string }{
		{"HS256", strings.Repeat("x", 31), "at least 32 bytes"},
		{"HS384", secret[:47-4], "at least 48 bytes"},
		{"HS512", secret, "at least 64 bytes"},
		{"HS256", "", "at least 32 bytes"},
		{"HS256", strings.Repeat("secret", 8), "example"},
		{"HS256", strings.Repeat("a", 64), "example"},
		{"HS256", "changeme-changeme-changeme-changeme-1", "example"},
		{"HS256", "Your-256-bit-secret-your-256-bit-secret", "example"},
		{"HS256", "a-string-secret-at-least-256-bits-long", "example"},
		{"HS256", "super secret key that nobody will ever guess", "example"},
		{"HS256", "12345678901234567890123456789012", "example"},
		{"HS256", secret, ""},
		{"RS256", secret, "takes a public key"},
		{"none", secret, "takes a public key"},
	} {
		_, err := NewSecretKey("k", c.algorithm, c.secret)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %.12q: %v, want %q", c.algorithm, c.secret, err, c.want)
		}
		if err != nil && c.secret != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// A1: a key is of the kind that its algorithm wants.
func TestA1PublicKeys(t *testing.T) {
	m := material()
	private, err := x509.MarshalPKCS8PrivateKey(m.ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	for _, c := range []struct{ algorithm, text, want string }{
		{"RS256", pemOf(t, m.rsa.Public()), ""},
		{"RS256", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&m.rsa.PublicKey)), ""},
		{"RS256", pemOf(t, m.small.Public()), "2048 to 8192 bits"},
		{"ES256", pemOf(t, m.rsa.Public()), "RSA key"},
		{"RS256", pemOf(t, m.ec.Public()), "P-256"},
		{"ES256", pemOf(t, m.ec384.Public()), "P-384"},
		{"ES256", pemOf(t, m.ed.Public()), "Ed25519"},
		{"EdDSA", pemOf(t, m.ed.Public()), ""},
		{"EdDSA", pemOf(t, m.ed.Public()) + pemOf(t, m.ed.Public()), "one PEM block"},
		{"HS256", pemOf(t, m.rsa.Public()), "takes a secret"},
		{"none", pemOf(t, m.rsa.Public()), "not supported"},
		{"ES256", block("PRIVATE KEY", private), "private key"},
		{"ES256", block("DH PARAMETERS", nil), "a PUBLIC KEY or a CERTIFICATE is needed"},
		{"ES256", block("PUBLIC KEY", []byte("x")), "cannot be read"},
		{"ES256", "ssh-ed25519 AAAA", "is not PEM"},
		{"ES256", "", "is not PEM"},
	} {
		_, err := NewPublicKey("k", c.algorithm, c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %.40q: %v, want %q", c.algorithm, c.text, err, c.want)
		}
	}
}

// jwkOf is a public key as a JWK set has it.
func jwkOf(kid, extra string) string {
	m := material()
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := m.ec.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	switch kid[:2] {
	case "rs":
		return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":"AQAB"%s}`, kid, b64(m.rsa.N.Bytes()), extra)
	case "es":
		return fmt.Sprintf(`{"kty":"EC","kid":%q,"crv":"P-256","x":%q,"y":%q%s}`, kid, b64(point[1:33]), b64(point[33:]), extra)
	}
	return fmt.Sprintf(`{"kty":"OKP","kid":%q,"crv":"Ed25519","x":%q%s}`, kid, b64(m.ed.Public().(ed25519.PublicKey)), extra)
}

// A4: of a key set, what is usable is taken; what is not is left out.
func TestA4KeySet(t *testing.T) {
	for _, c := range []struct {
		name, set string
		want      string // kid:alg
		err       bool
	}{
		{"three", jwkOf("rs", "") + "," + jwkOf("es", "") + "," + jwkOf("ed", ""), "rs:RS256 es:ES256 ed:EdDSA", false},
		{"alg", jwkOf("rs", `,"alg":"PS512","use":"sig","x5c":["AAAA"]`), "rs:PS512", false},
		{"an alg that does not fit", jwkOf("es", `,"alg":"RS256"`) + "," + jwkOf("ed", ""), "ed:EdDSA", false},
		{"HS256 with a public key", jwkOf("rs", `,"alg":"HS256"`) + "," + jwkOf("ed", ""), "ed:EdDSA", false},
		{"for encryption", jwkOf("rs", `,"use":"enc"`) + "," + jwkOf("ed", ""), "ed:EdDSA", false},
		{"a secret", `{"kty":"oct","kid":"hs","k":"c2VjcmV0","alg":"HS256"},` + jwkOf("ed", ""), "ed:EdDSA", false},
		{"a secret alone", `{"kty":"oct","kid":"hs","k":"c2VjcmV0"}`, "", true},
		{"without a kid", strings.Replace(jwkOf("ed", ""), `"kid":"ed",`, "", 1), "", true},
		{"a kind of the future", `{"kty":"PQ","kid":"x"},` + jwkOf("ed", ""), "ed:EdDSA", false},
		{"off the curve", strings.Replace(jwkOf("es", ""), `"y":"`, `"y":"AAAA`, 1), "", true},
		{"a kid twice", jwkOf("ed", "") + "," + jwkOf("ed", ""), "", true},
		{"too many", strings.TrimSuffix(strings.Repeat(jwkOf("ed", "")+",", MaxKeys+1), ","), "", true},
		{"an even exponent", strings.Replace(jwkOf("rs", ""), "AQAB", "AQAA", 1), "", true},
		{"none", "", "", true},
	} {
		keys, err := ParseKeySet([]byte(`{"keys":[` + c.set + `]}`))
		var got []string
		for _, k := range keys {
			got = append(got, k.ID+":"+k.Algorithm)
		}
		if (err != nil) != c.err || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, got, err, c.want)
		}
	}
	if _, err := ParseKeySet([]byte("<html>")); err == nil {
		t.Error("HTML is a key set")
	}
}
