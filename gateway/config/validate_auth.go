package config

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/gateway/auth"
	"sluice/gateway/auth/jwks"
)

// maxAuthKeys is how many keys may be configured.
const maxAuthKeys = 64

// On says that tokens are asked for: there is a key for them, or will be.
func (a *Auth) On() bool { return len(a.Keys) > 0 || a.JWKS.URL != "" }

// withoutFiles are the keys without what came from files: as they were written.
func (a *Auth) withoutFiles() []Key {
	keys := slices.Clone(a.Keys)
	for i := range keys {
		if keys[i].SecretFile != "" {
			keys[i].Secret = Secret{}
		}
		if keys[i].PublicKeyFile != "" {
			keys[i].PublicKey = ""
		}
	}
	return keys
}

// Verifying is the key as the verifier takes it.
func (k *Key) Verifying() (*auth.Key, error) {
	if strings.HasPrefix(string(k.Algorithm), "HS") {
		return auth.NewSecretKey(k.ID, string(k.Algorithm), k.Secret.Reveal())
	}
	return auth.NewPublicKey(k.ID, string(k.Algorithm), k.PublicKey)
}

// auth checks what a token has to be.
func (l *loader) auth(c *Config) {
	a := &c.Auth
	if len(a.Keys) > maxAuthKeys {
		l.check(false, "auth.keys", fmt.Sprintf("must have at most %d elements", maxAuthKeys))
		return
	}
	for i := range a.Keys {
		l.authKey(a, i)
	}
	for _, required := range []struct{ key, value string }{{"auth.issuer", a.Issuer}, {"auth.audience", a.Audience}} {
		if a.On() {
			l.check(required.value != "", required.key, "is required when there are keys: without it a token that was made for another service would be good here")
		} else {
			l.check(required.value == "", required.key, "is set, but auth is off: it needs auth.keys or auth.jwks.url")
		}
	}
	l.jwks(&a.JWKS)
	l.sources("auth.sources", a.Sources)
	l.check(len(a.Sources) > 0, "auth.sources", "must name at least one")
	l.check(isProtocol(a.Subprotocol), "auth.subprotocol", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -, and not begin with bearer.")
	between(l, "auth.token_bytes", a.TokenBytes, 256, 16*KiB)
	between(l, "auth.max_lifetime", a.MaxLifetime, Duration(time.Second), day)
	between(l, "auth.leeway", a.Leeway, 0, Duration(5*time.Minute))
	between(l, "auth.first_message_timeout", a.FirstMessageTimeout, Duration(time.Second), Duration(time.Minute))
	between(l, "auth.refresh_grace", a.RefreshGrace, 0, Duration(5*time.Minute))
	between(l, "auth.max_revocations", a.MaxRevocations, 1, large)
}

// authKey reads the files of a key, and checks it as the verifier will.
func (l *loader) authKey(a *Auth, i int) {
	k, key := &a.Keys[i], item("auth.keys", i)
	l.check(k.ID != "" || len(a.Keys) == 1 && a.JWKS.URL == "", join(key, "id"), "is required when there is more than one key, auth.jwks included")
	l.check(len(k.ID) <= 128, join(key, "id"), "must have at most 128 bytes")
	for j := range a.Keys[:i] {
		l.check(a.Keys[j].ID != k.ID || k.ID == "", join(key, "id"), fmt.Sprintf("%s is the id of auth.keys.%d, too", show(k.ID), j))
	}
	if k.Algorithm == "" {
		l.check(false, join(key, "algorithm"), "is required: HS256 for a shared secret, or RS256, ES256, EdDSA ... for a public key")
		return
	}
	var given []string
	for name, set := range map[string]bool{
		"secret": !k.Secret.IsZero(), "secret_file": k.SecretFile != "", "public_key": k.PublicKey != "", "public_key_file": k.PublicKeyFile != "",
	} {
		if set {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	want := []string{"secret_file", "secret"}
	if !strings.HasPrefix(string(k.Algorithm), "HS") {
		want = []string{"public_key_file", "public_key"}
	}
	switch {
	case len(given) == 0:
		l.check(false, join(key, want[0]), fmt.Sprintf("%s needs %s or %s", k.Algorithm, want[0], want[1]), join(key, "algorithm"))
		return
	case len(given) > 1:
		l.check(false, join(key, given[1]), "are set together: "+strings.Join(given, ", ")+"; keep one of them")
		return
	case !slices.Contains(want, given[0]):
		l.check(false, join(key, given[0]), fmt.Sprintf("%s takes %s or %s", k.Algorithm, want[0], want[1]))
		return
	}
	at := join(key, given[0])
	if file := k.SecretFile + k.PublicKeyFile; file != "" {
		text, err := readKey(file)
		if err != nil {
			l.check(false, at, show(file)+" "+err.Error())
			return
		}
		if k.SecretFile != "" {
			k.Secret = NewSecret(text)
			l.private(at, file)
		} else {
			k.PublicKey = text
		}
	}
	if given[0] == "secret" {
		l.literal(at, "secret_file")
	}
	if _, err := k.Verifying(); err != nil {
		l.check(false, at, err.Error())
	}
}

func (l *loader) jwks(j *JWKS) {
	between(l, "auth.jwks.refresh", j.Refresh, Duration(30*time.Second), day)
	l.check(j.MaxStale >= j.Refresh && j.MaxStale <= 30*day, "auth.jwks.max_stale",
		fmt.Sprintf("auth.jwks.max_stale must be auth.jwks.refresh (%v) to %v, not %v", j.Refresh, 30*day, j.MaxStale), "auth.jwks.refresh")
	if j.URL != "" {
		if err := jwks.CheckURL(j.URL); err != nil {
			l.check(false, "auth.jwks.url", err.Error())
		}
	}
	if j.CAFile != "" {
		text, err := readFile(j.CAFile)
		switch {
		case err != nil:
			l.check(false, "auth.jwks.ca_file", show(j.CAFile)+" "+err.Error())
		case !x509.NewCertPool().AppendCertsFromPEM(text):
			l.check(false, "auth.jwks.ca_file", show(j.CAFile)+" has no PEM certificate")
		}
	}
}

// sources checks that none is listed twice.
func (l *loader) sources(key string, list []TokenSource) {
	for i, s := range list {
		l.check(!slices.Contains(list[:i], s), item(key, i), show(string(s))+" is listed already")
	}
}

// isProtocol says that s can be the name of a subprotocol, and is no token.
func isProtocol(s string) bool {
	return s != "" && len(s) <= 64 && !strings.HasPrefix(s, "bearer.") && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}) < 0
}

// rules checks who may do something with the channels of a namespace.
func (l *loader) rules(key string, list []string) {
	for i, text := range list {
		if _, err := auth.ParseRule(text); err != nil {
			l.check(false, item(key, i), show(text)+" "+err.Error())
		}
	}
}

// endpointAuth checks what an endpoint asks for.
func (l *loader) endpointAuth(e Endpoint, key string) {
	a := &l.config.Auth
	l.sources(join(key, "sources"), e.Auth.Sources)
	anonymous := join(key, "anonymous")
	for i, text := range e.Auth.Anonymous {
		p, err := auth.ParsePattern(text)
		switch {
		case err != nil:
			l.check(false, item(anonymous, i), show(text)+" "+err.Error())
		case p.HasUser():
			l.check(false, item(anonymous, i), show(text)+" has {user} in it, and anonymous clients are no users")
		}
	}
	if len(e.Auth.Anonymous) == 0 {
		return
	}
	sources, at := e.Auth.Sources, join(key, "sources")
	if len(sources) == 0 {
		sources, at = a.Sources, "auth.sources"
	}
	l.check(a.On(), anonymous, "has no meaning while auth is off, when everyone may join all of allow_channels: it needs auth.keys or auth.jwks.url")
	l.check(e.Auth.Mode == AuthToken, anonymous, "has no meaning with mode none, where everyone may join all of allow_channels", join(key, "mode"))
	l.check(!slices.Contains(sources, FirstMessage), anonymous,
		"does not go together with first_message in "+at+": it would not be known whether a client is anonymous or has yet to say who it is", at)
}

// ownProblem says what is wrong with a channel that an endpoint's clients join
// by themselves, or "". It may have the user in it, where there is one.
func (l *loader) ownProblem(e Endpoint, name string, longest int) string {
	if !strings.Contains(name, "{user}") {
		return channelProblem(name, longest)
	}
	p, err := auth.ParsePattern(name)
	switch {
	case err != nil:
		return show(name) + ": " + err.Error()
	case strings.HasSuffix(p.String(), "*"):
		return show(name) + ": a channel is joined, not a pattern"
	case !l.config.Auth.On() || e.Auth.Mode != AuthToken || len(e.Auth.Anonymous) > 0:
		return show(name) + ": {user} needs clients that have tokens, all of them"
	}
	return ""
}
