package protocol

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Position is a place in a channel's history. In a URL, and wherever else a
// client meets it, it is EPOCH:OFFSET.
type Position struct {
	Epoch  string // 1 to 32 characters of A-Z a-z 0-9 _ -
	Offset uint64
}

// String is what ParsePosition reads.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends what String returns.
func (p Position) Append(dst []byte) []byte {
	dst = append(append(dst, p.Epoch...), ':')
	return strconv.AppendUint(dst, p.Offset, 10)
}

// maxEpoch is the longest epoch, in bytes.
const maxEpoch = 32

// ErrPosition: a position is not well-formed.
var ErrPosition = errors.New("protocol: a position is EPOCH:OFFSET, as resumable connections and /api/history give it")

// ParsePosition reads EPOCH:OFFSET.
func ParsePosition(s string) (Position, error) {
	epoch, offset, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(offset, 10, 64)
	if !ok || err != nil || epoch == "" || len(epoch) > maxEpoch || strings.ContainsFunc(epoch, notInEpoch) {
		return Position{}, ErrPosition
	}
	return Position{strings.Clone(epoch), n}, nil
}

func notInEpoch(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

// Resume is what the query of a raw URL says about what a client has seen.
type Resume struct {
	// Positions: each message shall come with its place in its channel's history.
	Positions bool
	// Since are channels and the positions after which the client wants what it
	// missed. The channel "" is the first that the client joins.
	Since []Since
}

// Since is a position on a channel.
type Since struct {
	Channel  string
	Position Position
}

// At is the position that the i-th joined channel, of that name, is resumed from; zero: none.
func (r *Resume) At(i int, channel string) Position {
	if r != nil {
		for _, s := range r.Since {
			if s.Channel == channel || s.Channel == "" && i == 0 {
				return s.Position
			}
		}
	}
	return Position{}
}

// RawResume reads it from a query; nil: it says nothing. since=EPOCH:OFFSET
// belongs to the channel before it (channel=a&since=e:4&channel=b&since=e:9); one
// that stands before all channels, to the first.
func RawResume(query string) (*Resume, error) {
	if !strings.Contains(query, "since=") && !strings.Contains(query, "positions=") {
		return nil, nil
	}
	r := new(Resume)
	channel := ""
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "channel" && key != "since" && key != "positions" {
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, ErrQuery
		}
		switch key {
		case "channel":
			channel = strings.Clone(value)
		case "positions":
			r.Positions = value == "true" || value == "1"
		case "since":
			at, err := ParsePosition(value)
			if err != nil {
				return nil, err
			}
			r.Since = append(r.Since, Since{channel, at})
		}
	}
	return r, nil
}
