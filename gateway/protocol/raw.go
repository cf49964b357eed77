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
// once, in order. Other parameters are ignored.
func RawChannels(query string) ([]string, error) {
	var names []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "channel" {
			continue
		}
		name, err := url.QueryUnescape(value)
		if err != nil {
			return nil, ErrQuery
		}
		if !slices.Contains(names, name) {
			names = append(names, strings.Clone(name))
		}
	}
	return names, nil
}
