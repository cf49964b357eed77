package auth

import (
	"errors"
	"sync"
	"time"

	"sluice/gateway/internal/deadline"
)

// ErrRevocationsFull: the list has as many entries as it may. Nothing was
// revoked: an older entry is never dropped for a newer one.
var ErrRevocationsFull = errors.New("auth: the list of revocations is full")

// Revocation is what is taken back: one of the three.
type Revocation struct {
	// User: the tokens of this user that were issued up to now.
	User string
	// TokenID: the token with this jti.
	TokenID string
	// IssuedBefore: every token that was issued before it, or does not say when.
	IssuedBefore time.Time
}

// Revokes says whether a token falls under r, which was made at.
func (r *Revocation) Revokes(id *Identity, at time.Time) bool {
	switch {
	case id.User == "":
		return false
	case r.User != "":
		return id.User == r.User && id.Issued.Unix() <= at.Unix() // both have whole seconds
	case r.TokenID != "":
		return id.TokenID == r.TokenID
	}
	return id.Issued.Before(r.IssuedBefore)
}

// Revocations is the list of what was taken back, by which Verify refuses it
// from then on. Entries are forgotten when every token that they can concern
// has expired. All methods may be called concurrently.
type Revocations struct {
	// Static after construction.
	limit int
	keep  time.Duration

	// Guarded by mu.
	mu     sync.Mutex
	users  map[string]time.Time // revoked at
	tokens map[string]time.Time
	before time.Time
	ends   deadline.Queue[Revocation] // milliseconds; one for each of users and tokens
}

// NewRevocations returns an empty list of at most limit users and tokens, each
// kept for the longest time that a token may be valid.
func NewRevocations(limit int, keep time.Duration) *Revocations {
	return &Revocations{limit: limit, keep: keep, users: map[string]time.Time{}, tokens: map[string]time.Time{}}
}

// Add takes something back, as of now. One that was taken back later already stays as it is.
func (l *Revocations) Add(r Revocation, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	if r.User == "" && r.TokenID == "" {
		if r.IssuedBefore.After(l.before) {
			l.before = r.IssuedBefore
		}
		return nil
	}
	list, key := l.entry(r)
	_, there := list[key]
	if !there && l.ends.Len() >= l.limit {
		return ErrRevocationsFull
	}
	if now.After(list[key]) {
		list[key] = now
	}
	if !there {
		l.ends.Add(now.Add(l.keep).UnixMilli(), r)
	}
	return nil
}

// entry is where the entry of a user or a token stands.
func (l *Revocations) entry(r Revocation) (list map[string]time.Time, key string) {
	if r.User != "" {
		return l.users, r.User
	}
	return l.tokens, r.TokenID
}

// forget drops the entries whose time is over. One that was made anew stays,
// for one more time: it takes no second place, or whoever has himself revoked
// again and again would take all of them.
func (l *Revocations) forget(now time.Time) {
	for {
		r, ok := l.ends.Expired(now.UnixMilli())
		if !ok {
			return
		}
		list, key := l.entry(r)
		if now.Before(list[key].Add(l.keep)) {
			l.ends.Add(now.Add(l.keep).UnixMilli(), r)
		} else {
			delete(list, key)
		}
	}
}

// Revoked says whether id's token falls under an entry.
func (l *Revocations) Revoked(id *Identity, now time.Time) bool {
	if id.User == "" {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.users[id.User]; ok {
		if r := (Revocation{User: id.User}); r.Revokes(id, at) {
			return true
		}
	}
	if _, ok := l.tokens[id.TokenID]; ok && id.TokenID != "" {
		return true
	}
	return id.Issued.Before(l.before)
}

// Dated is a revocation and when it was made.
type Dated struct {
	Revocation
	At time.Time
}

// All are the entries that are in force.
func (l *Revocations) All() (list []Dated) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for user, at := range l.users {
		list = append(list, Dated{Revocation{User: user}, at})
	}
	for id, at := range l.tokens {
		list = append(list, Dated{Revocation{TokenID: id}, at})
	}
	if !l.before.IsZero() {
		list = append(list, Dated{Revocation{IssuedBefore: l.before}, l.before})
	}
	return list
}

// Len is how many users and tokens are on the list.
func (l *Revocations) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.users) + len(l.tokens)
}
