package ws

import "strings"

// requestLine is the first line of a request, in views.
type requestLine struct {
	method      string
	authority   string // host and port of a target in absolute form; else empty
	path, query string
}

// methods are those of HTTP; a request line starts with one of them. The first
// two are served, the others refused by name.
var methods = [...]string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS ", "TRACE ", "CONNECT "}

const served = 2

// lineEnd is what follows the target.
const lineEnd = " HTTP/1.1\r\n"

// parseRequestLine reads "GET /path?query HTTP/1.1\r\n" from the left, so that
// what cannot become that is refused with its first wrong byte (RFC 9112
// section 3). n is 0 when b ends before the line.
func parseRequestLine(b []byte, limit int) (line requestLine, n int, err *RequestError) {
	full := len(b) >= limit+2
	if full {
		b = b[:limit+2]
	}
	line, n, err = scanRequestLine(b)
	if err == nil && n == 0 && full {
		err = errTargetLength
	}
	return line, n, err
}

func scanRequestLine(b []byte) (line requestLine, n int, err *RequestError) {
	method, err := scanMethod(b)
	if method == "" || err != nil {
		return requestLine{}, 0, err
	}
	start := len(method)
	end := start
	for end < len(b) && isTarget[b[end]] {
		end++
	}
	target := view(b[start:end])
	if !startsTarget(target) {
		return requestLine{}, 0, errTarget
	}
	if end == len(b) {
		return requestLine{}, 0, nil
	}
	line, ok := splitTarget(target)
	if !ok || b[end] != ' ' {
		return requestLine{}, 0, errTarget
	}
	line.method = method[:len(method)-1]
	rest := b[end:]
	k := min(len(rest), len(lineEnd))
	switch {
	case view(rest[:k]) != lineEnd[:k]:
		return requestLine{}, 0, errVersion
	case k < len(lineEnd):
		return requestLine{}, 0, nil
	}
	return line, end + k, nil
}

// scanMethod returns the method that b starts with, and the space behind it;
// "" while it may become one.
func scanMethod(b []byte) (string, *RequestError) {
	for i, m := range methods {
		k := min(len(b), len(m))
		switch {
		case view(b[:k]) != m[:k]:
			continue
		case k < len(m):
			return "", nil
		case i >= served:
			return "", errMethod
		}
		return m, nil
	}
	return "", errNotHTTP
}

// startsTarget reports whether t, or the start of t that has come, is a path
// or an http URL (RFC 9112 sections 3.2.1 and 3.2.2).
func startsTarget(t string) bool {
	if t == "" || t[0] == '/' {
		return true
	}
	for _, scheme := range [...]string{"http://", "https://"} {
		if k := min(len(t), len(scheme)); equalFold(t[:k], scheme[:k]) {
			return true
		}
	}
	return false
}

// splitTarget takes a whole target apart.
func splitTarget(t string) (line requestLine, ok bool) {
	if t == "" {
		return requestLine{}, false
	}
	if t[0] != '/' { // absolute form: scheme://authority/path?query
		_, t, ok = strings.Cut(t, "://")
		end := strings.IndexAny(t, "/?")
		if end < 0 {
			end = len(t)
		}
		line.authority, t = t[:end], t[end:]
		if !ok || line.authority == "" {
			return requestLine{}, false
		}
	}
	line.path, line.query, _ = strings.Cut(t, "?")
	if line.path == "" {
		line.path = "/"
	}
	return line, true
}
