package api

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may be nested in a request.
const maxDepth = 32

// A scanner reads one JSON text (RFC 8259) and is stricter than encoding/json:
// a key that is unknown, given twice or written in another case is refused, and
// so is what is not UTF-8. A value can be taken as the bytes that were sent.
//
// The methods read from the next byte that is no white space. After a problem
// the scanner is not used again.
type scanner struct {
	b     []byte
	i     int
	depth int
}

// scan reads the whole of b with value, which reads one value.
func scan(b []byte, value func(s *scanner) *problem) *problem {
	if !utf8.Valid(b) {
		return fail(invalidJSON, "the request is not UTF-8")
	}
	s := scanner{b: b}
	if p := value(&s); p != nil {
		return p
	}
	s.space()
	if s.i != len(b) {
		return s.fail("nothing after the end of the value")
	}
	return nil
}

func (s *scanner) fail(want string) *problem {
	if s.i >= len(s.b) {
		return fail(invalidJSON, "the JSON text ends at byte %d, where it should have %s", s.i, want)
	}
	return fail(invalidJSON, "byte %d of the JSON text is %q, where it should have %s", s.i, s.b[s.i], want)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek is the next byte that is no white space; 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	return s.at()
}

// at is the byte at hand; 0 at the end.
func (s *scanner) at() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// take steps over c, if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) enter() *problem {
	if s.depth++; s.depth > maxDepth {
		return fail(invalidJSON, "the JSON text is nested deeper than %d levels, at byte %d", maxDepth, s.i)
	}
	s.i++
	return nil
}

// object reads an object of the fields that names lists, at most 64, and calls
// field with the index of each, to read its value. It returns which were there,
// as bits. what is the object's name in messages.
func (s *scanner) object(what string, names []string, field func(i int) *problem) (given uint64, p *problem) {
	if s.peek() != '{' {
		return 0, s.mistyped(what, "an object")
	}
	return given, s.members(func(key string) *problem {
		for i, name := range names {
			if name != key {
				continue
			}
			if given&(1<<i) != 0 {
				return fail(invalidRequest, "%s has %s twice", what, quoted(key))
			}
			given |= 1 << i
			return field(i)
		}
		return fail(invalidRequest, "%s has the unknown field %s", what, quoted(key))
	})
}

// members reads an object, with member for the value of each key.
func (s *scanner) members(member func(key string) *problem) *problem {
	if p := s.enter(); p != nil {
		return p
	}
	for first := true; ; first = false {
		if first && s.take('}') {
			break
		}
		if s.peek() != '"' {
			return s.fail("a key in quotes")
		}
		key, p := s.quotation()
		if p != nil {
			return p
		}
		if !s.take(':') {
			return s.fail("a colon")
		}
		if p := member(string(key)); p != nil {
			return p
		}
		if s.take('}') {
			break
		}
		if !s.take(',') {
			return s.fail("a comma or a closing brace")
		}
	}
	s.depth--
	return nil
}

// array reads an array, with element for each of its values.
func (s *scanner) array(what string, element func(i int) *problem) *problem {
	if s.peek() != '[' {
		return s.mistyped(what, "an array")
	}
	return s.elements(element)
}

func (s *scanner) elements(element func(i int) *problem) *problem {
	if p := s.enter(); p != nil {
		return p
	}
	for i := 0; ; i++ {
		if i == 0 && s.take(']') {
			break
		}
		if p := element(i); p != nil {
			return p
		}
		if s.take(']') {
			break
		}
		if !s.take(',') {
			return s.fail("a comma or a closing bracket")
		}
	}
	s.depth--
	return nil
}

// text reads a string. The result may lie in the scanner's bytes.
func (s *scanner) text(what string) ([]byte, *problem) {
	if s.peek() != '"' {
		return nil, s.mistyped(what, "a string")
	}
	return s.quotation()
}

// integer reads a number without fraction and exponent, of at most 9 digits.
func (s *scanner) integer(what string) (int, *problem) { return s.whole(what, 9) }

// whole is integer for at most so many digits.
func (s *scanner) whole(what string, most int) (int, *problem) {
	raw, p := s.value()
	if p != nil {
		return 0, p
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || len(raw) > most {
		return 0, fail(invalidRequest, "%s must be an integer", what)
	}
	return n, nil
}

// mistyped says that a value is of another type than want; or, when it is not
// even a value, that.
func (s *scanner) mistyped(what, want string) *problem {
	if _, p := s.value(); p != nil {
		return p
	}
	return fail(invalidRequest, "%s must be %s", what, want)
}

// value reads any value and returns its bytes as they were sent, without white
// space around them. They lie in the scanner's bytes.
func (s *scanner) value() ([]byte, *problem) {
	s.space()
	start := s.i
	if p := s.skip(); p != nil {
		return nil, p
	}
	return s.b[start:s.i], nil
}

func (s *scanner) skip() *problem {
	switch c := s.peek(); {
	case c == '{':
		return s.members(func(string) *problem { return s.skip() })
	case c == '[':
		return s.elements(func(int) *problem { return s.skip() })
	case c == '"':
		_, _, p := s.rawString()
		return p
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, literal := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(literal)) {
			s.i += len(literal)
			return nil
		}
	}
	return s.fail("a value")
}

func (s *scanner) number() *problem {
	if s.at() == '-' {
		s.i++
	}
	if s.at() == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("a digit")
	}
	if s.at() == '.' {
		s.i++
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	if c := s.at(); c == 'e' || c == 'E' {
		s.i++
		if c := s.at(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// rawString steps over the string at hand and returns what stands between its
// quotes, and whether there are escapes in it.
func (s *scanner) rawString() (raw []byte, escaped bool, p *problem) {
	s.i++
	start := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			raw = s.b[start:s.i]
			s.i++
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			if p := s.escape(); p != nil {
				return nil, false, p
			}
		case c < ' ':
			return nil, false, s.fail(`control characters escaped, as \u0000`)
		default:
			s.i++
		}
	}
	return nil, false, s.fail("a closing quote")
}

// escape steps over one escape sequence.
func (s *scanner) escape() *problem {
	s.i++
	switch s.at() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return nil
	case 'u':
		for range 4 {
			s.i++
			if !hex(s.at()) {
				return s.fail("four hexadecimal digits")
			}
		}
		s.i++
		return nil
	}
	return s.fail("an escape sequence")
}

func hex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// quotation reads the string at hand and returns what it means. Half of a
// surrogate pair means nothing, and is refused.
func (s *scanner) quotation() ([]byte, *problem) {
	raw, escaped, p := s.rawString()
	if p != nil || !escaped {
		return raw, p
	}
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			break
		}
		out = append(out, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		if c != 'u' {
			out = append(out, unescaped(c))
			continue
		}
		r := codeUnit(raw)
		raw = raw[4:]
		if utf16.IsSurrogate(r) {
			if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
				return nil, halfPair()
			}
			if r = utf16.DecodeRune(r, codeUnit(raw[2:])); r == utf8.RuneError {
				return nil, halfPair()
			}
			raw = raw[6:]
		}
		out = utf8.AppendRune(out, r)
	}
	return append(out, raw...), nil
}

func halfPair() *problem {
	return fail(invalidJSON, "the JSON text escapes one half of a surrogate pair, which is no character")
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // a quote, a backslash or a slash
}

// codeUnit reads four hexadecimal digits, which are there.
func codeUnit(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		r <<= 4
		if c <= '9' {
			r |= rune(c - '0')
		} else {
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r
}
