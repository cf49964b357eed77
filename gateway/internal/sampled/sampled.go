// Package sampled writes log lines about clients: few of each kind, however
// many clients there are, and with nothing in them that a client could use to
// forge another line, or to make a terminal do what it wants.
package sampled

import (
	"strconv"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

// PerSecond is how many lines of one kind are written in a second.
const PerSecond = 10

// Log is a logger for n kinds of events. Any goroutine may call its methods.
type Log struct {
	// Static after New.
	log   zerolog.Logger
	start time.Time
	kinds []kind
}

// kind counts the lines of one kind.
type kind struct {
	window atomic.Uint64 // the second in the upper half, the lines in it below
	muted  atomic.Uint64 // lines not written since the last one that was
}

// New returns a Log for kinds 0 to n-1.
func New(log zerolog.Logger, n int) *Log {
	return &Log{log: log, start: time.Now(), kinds: make([]kind, n)}
}

// Event begins a line of a kind, to be finished with Msg. It is nil, whose
// methods do nothing, when the level is off or there were PerSecond lines of the
// kind in this second; how many were left out stands in the next one as "muted".
//
// hot: with the level off, two comparisons.
func (l *Log) Event(level zerolog.Level, i int) *zerolog.Event {
	if !l.On(level) {
		return nil
	}
	k := &l.kinds[i]
	if !k.take(uint64(time.Since(l.start) / time.Second)) {
		k.muted.Add(1)
		return nil
	}
	e := l.log.WithLevel(level)
	if n := k.muted.Swap(0); n > 0 {
		e.Uint64("muted", n)
	}
	return e
}

// On says whether lines of this level are written.
func (l *Log) On(level zerolog.Level) bool {
	return level >= l.log.GetLevel() && level >= zerolog.GlobalLevel()
}

// take counts a line in a second, unless there were enough.
func (k *kind) take(second uint64) bool {
	for {
		old := k.window.Load()
		n := uint32(old)
		if old>>32 != second {
			n = 0
		}
		if n >= PerSecond {
			return false
		}
		if k.window.CompareAndSwap(old, second<<32|uint64(n+1)) {
			return true
		}
	}
}

// maxText is how many bytes of a client's text are written.
const maxText = 256

// Text is a client's text as a log may show it: at most 256 bytes of it, with
// whatever is not printable (control characters, escape sequences, what turns
// the direction of the line, what is not UTF-8) as Go would escape it.
func Text(s string) string {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
		for i := 1; i < utf8.UTFMax && i <= len(s); i++ { // not in the middle of a character
			if r := len(s) - i; utf8.RuneStart(s[r]) {
				if !utf8.FullRuneInString(s[r:]) {
					s = s[:r]
				}
				break
			}
		}
	}
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\x`...)
			if s[i] < 16 {
				out = append(out, '0')
			}
			out = strconv.AppendUint(out, uint64(s[i]), 16)
		case r == ' ' || unicode.IsPrint(r):
			out = append(out, s[i:i+n]...)
		default:
			q := strconv.AppendQuoteRuneToASCII(nil, r)
			out = append(out, q[1:len(q)-1]...)
		}
		i += n
	}
	if cut {
		out = append(out, "..."...)
	}
	return string(out)
}
