package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration, and where it was said.
type Problem struct {
	// File is the file's path as it was given, or what else said it: the name of
	// an environment variable, or a flag. Empty: the built-in default.
	File string
	// Line and Col count from 1; 0 where there is no text to point at.
	Line, Col int
	// Key is the path of the key, such as limits.message_size, as far as it is known.
	Key string
	// Message says what is wrong, and what would be right. It never contains a secret.
	Message string
}

// String is "file:line:col: key: message", without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col))
	}
	switch {
	case p.File == setFlag && p.Key != "":
		b.WriteString(" ") // as it was typed: --set hub.shards
	case p.File != "":
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is all that is wrong; empty means that the configuration is good.
type Problems []Problem

// String is one problem a line, each line ended.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Err is all problems as one error, or nil when there is none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return errors.New(strings.TrimSuffix(ps.String(), "\n"))
}

// sort puts the file's problems first and in the order of its lines; the
// others stay in the order in which their sources were applied.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		switch {
		case a.Line > 0 && b.Line > 0:
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
		case a.Line > 0:
			return -1
		case b.Line > 0:
			return 1
		}
		return 0
	})
}

// clipped is the most that a message repeats of a text that it complains about.
const clipped = 64

// show quotes what someone wrote so that it stays on one line, is short, and
// gives no password away.
func show(s string) string {
	s = redact(s)
	if len(s) > clipped {
		return strconv.Quote(s[:clipped]) + "..."
	}
	return strconv.Quote(s)
}

// redact hides what may be a password: all before the last @ of a URL, or of an
// address with a user and a password in front. A user alone goes, too, as that
// may be a token.
func redact(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	begin := 0
	if i := strings.Index(s[:at], "://"); i >= 0 {
		begin = i + len("://")
	} else if !strings.Contains(s[:at], ":") {
		return s
	}
	return s[:begin] + Redacted + s[at:]
}

// word is a part of a key path as someone wrote it, quoted where it is odd.
func word(s string) string {
	if q := show(s); q != `"`+s+`"` {
		return q
	}
	return s
}
