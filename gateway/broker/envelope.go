package broker

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"sluice/gateway/hub"
)

// A message between nodes is one line of ASCII, a newline, and the payload as
// clients get it:
//
//	sluice/1 [KEY=VALUE ...]\n
//	payload
//
// What is forwarded to backends has the keys from, binary, and: path, that of the
// endpoint; user, if the client has a token; channels, those that the client
// joined, separated by commas. Values are escaped like those of a URL's query.
//
// A backend may publish such a message straight to the engine, without the
// server API; then the line is "sluice/1", or "sluice/1 binary=1" for a binary
// message. The other keys are the nodes' own: from is the connection that
// published and gets no copy, NODE/CONNECTION; also are all channels of the
// publication, separated by commas, where it has more than one, as far as there is room. Keys that a node
// does not know are ignored.
const magic = "sluice/1"

// maxHeader bounds the first line.
const maxHeader = 64 << 10

// maxAlso is how many bytes the names of a publication's channels may come to: with
// one more, of the longest that there are, and all other keys, that is less than maxHeader.
const maxAlso = maxHeader - 8<<10

// fitting is how many of the names may stand in an envelope. Who is subscribed to two
// channels whose names do not is given the message on both.
func fitting(names []string) int {
	size := 0
	for i, name := range names {
		if size += len(name) + 1; size > maxAlso {
			return i
		}
	}
	return len(names)
}

// Errors of decode and open.
var (
	errBare   = errors.New("broker: no envelope")
	errHeader = errors.New("broker: malformed envelope")
	errSize   = errors.New("broker: too long")
)

// envelope is a message between nodes, taken apart.
type envelope struct {
	binary  bool
	node    string // of the connection that published; "" for none
	sender  hub.ID
	also    []string
	payload []byte

	// Of what is forwarded.
	path, user string
	channels   []string
}

// append appends the encoded envelope.
func (e *envelope) append(dst []byte) []byte {
	dst = append(dst, magic...)
	if e.binary {
		dst = append(dst, " binary=1"...)
	}
	if e.node != "" {
		dst = append(append(append(dst, " from="...), e.node...), '/')
		dst = append(dst, e.sender.String()...)
	}
	for i, name := range e.also {
		if i == 0 {
			dst = append(dst, " also="...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
	}
	if e.path != "" {
		dst = append(append(dst, " path="...), url.QueryEscape(e.path)...)
	}
	if e.user != "" {
		dst = append(append(dst, " user="...), url.QueryEscape(e.user)...)
	}
	if len(e.channels) > 0 {
		dst = append(append(dst, " channels="...), strings.Join(e.channels, ",")...)
	}
	dst = append(dst, '\n')
	return append(dst, e.payload...)
}

// decode takes a message apart. Payload is a part of m.
func decode(m []byte) (e envelope, err error) {
	rest, ok := bytes.CutPrefix(m, []byte(magic))
	if !ok || len(rest) == 0 || rest[0] != '\n' && rest[0] != ' ' {
		return e, errBare
	}
	end := bytes.IndexByte(rest[:min(len(rest), maxHeader)], '\n')
	if end < 0 {
		return e, errHeader
	}
	e.payload = rest[end+1:]
	if end > 0 {
		err = e.keys(string(rest[1:end]))
	}
	if err == nil && !e.binary && !utf8.Valid(e.payload) {
		err = errHeader // RFC 6455 section 5.6: a text message is UTF-8
	}
	return e, err
}

// keys reads the keys of the first line.
func (e *envelope) keys(line string) error {
	for pair := range strings.SplitSeq(line, " ") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errHeader
		}
		switch key {
		case "binary":
			e.binary = value == "1"
		case "from":
			node, id, ok := strings.Cut(value, "/")
			sender, err := hub.ParseID(id)
			if !ok || err != nil {
				return errHeader
			}
			e.node, e.sender = node, sender
		case "also":
			e.also = strings.Split(value, ",")
		}
	}
	return nil
}

// bare is a message without an envelope, as it was published: text if it is UTF-8.
func bare(m []byte) envelope { return envelope{binary: !utf8.Valid(m), payload: m} }
