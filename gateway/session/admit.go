package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sluice/gateway/auth"
	"sluice/gateway/protocol"
)

// Errors of Admit and Enter.
var (
	// ErrChannel: a channel is not valid or not allowed on this endpoint.
	ErrChannel = errors.New("session: channel refused")
	// ErrSubscriptions: more channels than one connection may join.
	ErrSubscriptions = errors.New("session: too many channels")
	// ErrUnauthorized: a good token is needed.
	ErrUnauthorized = errors.New("session: a valid token is needed")
	// ErrForbidden: the client may not join a channel that it asked for.
	ErrForbidden = errors.New("session: not allowed")

	errUserSubscriptions = fmt.Errorf("%w: your connections are subscribed to too many channels", ErrForbidden)

	errPublish = fmt.Errorf("%w: you may not publish", ErrForbidden)
)

// Admission is what a connection was let in with. It is read only, and shared
// by all who were let in with the same; a connection holds a pointer to it.
type Admission struct {
	// Channels are joined.
	Channels []string

	publish []string       // of them, those that the client's messages go to
	id      *auth.Identity // who the client is; nil where nobody asks
	by      *Authority     // that decided about it; nil where nobody asks, and for anonymous clients
	counted atomic.Bool    // its channels are in its user's Tally; only one that a user has alone is

	// refreshes are the minute of the hub's clock in which the client renewed its
	// token last, and in the last byte how often it did in that minute. Its poller
	// writes it, while the admission may be replaced: then one is not counted.
	refreshes atomic.Uint32

	pending *pending // not nil: it has yet to say who it is, and has joined nothing
}

// Admit returns what a connection with this query is let in with where nobody
// asks who it is, or why it may not come in.
func (ep *Endpoint) Admit(query string) (*Admission, error) { return ep.admit(query, nil) }

// admit is Admit for everyone who is id; nil: where nobody asks.
func (ep *Endpoint) admit(query string, id *auth.Identity) (*Admission, error) {
	limits := ep.Limits.Load()
	if adm := ep.admitted.find(query, limits); adm != nil {
		return adm, nil
	}
	names, err := ep.named(query, limits)
	if err != nil {
		return nil, err
	}
	adm := &Admission{Channels: names, id: id}
	if id != nil {
		policy := ep.Auth.Authority.Load().Policy
		for _, name := range names {
			if !policy.MaySubscribe(id, name) {
				return nil, forbidden(name)
			}
		}
	} else if ep.Publish {
		adm.publish = writable(names)
	}
	ep.admitted.keep(query, limits, adm)
	return adm, nil
}

// named are the channels that a query names, or the endpoint's own, if it names none.
func (ep *Endpoint) named(query string, limits *Limits) ([]string, error) {
	if query == "" {
		return ep.Channels, nil
	}
	names, err := protocol.RawChannels(query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChannel, err)
	}
	if len(names) == 0 {
		return ep.Channels, nil
	}
	if len(names) > limits.Subscriptions {
		return nil, fmt.Errorf("%w: at most %d", ErrSubscriptions, limits.Subscriptions)
	}
	for _, name := range names {
		if err := ep.check(name, limits); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (ep *Endpoint) check(name string, limits *Limits) error {
	if name == protocol.StatsChannel && ep.Stats {
		return nil
	}
	if err := protocol.CheckChannel(name, limits.ChannelNameBytes); err != nil {
		return fmt.Errorf("%w: %w", ErrChannel, err)
	}
	if !slices.ContainsFunc(ep.Allow, func(p string) bool { return protocol.Match(p, name) }) {
		return fmt.Errorf("%w: %q is not allowed here", ErrChannel, name)
	}
	return nil
}

// forbidden says which channel it was: the client named it, or the endpoint's configuration.
func forbidden(name string) error {
	return fmt.Errorf("%w: you may not join %q", ErrForbidden, name)
}

// writable are the names without the node's own channel, which is read only.
func writable(names []string) []string {
	if !slices.Contains(names, protocol.StatsChannel) {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == protocol.StatsChannel })
}

// admissions are queries that were admitted not long ago. Most clients of an
// endpoint ask for the same few channels: then a connection holds a pointer
// instead of its own copy of the names, and its query is not taken apart again.
type admissions struct {
	// Guarded by mu.
	mu      sync.Mutex
	limits  *Limits // under which they were admitted
	queries map[string]*Admission
}

// Bounds of admissions: whoever makes up queries fills it with this much, and it begins anew.
const (
	maxAdmissions    = 1024
	maxAdmittedQuery = 256 // bytes
)

// find returns what a query was admitted with, or nil when it has to be looked at.
func (a *admissions) find(query string, limits *Limits) *Admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits != limits {
		return nil
	}
	return a.queries[query]
}

// keep remembers an admitted query, of which it makes a copy.
func (a *admissions) keep(query string, limits *Limits, adm *Admission) {
	if len(query) > maxAdmittedQuery || strings.Contains(query, "token=") || // nobody's token is kept
		strings.Contains(query, "since=") { // nor what is nobody else's
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queries == nil || a.limits != limits || len(a.queries) >= maxAdmissions {
		a.limits, a.queries = limits, map[string]*Admission{}
	}
	a.queries[strings.Clone(query)] = adm
}
