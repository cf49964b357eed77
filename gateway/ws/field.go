package ws

import "strings"

// fields collects the headers that decide about a request, in views.
type fields struct {
	host, origin, key, version string

	seen         fieldSet
	connection   bool // Connection lists "upgrade"
	upgrade      bool // Upgrade lists "websocket"
	badProtocol  bool // a subprotocol is not a token
	badExtension bool // an extension does not follow the grammar
}

// fieldSet remembers which of the headers that may come once have come.
type fieldSet uint8

const (
	fieldHost fieldSet = 1 << iota
	fieldOrigin
	fieldKey
	fieldVersion
	fieldLength
)

// add takes the next header. The case of its name does not matter (RFC 9110
// section 5.1).
func (f *fields) add(name, value string) *RequestError {
	switch {
	case equalFold(name, "host"):
		f.host = value
		if !validHost(value) {
			return errHost
		}
		return f.once(fieldHost, errHosts)
	case equalFold(name, "origin"):
		if value == "" { // "" stands for none, and one without a name must not pass for that (RFC 6454 section 7.1)
			return errEmptyOrigin
		}
		f.origin = value
		return f.once(fieldOrigin, errOrigins)
	case equalFold(name, "connection"):
		f.connection = f.connection || listHas(value, "upgrade")
	case equalFold(name, "upgrade"):
		f.upgrade = f.upgrade || listHas(value, "websocket")
	case equalFold(name, "sec-websocket-key"):
		f.key = value
		return f.once(fieldKey, errKeys)
	case equalFold(name, "sec-websocket-version"):
		f.version = value
		return f.once(fieldVersion, errVersions)
	case equalFold(name, "sec-websocket-protocol"):
		f.badProtocol = f.badProtocol || !tokenList(value)
	case equalFold(name, "sec-websocket-extensions"):
		f.badExtension = f.badExtension || !extensionList(value)
	case equalFold(name, "transfer-encoding"):
		return errTransferEncoding
	case equalFold(name, "content-length"):
		if value != "0" {
			return errContentLength
		}
		return f.once(fieldLength, errContentLength)
	}
	return nil
}

// once refuses the second header of a kind.
func (f *fields) once(kind fieldSet, err *RequestError) *RequestError {
	if f.seen&kind != 0 {
		return err
	}
	f.seen |= kind
	return nil
}

// check decides about a request whose headers are all there (RFC 6455 section 4.2.1).
func (f *fields) check(line *requestLine) *RequestError {
	switch {
	case f.seen&fieldHost == 0:
		return errNoHost
	case line.authority != "" && !equalFold(line.authority, f.host):
		return errAuthority
	case !f.upgrade && f.seen&(fieldKey|fieldVersion) != 0:
		return errNoUpgrade
	case !f.upgrade:
		return nil
	case line.method != "GET":
		return errUpgradeMethod
	case !f.connection:
		return errConnection
	case f.version != "13":
		return errWebSocketVersion
	case !validKey(f.key):
		return errKey
	case f.badProtocol:
		return errProtocol
	case f.badExtension: // RFC 6455 section 9.1
		return errExtension
	}
	return nil
}

// splitField takes a header line apart (RFC 9112 section 5).
func splitField(line []byte) (name, value string, err *RequestError) {
	i := 0
	for i < len(line) && isToken[line[i]] {
		i++
	}
	switch {
	case i == 0 && i < len(line) && (line[0] == ' ' || line[0] == '\t'):
		return "", "", errFold
	case i == 0 || i == len(line) || line[i] != ':':
		return "", "", errFieldName
	}
	for _, c := range line[i:] {
		if c < ' ' && c != '\t' || c == 0x7F {
			return "", "", errFieldValue
		}
	}
	return view(line[:i]), trim(view(line[i+1:])), nil
}

// cutElement returns the first element of a comma-separated list, and what
// follows it (RFC 9110 section 5.6.1). The element may be empty.
func cutElement(list string) (element, rest string) {
	element, rest, _ = strings.Cut(list, ",")
	return trim(element), rest
}

// listHas reports whether a list has an element, which is given in lower case.
func listHas(list, lower string) bool {
	for list != "" {
		var element string
		if element, list = cutElement(list); equalFold(element, lower) {
			return true
		}
	}
	return false
}

// tokenList reports whether all elements of a list are tokens, or empty.
func tokenList(list string) bool {
	for list != "" {
		var element string
		element, list = cutElement(list)
		for i := range len(element) {
			if !isToken[element[i]] {
				return false
			}
		}
	}
	return true
}

// trim removes spaces and tabs around s, and nothing else that strings.TrimSpace would.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// equalFold compares ASCII without regard to case. Unlike strings.EqualFold it
// takes no other letter (the Kelvin sign, the long s) for one of ASCII.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
