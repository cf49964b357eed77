package session

import (
	"errors"
	"fmt"
	"slices"

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
// it may not. The slice is the endpoint's own where the query names none.
func (ep *Endpoint) Admit(query string) (*[]string, error) {
	names, err := protocol.RawChannels(query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChannel, err)
	}
	if len(names) == 0 {
		return &ep.Channels, nil
	}
	limits := ep.Limits.Load()
	if len(names) > limits.Subscriptions {
		return nil, fmt.Errorf("%w: at most %d", ErrSubscriptions, limits.Subscriptions)
	}
	for _, name := range names {
		if err := ep.admit(name, limits); err != nil {
			return nil, err
		}
	}
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
