package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/gateway/metrics"
)

// Explanation is what a Verifier makes of a token, step by step, for a person
// who has the token in hand. It is for development: clients are told nothing.
type Explanation struct {
	// Header and Claims are the token's first two parts, as JSON; nil if they cannot be read.
	Header, Claims []byte
	// Steps are what was looked at, in order.
	Steps []Step
	// Identity is whom the token names; nil if it is refused.
	Identity *Identity
}

// Step is one thing that is looked at.
type Step struct {
	Name    string
	Verdict Verdict
	// Detail says what was found, and what was wanted; of a step that was skipped, only that.
	Detail string
}

// Verdict is how a step ended.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "ok"
	Failed  Verdict = "FAIL"
	Skipped Verdict = "-" // not looked at, as an earlier step failed
)

// notLookedAt is the detail of a step that was skipped: what the token says there
// may be wrong, and what it does not say is nothing that was found.
const notLookedAt = "not looked at"

// Explain says what v makes of a token, and why.
func (v *Verifier) Explain(token string, now time.Time) *Explanation {
	e := &Explanation{}
	id, err := v.Verify(token, now)
	e.Identity = id
	reason := metrics.NumTokenRefusals
	if err != nil {
		reason = ReasonOf(err)
	}
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		e.Header, e.Claims = jsonPart(parts[0]), jsonPart(parts[1])
	}
	var h struct {
		Algorithm any `json:"alg"`
		ID        any `json:"kid"`
		Type      any `json:"typ"`
	}
	_ = json.Unmarshal(e.Header, &h)
	var c claims
	shaped := json.Unmarshal(e.Claims, &c) == nil
	kid, _ := h.ID.(string)
	algorithm := "there is no key"
	if key := v.find(kid, h.ID != nil); key != nil {
		algorithm = key.Algorithm
	}
	at := func(seconds int64) string {
		if seconds == 0 {
			return "not there"
		}
		t := time.Unix(seconds, 0)
		return fmt.Sprintf("%s (%s)", t.UTC().Format(time.RFC3339), relative(t.Sub(now)))
	}
	type reasons []metrics.TokenRefusal
	steps := []struct {
		name       string
		is         reasons
		good, fail string // fail: "" is good
	}{
		{
			"form",
			reasons{metrics.TokenMissing, metrics.TokenTooLarge, metrics.TokenMalformed},
			fmt.Sprintf("%d parts, %d bytes", len(parts), len(token)),
			fmt.Sprintf("%d parts, %d bytes; wanted: 3 parts of base64url, at most %d bytes, the first two of them JSON objects, at most %d levels deep and with no name twice",
				len(parts), len(token), v.o.TokenBytes, maxDepth),
		},
		{"header", reasons{metrics.TokenHeader}, "typ " + show(h.Type), "typ " + show(h.Type) + "; wanted: typ JWT, at+jwt or none, kid a text or none, no crit"},
		{"key", reasons{metrics.TokenKey}, "kid " + show(h.ID), "kid " + show(h.ID) + "; known: " + v.known()},
		{"algorithm", reasons{metrics.TokenAlgorithm}, "alg " + show(h.Algorithm), "alg " + show(h.Algorithm) + "; the key's: " + algorithm},
		{"signature", reasons{metrics.TokenSignature}, "made with this key", "not made with this key"},
		{"claims", reasons{metrics.TokenClaims}, "all there", claimsProblem(e.Claims)},
		{"issuer", reasons{metrics.TokenIssuer}, fmt.Sprintf("iss %q", c.issuer), fmt.Sprintf("iss %q; wanted: %q", c.issuer, v.o.Issuer)},
		{"audience", reasons{metrics.TokenAudience}, fmt.Sprintf("aud %q", c.audience), fmt.Sprintf("aud %q; wanted: %q among them", c.audience, v.o.Audience)},
		{"expiry", reasons{metrics.TokenExpired}, "exp " + at(c.expires), ""},
		{
			"beginning",
			reasons{metrics.TokenEarly},
			fmt.Sprintf("nbf %s, iat %s", at(c.notBefore), at(c.issued)),
			fmt.Sprintf("nbf %s, iat %s; at most %v in the future", at(c.notBefore), at(c.issued), v.o.Leeway),
		},
		{"lifetime", reasons{metrics.TokenLifetime}, lifetime(&c, now), fmt.Sprintf("%s; at most %v", lifetime(&c, now), v.o.MaxLifetime)},
		{"revocation", reasons{metrics.TokenRevoked}, fmt.Sprintf("jti %q; only a running node knows what was revoked", c.id), ""},
	}
	verdict := Passed
	for i, s := range steps {
		step := Step{s.name, verdict, s.good}
		switch {
		case slices.Contains(s.is, reason):
			step.Verdict, verdict = Failed, Skipped
			if s.fail != "" {
				step.Detail = s.fail
			}
		case reason == metrics.TokenClaims && !shaped && i >= 1 && i < 5: // they are read before a key is looked for
			step.Verdict = Skipped
		}
		if step.Verdict == Skipped {
			step.Detail = notLookedAt
		}
		e.Steps = append(e.Steps, step)
	}
	return e
}

// claimsProblem says which claim is not what it has to be.
func claimsProblem(text []byte) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return "wanted: an object"
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one, err := json.Marshal(map[string]json.RawMessage{name: all[name]})
		if err != nil || json.Unmarshal(one, new(claims)) == nil {
			continue
		}
		wanted := map[string]string{
			"channels": "a list of patterns, such as news, room:* or user.{user}", "publish": "a list of patterns, such as news, room:* or user.{user}",
			"exp": "whole seconds since 1970", "nbf": "whole seconds since 1970", "iat": "whole seconds since 1970",
			"aud": "a text or a list of texts", "meta": fmt.Sprintf("an object of at most %d bytes", maxMeta),
		}[name]
		if wanted == "" {
			wanted = "a text"
		}
		return name + " " + show(all[name]) + "; wanted: " + wanted
	}
	if all["exp"] == nil {
		return "exp is not there"
	}
	return "sub " + show(all["sub"]) + "; wanted: a text of 1 to 255 bytes without control characters"
}

// known lists the keys that there are.
func (v *Verifier) known() string {
	var list []string
	for _, k := range v.o.Keys {
		list = append(list, fmt.Sprintf("%q (%s)", k.ID, k.Algorithm))
	}
	if v.o.Source != nil {
		list = append(list, "those of auth.jwks")
	}
	return strings.Join(list, ", ")
}

func show(v any) string {
	if raw, ok := v.(json.RawMessage); v == nil || ok && raw == nil {
		return "not there"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "unreadable"
	}
	return string(b)
}

// relative says how far away a time is.
func relative(d time.Duration) string {
	d = d.Round(time.Second)
	if d < 0 {
		return (-d).String() + " ago"
	}
	return "in " + d.String()
}

func lifetime(c *claims, now time.Time) string {
	begins := c.issued
	if begins == 0 {
		begins = now.Unix()
	}
	return (time.Duration(c.expires-begins) * time.Second).String() + " from iat to exp"
}

// jsonPart is a part of a token, if it is JSON.
func jsonPart(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || !json.Valid(b) {
		return nil
	}
	return b
}
