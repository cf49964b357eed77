package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/metrics"
)

// A1: every algorithm of the list is taken with its key.
func TestA1Algorithms(t *testing.T) {
	m, v := material(), verifier(t, options(t))
	for kid, how := range map[string]struct {
		method jwt.SigningMethod
		key    any
	}{
		"hs": {jwt.SigningMethodHS256, []byte(secret)}, "rs": {jwt.SigningMethodRS256, m.rsa}, "ps": {jwt.SigningMethodPS384, m.rsa},
		"es": {jwt.SigningMethodES256, m.ec}, "es384": {jwt.SigningMethodES384, m.ec384}, "ed": {jwt.SigningMethodEdDSA, m.ed},
	} {
		expect(t, v, kid, sign(t, how.method, how.key, map[string]any{"kid": kid}, claimSet(nil)), ok)
	}
}

// A1: a key is used with its own algorithm alone, and what a header says of
// keys is nobody's.
func TestA1Confusion(t *testing.T) {
	m, v := material(), verifier(t, options(t))
	good := claimSet(nil)
	rs := sign(t, jwt.SigningMethodRS256, m.rsa, map[string]any{"kid": "rs"}, good)
	payload := strings.Split(rs, ".")[1]
	unsigned := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "."
	}
	der, err := x509.MarshalPKIXPublicKey(m.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	es := sign(t, jwt.SigningMethodES256, m.ec, map[string]any{"kid": "es"}, good)
	esText := es[:strings.LastIndexByte(es, '.')+1]
	raw, err := base64.RawURLEncoding.DecodeString(es[len(esText):])
	if err != nil {
		t.Fatal(err)
	}
	derSignature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for _, c := range []struct {
		name, token string
		want        metrics.TokenRefusal
	}{
		{"none", unsigned(`{"alg":"none","kid":"rs"}`), metrics.TokenSignature},
		{"None", unsigned(`{"alg":"None","kid":"rs"}`), metrics.TokenAlgorithm},
		{"nOnE", unsigned(`{"alg":"nOnE","kid":"rs"}`), metrics.TokenAlgorithm},
		{"no alg", unsigned(`{"kid":"rs"}`), metrics.TokenAlgorithm},
		{"alg is a number", unsigned(`{"alg":256,"kid":"rs"}`), metrics.TokenAlgorithm},
		{"an empty signature", unsigned(`{"alg":"RS256","kid":"rs"}`), metrics.TokenSignature},
		{"an empty signature for a secret", unsigned(`{"alg":"HS256","kid":"hs"}`), metrics.TokenSignature},
		{"HS256 with the public key as the secret, DER", sign(t, jwt.SigningMethodHS256, der, map[string]any{"kid": "rs"}, good), metrics.TokenAlgorithm},
		{"HS256 with the public key as the secret, PEM", sign(t, jwt.SigningMethodHS256, []byte(pemOf(t, m.rsa.Public())), map[string]any{"kid": "rs"}, good), metrics.TokenAlgorithm},
		{"RS256 for a PS384 key", sign(t, jwt.SigningMethodRS256, m.rsa, map[string]any{"kid": "ps"}, good), metrics.TokenAlgorithm},
		{"RS512 for an RS256 key", sign(t, jwt.SigningMethodRS512, m.rsa, map[string]any{"kid": "rs"}, good), metrics.TokenAlgorithm},
		{"another key's kid", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "ed"}, good), metrics.TokenAlgorithm},
		{"an unknown kid", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "new"}, good), metrics.TokenKey},
		{"no kid, and several keys", sign(t, jwt.SigningMethodHS256, []byte(secret), nil, good), metrics.TokenKey},
		{"kid is no text", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": 1}, good), metrics.TokenHeader},
		{"crit", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "hs", "crit": []string{"b64"}, "b64": false}, good), metrics.TokenHeader},
		{"an empty crit", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{"kid": "hs", "crit": []string{}}, good), metrics.TokenHeader},
		{"jwk, jku, x5u and x5c are ignored", sign(t, jwt.SigningMethodHS256, []byte(secret), map[string]any{
			"kid": "hs", "jku": "https://evil.example", "x5u": "https://evil.example", "x5c": []string{"AAAA"}, "jwk": map[string]any{"kty": "oct", "k": "AAAA"},
		}, good), ok},
		{"jwk with the attacker's key", sign(t, jwt.SigningMethodEdDSA, otherEd(t), map[string]any{"kid": "ed", "jwk": map[string]any{"kty": "OKP"}}, good), metrics.TokenSignature},
		{"ES256 with r = s = 0", esText + b64(make([]byte, 64)), metrics.TokenSignature},
		{"ES256 in DER", esText + b64(derSignature), metrics.TokenSignature},
		{"ES256 with trailing bytes", esText + b64(append(raw, 0)), metrics.TokenSignature},
		{"padding", es + "=", metrics.TokenMalformed},
		{"a line break", es[:20] + "\n" + es[20:], metrics.TokenMalformed},
		{"a space", es + " ", metrics.TokenMalformed},
		{"a fourth part", es + ".AAAA", metrics.TokenMalformed},
		{"two parts", strings.TrimSuffix(esText, "."), metrics.TokenMalformed},
		{"a JWE", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA", metrics.TokenMalformed},
		{"standard base64", strings.Replace(es, ".", "+.", 1), metrics.TokenMalformed},
		{"bits beyond the last byte", hs(t, good)[:len(hs(t, good))-1] + lastBits(hs(t, good)), metrics.TokenMalformed},
		{"another token's payload", strings.Split(es, ".")[0] + "." + strings.Split(hs(t, claimSet(map[string]any{"sub": "root"})), ".")[1] + "." + strings.Split(es, ".")[2], metrics.TokenSignature},
		{"nothing", "", metrics.TokenMissing},
		{"dots", "..", metrics.TokenMalformed},
	} {
		expect(t, v, c.name, c.token, c.want)
	}
}

// lastBits is another last character for the same bytes, which a lax decoder takes.
func lastBits(token string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(digits[strings.IndexByte(digits, token[len(token)-1])|1])
}

func otherEd(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A token without a kid is for the only key there is.
func TestOneKeyNeedsNoID(t *testing.T) {
	o := options(t)
	o.Keys = o.Keys[:1]
	expect(t, verifier(t, o), "one key", sign(t, jwt.SigningMethodHS256, []byte(secret), nil, claimSet(nil)), ok)
	if _, err := NewVerifier(Options{}); err == nil {
		t.Error("a verifier without keys")
	}
	o.Keys = append(o.Keys, o.Keys[0])
	if _, err := NewVerifier(o); err == nil {
		t.Error("a verifier with the same key id twice")
	}
}

// A2: what a token has to say.
func TestA2Claims(t *testing.T) {
	v := verifier(t, options(t))
	day := 24 * time.Hour
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	deep := any("x")
	for range maxDepth {
		deep = map[string]any{"a": deep}
	}
	for _, c := range []struct {
		name    string
		changes map[string]any
		want    metrics.TokenRefusal
	}{
		{"as it should be", nil, ok},
		{"no exp", map[string]any{"exp": nil}, metrics.TokenClaims},
		{"exp as a text", map[string]any{"exp": "2000000000"}, metrics.TokenClaims},
		{"exp as a fraction", map[string]any{"exp": 2000000000.5}, metrics.TokenClaims},
		{"exp as 1e308", map[string]any{"exp": 1e308}, metrics.TokenClaims},
		{"exp negative", map[string]any{"exp": -1}, metrics.TokenClaims},
		{"exp 0", map[string]any{"exp": 0}, metrics.TokenClaims},
		{"exp true", map[string]any{"exp": true}, metrics.TokenClaims},
		{"exp just over", map[string]any{"exp": at(0)}, metrics.TokenExpired},
		{"exp a second ahead", map[string]any{"exp": at(time.Second)}, ok},
		{"exp over within the leeway: it has none", map[string]any{"exp": at(-10 * time.Second)}, metrics.TokenExpired},
		{"iat a text", map[string]any{"iat": "now"}, metrics.TokenClaims},
		{"no iat", map[string]any{"iat": nil}, ok},
		{"no iat, and too long", map[string]any{"iat": nil, "exp": at(day + time.Minute)}, metrics.TokenLifetime},
		{"as long as may be", map[string]any{"exp": at(day)}, ok},
		{"longer", map[string]any{"exp": at(day + time.Second)}, metrics.TokenLifetime},
		{"long, nearly over", map[string]any{"iat": at(-30 * day), "exp": at(time.Minute)}, metrics.TokenLifetime},
		{"iat ahead within the leeway", map[string]any{"iat": at(30 * time.Second)}, ok},
		{"iat ahead", map[string]any{"iat": at(31 * time.Second)}, metrics.TokenEarly},
		{"nbf ahead within the leeway", map[string]any{"nbf": at(30 * time.Second)}, ok},
		{"nbf ahead", map[string]any{"nbf": at(31 * time.Second)}, metrics.TokenEarly},
		{"another issuer", map[string]any{"iss": "https://id.example.com/"}, metrics.TokenIssuer},
		{"no issuer", map[string]any{"iss": nil}, metrics.TokenIssuer},
		{"iss is no text", map[string]any{"iss": []string{"https://id.example.com"}}, metrics.TokenClaims},
		{"another audience", map[string]any{"aud": "billing"}, metrics.TokenAudience},
		{"an audience that begins like ours", map[string]any{"aud": "sluice2"}, metrics.TokenAudience},
		{"no audience", map[string]any{"aud": nil}, metrics.TokenAudience},
		{"an empty list of audiences", map[string]any{"aud": []string{}}, metrics.TokenAudience},
		{"one of several audiences", map[string]any{"aud": []string{"billing", "sluice"}}, ok},
		{"aud a number", map[string]any{"aud": 1}, metrics.TokenClaims},
		{"aud with a number", map[string]any{"aud": []any{"sluice", 1}}, metrics.TokenClaims},
		{"no sub", map[string]any{"sub": nil}, metrics.TokenClaims},
		{"sub empty", map[string]any{"sub": ""}, metrics.TokenClaims},
		{"sub a number", map[string]any{"sub": 7}, metrics.TokenClaims},
		{"the longest sub", map[string]any{"sub": strings.Repeat("a", maxUser)}, ok},
		{"sub too long", map[string]any{"sub": strings.Repeat("a", maxUser+1)}, metrics.TokenClaims},
		{"sub with a line break", map[string]any{"sub": "a\nb"}, metrics.TokenClaims},
		{"sub with an escape sequence", map[string]any{"sub": "a\x1b[0m"}, metrics.TokenClaims},
		{"sub of another script", map[string]any{"sub": "Ωmega|42"}, ok},
		{"jti too long", map[string]any{"jti": strings.Repeat("a", maxTokenID+1)}, metrics.TokenClaims},
		{"channels no list", map[string]any{"channels": "*"}, metrics.TokenClaims},
		{"channels with a bad pattern", map[string]any{"channels": []string{"room*"}}, metrics.TokenClaims},
		{"publish with a bad pattern", map[string]any{"publish": []string{"a b"}}, metrics.TokenClaims},
		{"too many channels", map[string]any{"channels": strings.Split(strings.Repeat("a,", maxPatterns)+"a", ",")}, metrics.TokenClaims},
		{"meta no object", map[string]any{"meta": "x"}, metrics.TokenClaims},
		{"meta too large", map[string]any{"meta": map[string]string{"a": strings.Repeat("x", maxMeta)}}, metrics.TokenClaims},
		{"nested as deep as may be", map[string]any{"other": deep.(map[string]any)["a"]}, ok},
		{"nested deeper", map[string]any{"other": deep}, metrics.TokenMalformed},
	} {
		expect(t, v, c.name, hs(t, claimSet(c.changes)), c.want)
	}
	expect(t, v, "too large", hs(t, claimSet(map[string]any{"x": strings.Repeat("x", 4096)})), metrics.TokenTooLarge)
}

// A2: typ, and JSON that two readers could understand in two ways.
func TestA2Header(t *testing.T) {
	v := verifier(t, options(t))
	good := toJSON(t, claimSet(nil))
	inner := strings.Trim(good, "{}")
	for _, c := range []struct {
		name, header, payload string
		want                  metrics.TokenRefusal
	}{
		{"JWT", hsHeader, good, ok},
		{"no typ", `{"alg":"HS256","kid":"hs"}`, good, ok},
		{"an access token (RFC 9068)", `{"alg":"HS256","kid":"hs","typ":"at+jwt"}`, good, ok},
		{"another kind of token", `{"alg":"HS256","kid":"hs","typ":"logout+jwt"}`, good, metrics.TokenHeader},
		{"typ is no text", `{"alg":"HS256","kid":"hs","typ":1}`, good, metrics.TokenHeader},
		{"the header is a list", `["HS256"]`, good, metrics.TokenMalformed},
		{"claims are a list", hsHeader, `[]`, metrics.TokenMalformed},
		{"claims are null", hsHeader, `null`, metrics.TokenClaims},
		{"claims are nothing", hsHeader, ``, metrics.TokenMalformed},
		{"sub twice", hsHeader, `{"sub":"root",` + inner + `}`, metrics.TokenMalformed},
		{"sub twice, in another case", hsHeader, `{"SUB":"root",` + inner + `}`, metrics.TokenMalformed},
		{"sub twice, with a long s", hsHeader, `{` + inner + `,"ſub":"root"}`, metrics.TokenMalformed},
		{"a name twice, with a Kelvin sign", hsHeader, `{"k":1,"K":1,` + inner + `}`, metrics.TokenMalformed},
		{"a name twice further down", hsHeader, `{"x":{"a":1,"a":2},` + inner + `}`, metrics.TokenMalformed},
		{"sub in another case", hsHeader, strings.Replace(good, `"sub"`, `"Sub"`, 1), metrics.TokenClaims},
		{"text behind", hsHeader, good + `{}`, metrics.TokenMalformed},
		{"exp as 2e9", hsHeader, strings.Replace(good, `"exp":`, `"exp":2e9,"x":`, 1), metrics.TokenClaims},
	} {
		expect(t, v, c.name, signText(t, c.header, c.payload), c.want)
	}
}

// What a token says reaches the identity.
func TestIdentity(t *testing.T) {
	v := verifier(t, options(t))
	id, err := v.Verify(hs(t, claimSet(map[string]any{
		"jti": "t1", "channels": []string{"room.*"}, "publish": []string{"room.1"}, "meta": map[string]string{"plan": "pro"},
	})), now)
	if err != nil {
		t.Fatal(err)
	}
	if id.User != "alice" || id.TokenID != "t1" || !id.Issued.Equal(now) || !id.Expires.Equal(now.Add(time.Hour)) || string(id.Meta) != `{"plan":"pro"}` ||
		len(id.Subscribe) != 1 || id.Subscribe[0].String() != "room.*" || len(id.Publish) != 1 || id.Publish[0].String() != "room.1" {
		t.Errorf("%+v", id)
	}
}

// A2: names of claims are exact (RFC 7519 section 10.1.1): one of somebody else's
// that differs in case gives no channel.
func TestA2NamesAreExact(t *testing.T) {
	id, err := verifier(t, options(t)).Verify(hs(t, claimSet(map[string]any{
		"Channels": []string{"*"}, "publi\u017fh": []string{"*"}, "Meta": "x", "NBF": "never",
	})), now)
	if err != nil {
		t.Fatal(err)
	}
	if id.User != "alice" || len(id.Subscribe) > 0 || len(id.Publish) > 0 || id.Meta != nil {
		t.Errorf("%+v", id)
	}
}

// What a token costs the poller that verifies it.
func BenchmarkVerify(b *testing.B) {
	v := verifier(b, options(b))
	m := material()
	for _, c := range []struct {
		kid     string
		method  jwt.SigningMethod
		private any
	}{
		{"hs", jwt.SigningMethodHS256, []byte(secret)},
		{"rs", jwt.SigningMethodRS256, m.rsa},
		{"es", jwt.SigningMethodES256, m.ec},
		{"ed", jwt.SigningMethodEdDSA, m.ed},
	} {
		token := sign(b, c.method, c.private, map[string]any{"kid": c.kid}, claimSet(map[string]any{"channels": []string{"room.*"}}))
		b.Run(c.method.Alg(), func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Verify(token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
