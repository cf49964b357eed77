package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxUser is the longest user id, in bytes.
const maxUser = 255

// validUser says that a sub is a user id: 1 to maxUser bytes of UTF-8 without
// control characters.
func validUser(s string) bool {
	return s != "" && len(s) <= maxUser && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// Segment is a user id as a segment of a channel name: letters, digits and
// hyphens stand for themselves, every other byte is _ and two hexadecimal
// digits. Two users never share a segment, and no user id has a separator or a
// wildcard in it: what a user is called cannot widen what it may do.
func Segment(user string) string {
	const digits = "0123456789abcdef"
	plain := true
	for i := range len(user) {
		plain = plain && standsForItself(user[i])
	}
	if plain {
		return user
	}
	b := make([]byte, 0, 3*len(user))
	for i := range len(user) {
		c := user[i]
		if standsForItself(c) {
			b = append(b, c)
			continue
		}
		b = append(b, '_', digits[c>>4], digits[c&15])
	}
	return string(b)
}

func standsForItself(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}
