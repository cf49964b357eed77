package auth

import (
	"errors"
	"strings"
)

// userMark stands for the user's own segment in a pattern.
const userMark = "{user}"

// maxPattern is the longest pattern, in bytes: more than a channel name has.
const maxPattern = 4096

// Errors of ParsePattern.
var (
	errPatternLength = errors.New("must have 1 to 4096 bytes")
	errPatternBytes  = errors.New("may have the characters of channel names (A-Z a-z 0-9 _ . : / -), {user}, and a * at the end")
	errPatternRest   = errors.New("a * stands at the end, alone or after one of . : /")
	errPatternUser   = errors.New("{user} stands once, between two of . : / or at an end")
)

// Pattern is a set of channels: one name, a name with {user} in the place of a
// whole segment, or all that follows one of them (a * at the end). Segments are
// what stands between . : and /.
//
//	news          the channel news
//	room.*        room.1, room.a.b; not room, not rooms
//	user.{user}   the user's own: user.alice for alice
//	inbox:{user}/*
//	*             every channel
type Pattern struct {
	prefix, suffix string // around {user}; all in prefix if there is none
	user           bool
	rest           bool
}

// ParsePattern reads a pattern. The error says what is wrong, without the pattern.
func ParsePattern(s string) (Pattern, error) {
	var p Pattern
	if s == "" || len(s) > maxPattern {
		return p, errPatternLength
	}
	if before, ok := strings.CutSuffix(s, "*"); ok {
		if before != "" && !separator(before[len(before)-1]) {
			return p, errPatternRest
		}
		s, p.rest = before, true
	}
	p.prefix, p.suffix, p.user = strings.Cut(s, userMark)
	if p.user {
		before, after := p.prefix, p.suffix
		if before != "" && !separator(before[len(before)-1]) || after != "" && !separator(after[0]) || strings.Contains(after, userMark) {
			return Pattern{}, errPatternUser
		}
	}
	for _, part := range []string{p.prefix, p.suffix} {
		for i := range len(part) {
			if c := part[i]; !standsForItself(c) && c != '_' && c != '$' && !separator(c) {
				if c == '*' {
					return Pattern{}, errPatternRest
				}
				return Pattern{}, errPatternBytes
			}
		}
	}
	return p, nil
}

func separator(c byte) bool { return c == '.' || c == ':' || c == '/' }

// String is the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	s := p.prefix
	if p.user {
		s += userMark + p.suffix
	}
	if p.rest {
		s += "*"
	}
	return s
}

// HasUser says that the pattern has {user} in it.
func (p Pattern) HasUser() bool { return p.user }

// Match says whether the channel is in the set of an identity. An identity
// without a user matches no pattern with {user}.
//
// hot: no allocation.
func (p Pattern) Match(id *Identity, channel string) bool {
	rest, ok := strings.CutPrefix(channel, p.prefix)
	if !ok {
		return false
	}
	if p.user {
		if id.segment == "" {
			return false
		}
		if rest, ok = strings.CutPrefix(rest, id.segment); !ok {
			return false
		}
		if rest, ok = strings.CutPrefix(rest, p.suffix); !ok {
			return false
		}
	}
	if p.rest {
		return rest != "" || p.prefix == "" && !p.user
	}
	return rest == ""
}

// Expand is the one channel that the pattern names for an identity; "" when it
// names many, or none.
func (p Pattern) Expand(id *Identity) string {
	if p.rest || p.user && id.segment == "" {
		return ""
	}
	if !p.user {
		return p.prefix
	}
	return p.prefix + id.segment + p.suffix
}

// ParsePatterns reads a list of patterns.
func ParsePatterns(list []string) ([]Pattern, error) {
	var ps []Pattern
	for _, s := range list {
		p, err := ParsePattern(s)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func anyMatch(ps []Pattern, id *Identity, channel string) bool {
	for i := range ps {
		if ps[i].Match(id, channel) {
			return true
		}
	}
	return false
}
