package auth

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sluice/gateway/metrics"
)

// A6: by token, by user, by date; until every token that it can concern is over.
func TestA6Revocations(t *testing.T) {
	o := options(t)
	o.Revocations = NewRevocations(10, 24*time.Hour)
	v := verifier(t, o)
	list := o.Revocations
	token := func(sub, jti string, issued time.Duration) string {
		return hs(t, claimSet(map[string]any{"sub": sub, "jti": jti, "iat": now.Add(issued).Unix()}))
	}
	old := token("alice", "a1", -time.Hour)
	expect(t, v, "before", old, ok)

	add := func(r Revocation, at time.Time) {
		t.Helper()
		if err := list.Add(r, at); err != nil {
			t.Fatal(err)
		}
	}
	add(Revocation{TokenID: "a1"}, now)
	expect(t, v, "the token", old, metrics.TokenRevoked)
	expect(t, v, "another of the user", token("alice", "a2", -time.Hour), ok)
	expect(t, v, "without an id", token("alice", "", -time.Hour), ok)

	add(Revocation{User: "bob"}, now.Add(-time.Minute))
	expect(t, v, "issued before", token("bob", "", -time.Hour), metrics.TokenRevoked)
	expect(t, v, "issued in the same second", token("bob", "", -time.Minute), metrics.TokenRevoked)
	expect(t, v, "issued after", token("bob", "", 0), ok)
	expect(t, v, "without iat", hs(t, claimSet(map[string]any{"sub": "bob", "iat": nil})), metrics.TokenRevoked)
	expect(t, v, "a name that begins so", token("bobby", "", -time.Hour), ok)

	add(Revocation{IssuedBefore: now.Add(-30 * time.Minute)}, now)
	add(Revocation{IssuedBefore: now.Add(-2 * time.Hour)}, now) // an earlier one takes nothing back
	expect(t, v, "issued before that date", token("carol", "", -time.Hour), metrics.TokenRevoked)
	expect(t, v, "issued on that date", token("carol", "", -30*time.Minute), ok)

	if n := list.Len(); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
	add(Revocation{User: "bob"}, now.Add(23*time.Hour)) // anew: it lasts longer
	add(Revocation{TokenID: "x"}, now.Add(25*time.Hour))
	if n := list.Len(); n != 2 {
		t.Errorf("a day later there are %d entries, want bob's and x", n)
	}
}

// A6: the list is bounded, and says so instead of forgetting.
func TestA6ListIsBounded(t *testing.T) {
	list := NewRevocations(3, time.Hour)
	for i := range 3 {
		if err := list.Add(Revocation{TokenID: fmt.Sprint(i)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := list.Add(Revocation{User: "u"}, now.Add(time.Minute)); !errors.Is(err, ErrRevocationsFull) {
		t.Errorf("a fourth of three: %v", err)
	}
	if err := list.Add(Revocation{IssuedBefore: now}, now); err != nil {
		t.Errorf("a date takes no room: %v", err)
	}
	if err := list.Add(Revocation{User: "u"}, now.Add(time.Hour)); err != nil {
		t.Errorf("when the others are over: %v", err)
	}
}

// A6: a user that is revoked again and again has one place on the list, and
// leaves the others to those whom it concerns.
func TestA6OnePlaceEach(t *testing.T) {
	list := NewRevocations(2, time.Hour)
	again := Revocation{User: "mallory"}
	for i := range 1000 {
		if err := list.Add(again, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("time %d: %v", i, err)
		}
	}
	if err := list.Add(Revocation{TokenID: "x"}, now.Add(1000*time.Second)); err != nil {
		t.Errorf("another one: %v", err)
	}
	if err := list.Add(Revocation{TokenID: "y"}, now.Add(1000*time.Second)); !errors.Is(err, ErrRevocationsFull) {
		t.Errorf("a third of two: %v", err)
	}
	id := &Identity{User: "mallory", Issued: now.Add(999 * time.Second)}
	late := now.Add(time.Hour + 900*time.Second) // the first entry would be over
	if err := list.Add(Revocation{IssuedBefore: now}, late); err != nil || !list.Revoked(id, late) {
		t.Errorf("the newest counts: %v, revoked %v", err, list.Revoked(id, late))
	}
	if err := list.Add(Revocation{IssuedBefore: now}, now.Add(4*time.Hour)); err != nil || list.Len() != 0 {
		t.Errorf("%v; %d entries are left", err, list.Len())
	}
}
