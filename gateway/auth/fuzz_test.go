package auth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/gateway/protocol"
)

// FuzzToken: whatever comes in, Verify does not panic, shows nothing of it, and
// gives only identities that keep the rules.
func FuzzToken(f *testing.F) {
	o := options(f)
	o.Revocations = NewRevocations(1, time.Hour)
	v, err := NewVerifier(o)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hs(f, claimSet(nil)))
	f.Add(hs(f, claimSet(map[string]any{"channels": []string{"room.*", "user.{user}"}, "meta": map[string]int{"a": 1}})))
	f.Add(signText(f, hsHeader, `{"exp":1e308}`))
	f.Add(signText(f, `{"alg":"none"}`, `{}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Verify(token, now)
		if (id == nil) == (err == nil) {
			t.Fatalf("%v, %v", id, err)
		}
		if err != nil {
			_ = ReasonOf(err).String()
			return
		}
		keepsTheRules(t, id)
	})
}

// FuzzClaims signs what it is given, so that the claims are looked at.
func FuzzClaims(f *testing.F) {
	v, err := NewVerifier(options(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hsHeader, toJSON(f, claimSet(nil)))
	f.Add(hsHeader, toJSON(f, claimSet(map[string]any{"aud": []string{"a", "sluice"}, "channels": []string{"a"}})))
	f.Add(hsHeader, `{"sub":"a","sub":"b"}`)
	f.Add(hsHeader, strings.Repeat(`{"a":`, 100))
	f.Add(`{"alg":"HS256","crit":[]}`, `{}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		if id, err := v.Verify(signText(t, header, payload), now); err == nil {
			keepsTheRules(t, id)
		}
	})
}

func keepsTheRules(t *testing.T, id *Identity) {
	t.Helper()
	if id.User == "" || !utf8.ValidString(id.User) || len(id.User) > maxUser || !id.Expires.After(now) || id.Expires.After(now.Add(24*time.Hour+30*time.Second)) {
		t.Errorf("%+v", id)
	}
	if strings.ContainsAny(id.segment, ".:/*") || protocol.CheckChannel("u."+id.segment, 1000) != nil {
		t.Errorf("user %q has the segment %q", id.User, id.segment)
	}
}

// FuzzPattern: what is read is printed as it was, and matches its own expansion.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a", "a.*", "*", "user.{user}", "{user}/x:*", "a.{user}.b"} {
		f.Add(s, "alice")
	}
	f.Fuzz(func(t *testing.T, s, name string) {
		p, err := ParsePattern(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q is printed as %q", s, p)
		}
		id := user(name, nil, nil)
		if one := p.Expand(id); one != "" && !p.Match(id, one) {
			t.Errorf("%q does not match %q", s, one)
		}
	})
}

// FuzzKeySet: a key set from elsewhere gives usable keys or an error.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[` + jwkOf("rs", "") + "," + jwkOf("es", "") + "," + jwkOf("ed", "") + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseKeySet(b)
		if (len(keys) == 0) == (err == nil) {
			t.Errorf("%v, %v", keys, err)
		}
		for _, k := range keys {
			if k.ID == "" || fits(k.Algorithm, k.material) != nil {
				t.Errorf("%+v", k)
			}
		}
	})
}

// FuzzMessageToken: what is taken for a token's message has its two members and
// no others, however it is written.
func FuzzMessageToken(f *testing.F) {
	f.Add([]byte(`{"type":"auth","token":"a.b.c"}`))
	f.Add([]byte(`{ "token" : "a" , "type" : "auth" }`))
	f.Add([]byte(`{"type":"auth","token":"a","token":"b"}`))
	f.Add([]byte(`{"Type":"auth","token":"a"}`))
	f.Add([]byte(`{"type":"auth","token":"a"}{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		token, ok := MessageToken(b)
		if ok == (token == "") {
			t.Fatalf("%q, %v", token, ok)
		}
		if !ok {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil || len(m) != 2 || m["type"] != "auth" || m["token"] != token {
			t.Errorf("%q is taken for %q", b, token)
		}
	})
}
