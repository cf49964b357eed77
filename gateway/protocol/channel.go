package protocol

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// StatsChannel is the read-only channel on which a node publishes its own figures.
const StatsChannel = "$stats"

// MaxSegments is how many parts, separated by dots, a channel name may have.
const MaxSegments = 16

// CheckChannel says what is wrong with a channel name that came from outside:
// 1 to maxBytes bytes of A-Z a-z 0-9 _ . : / -, at most MaxSegments non-empty
// segments separated by dots, no leading _ or $. One name is one byte string:
// nothing is folded, decoded or normalised.
func CheckChannel(name string, maxBytes int) error {
	switch {
	case name == "":
		return fmt.Errorf("a channel name must not be empty")
	case len(name) > maxBytes:
		return fmt.Errorf("a channel name has at most %d bytes, this one %d", maxBytes, len(name))
	case name[0] == '_' || name[0] == '$':
		return fmt.Errorf("channel names that begin with $ or _ are reserved")
	}
	for i := range len(name) {
		if !channelByte(name[i]) {
			return fmt.Errorf("a channel name consists of A-Z a-z 0-9 _ . : / -, byte %d is %q", i, firstRune(name[i:]))
		}
	}
	if name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, "..") {
		return fmt.Errorf("a channel name has no empty segments")
	}
	if strings.Count(name, ".") >= MaxSegments {
		return fmt.Errorf("a channel name has at most %d segments", MaxSegments)
	}
	return nil
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func channelByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '_' || c == '.' || c == ':' || c == '/' || c == '-'
}

// Match says whether pattern, an exact name or a prefix and a trailing *, matches name.
func Match(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
