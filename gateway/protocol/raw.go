// Package protocol has the client protocols, without sockets: how a client
// names its channels, and what the names look like.
//
// The raw protocol has no envelope. The channels come from the URL
// (GET /?channel=a&channel=b), what a client sends is published to the
// channels that it joined, and what is delivered is the published payload and
// nothing else, as text or binary as it was published.
package protocol

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// ErrQuery: the query is not well-formed.
var ErrQuery = errors.New("protocol: malformed query")

// RawChannels returns the channels that the query of a raw URL names, each
// once, in order. Other parameters are ignored. The time it takes grows with the
// query's length, and no faster: who sends it is a stranger.
func RawChannels(query string) ([]string, error) {
	const few = 16 // are looked through as they are
	var names []string
	var seen map[string]bool // when there are more
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "channel" {
			continue
		}
		name, err := url.QueryUnescape(value)
		if err != nil {
			return nil, ErrQuery
		}
		if seen[name] || seen == nil && slices.Contains(names, name) {
			continue
		}
		name = strings.Clone(name)
		names = append(names, name)
		if seen == nil && len(names) > few {
			seen = make(map[string]bool)
			for _, n := range names {
				seen[n] = true
			}
		}
		if seen != nil {
			seen[name] = true
		}
	}
	return names, nil
}
