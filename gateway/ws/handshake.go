package ws

import (
	"bytes"
	"iter"
	"unsafe"
)

// HandshakeLimits bound an upgrade request. They are read only and may be shared.
type HandshakeLimits struct {
	// HeaderBytes is the size of the request line and all headers together, up
	// to and including the empty line; 0: 8 KiB. Callers need not gather more.
	HeaderBytes int
	// Headers is how many header lines there may be; 0: 64.
	Headers int
	// LineBytes is the length of one line, without its CRLF; 0: half of HeaderBytes.
	LineBytes int
}

// orDefault is l with its defaults.
func (l HandshakeLimits) orDefault() HandshakeLimits {
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = 8 << 10
	}
	if l.Headers <= 0 {
		l.Headers = 64
	}
	if l.LineBytes <= 0 {
		l.LineBytes = l.HeaderBytes / 2
	}
	return l
}

// Request is an HTTP request without a body: an upgrade, or a plain GET or HEAD.
//
// Its strings are views into the buffer that ParseRequest read, and so are
// those that its methods give: they are valid until that buffer is written to.
// Whoever keeps one, or a part of one, has to strings.Clone it.
type Request struct {
	Method   string // "GET" or "HEAD"
	Path     string // as sent, not unescaped; starts with a slash
	RawQuery string // without the question mark
	Host     string // as sent: with the port, if there is one
	Origin   string // empty: none was sent
	Key      string // Sec-WebSocket-Key, checked; empty if Upgrade is false

	// Upgrade: the client asks for a WebSocket, and everything that RFC 6455
	// section 4.2.1 demands of the request is there. What is left to the
	// caller: Path, Host, Origin, and who the client is.
	Upgrade bool

	head string // the header lines, checked, each with its CRLF
}

// ParseRequest reads the HTTP request that b starts with and returns its size
// n. n is 0, with a nil error, when b ends before it does: call again with all
// bytes so far and those that follow. (A call reads its header lines anew,
// which costs about a microsecond; a client that sends single bytes spends more.)
//
// err is nil or a static *RequestError, on which the connection is answered
// and closed: nothing that follows in b may be taken for a request. It comes
// with the first byte that shows it: what does not start like a request line
// (a TLS hello, another protocol, noise) fails at once, not when a limit is
// reached. More bytes never change the result.
//
// The grammar is RFC 9112's, without what is obsolete or optional: lines end in
// CRLF, headers are not folded, no space stands before a colon, Host is there
// once, and there is no body. What two readers could understand in two ways is
// an error, so that a proxy in front and this server always agree.
//
// Nothing is allocated.
func ParseRequest(l *HandshakeLimits, b []byte) (req Request, n int, err error) {
	limits := l.orDefault()
	cut := len(b) >= limits.HeaderBytes
	if cut {
		b = b[:limits.HeaderBytes]
	}
	req, n, e := parseRequest(&limits, b)
	if e == nil && n == 0 && cut {
		e = errHeaderBytes
	}
	if e != nil {
		return Request{}, 0, e
	}
	return req, n, nil
}

func parseRequest(l *HandshakeLimits, b []byte) (req Request, n int, err *RequestError) {
	line, n, err := parseRequestLine(b, l.LineBytes)
	if n == 0 || err != nil {
		return Request{}, 0, err
	}
	start := n
	var f fields
	for count := 0; ; count++ {
		text, size, err := nextLine(b[n:], l.LineBytes)
		if size == 0 || err != nil {
			return Request{}, 0, err
		}
		n += size
		if len(text) == 0 {
			break
		}
		if count == l.Headers {
			return Request{}, 0, errHeaders
		}
		name, value, err := splitField(text)
		if err != nil {
			return Request{}, 0, err
		}
		if err := f.add(name, value); err != nil {
			return Request{}, 0, err
		}
	}
	if err := f.check(&line); err != nil {
		return Request{}, 0, err
	}
	req = Request{
		Method: line.method, Path: line.path, RawQuery: line.query,
		Host: f.host, Origin: f.origin, Upgrade: f.upgrade,
		head: view(b[start : n-2]),
	}
	if f.upgrade {
		req.Key = f.key
	}
	return req, n, nil
}

// nextLine returns the line that b starts with, without its CRLF, and its size
// with it; the size is 0 when b ends before the line.
func nextLine(b []byte, limit int) (line []byte, size int, err *RequestError) {
	window := b[:min(len(b), limit+2)]
	i := bytes.IndexByte(window, '\n')
	switch {
	case i < 0 && len(window) == limit+2:
		return nil, 0, errHeaderLine
	case i < 0:
		return nil, 0, nil
	case i == 0 || window[i-1] != '\r':
		return nil, 0, errBareLF
	}
	return window[:i-1], i + 1, nil
}

// Fields is the sequence of all headers, as they stand, without the space around values.
func (r *Request) Fields() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		b := bytesOf(r.head)
		for len(b) > 0 {
			line, size, _ := nextLine(b, len(b))
			name, value, _ := splitField(line)
			if !yield(name, value) {
				return
			}
			b = b[size:]
		}
	}
}

// Header is the value of the first header of this name, which is given in
// lower case, and whether there is one.
func (r *Request) Header(lower string) (value string, ok bool) {
	for name, value := range r.Fields() {
		if equalFold(name, lower) {
			return value, true
		}
	}
	return "", false
}

// Protocols is the sequence of the subprotocols that the client offers, in its
// order of preference. Each is a token (RFC 9110 section 5.6.2).
func (r *Request) Protocols() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name, value := range r.Fields() {
			if !equalFold(name, "sec-websocket-protocol") {
				continue
			}
			for value != "" {
				var element string
				if element, value = cutElement(value); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// view is b as a string, without a copy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf undoes view.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
