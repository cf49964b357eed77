package bench

import (
	"strconv"
	"strings"
)

// A template is text with blanks: {index} is the number of the connection (or
// of the publisher), {channel} the name of its channel, {payload} what is
// published. Any other brace is text, so that JSON needs no escapes; and since
// a payload is letters only, it needs none within a JSON string either.
type template struct {
	parts []part
}

// part is literal text, or the blank that it stands in front of.
type part struct {
	text  string
	blank blank
}

type blank uint8

const (
	noBlank blank = iota
	indexBlank
	channelBlank
	payloadBlank
)

// blanks are the names of the blanks as they are written.
var blanks = [...]string{indexBlank: "{index}", channelBlank: "{channel}", payloadBlank: "{payload}"}

func parseTemplate(s string) template {
	var t template
	for s != "" {
		at, found := len(s), noBlank
		for b := indexBlank; b <= payloadBlank; b++ {
			if i := strings.Index(s, blanks[b]); i >= 0 && i < at {
				at, found = i, b
			}
		}
		t.parts = append(t.parts, part{s[:at], found})
		s = s[at+len(blanks[found]):]
	}
	return t
}

// has says whether the blank occurs.
func (t template) has(b blank) bool {
	for _, p := range t.parts {
		if p.blank == b {
			return true
		}
	}
	return false
}

// append fills the blanks in and appends the text to dst.
//
// hot: once per published message.
func (t template) append(dst []byte, index, channel int, payload []byte) []byte {
	for _, p := range t.parts {
		dst = append(dst, p.text...)
		switch p.blank {
		case indexBlank:
			dst = strconv.AppendInt(dst, int64(index), 10)
		case channelBlank:
			dst = appendChannelName(dst, channel)
		case payloadBlank:
			dst = append(dst, payload...)
		}
	}
	return dst
}
