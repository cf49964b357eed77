package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"sluice/gateway/protocol"
)

// Errors of Admit.
var (
	// ErrChannel: a channel is not valid or not allowed on this endpoint.
	ErrChannel = errors.New("session: channel refused")
	// ErrSubscriptions: more channels than one connection may join.
	ErrSubscriptions = errors.New("session: too many channels")
)

// Admit returns the channels that a connection with this query joins, or why
// it may not. The slice is shared, by those who name none, and by those whose
// queries are alike: nobody writes to it.
func (ep *Endpoint) Admit(query string) (*[]string, error) {
	if query == "" {
		return &ep.Channels, nil
	}
	limits := ep.Limits.Load()
	if names := ep.admitted.find(query, limits); names != nil {
		return names, nil
	}
	names, err := protocol.RawChannels(query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChannel, err)
	}
	if len(names) == 0 {
		return &ep.Channels, nil
	}
	if len(names) > limits.Subscriptions {
		return nil, fmt.Errorf("%w: at most %d", ErrSubscriptions, limits.Subscriptions)
	}
	for _, name := range names {
		if err := ep.admit(name, limits); err != nil {
			return nil, err
		}
	}
	ep.admitted.keep(query, limits, &names)
	return &names, nil
}

func (ep *Endpoint) admit(name string, limits *Limits) error {
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

// admissions are queries that were admitted not long ago. Most clients of an
// endpoint ask for the same few channels: then a connection holds a pointer
// instead of its own copy of the names, and its query is not taken apart again.
type admissions struct {
	// Guarded by mu.
	mu     sync.Mutex
	limits *Limits // under which they were admitted
	names  map[string]*[]string
}

// Bounds of admissions: whoever makes up queries fills it with this much, and it begins anew.
const (
	maxAdmissions    = 1024
	maxAdmittedQuery = 256 // bytes
)

// find returns the channels of a query, or nil when it has to be looked at.
func (a *admissions) find(query string, limits *Limits) *[]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits != limits {
		return nil
	}
	return a.names[query]
}

// keep remembers an admitted query, of which it makes a copy.
func (a *admissions) keep(query string, limits *Limits, names *[]string) {
	if len(query) > maxAdmittedQuery {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits != limits || len(a.names) >= maxAdmissions {
		a.limits, a.names = limits, map[string]*[]string{}
	}
	a.names[strings.Clone(query)] = names
}
