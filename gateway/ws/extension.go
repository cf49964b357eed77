package ws

import (
	"iter"
	"strings"
)

// extension is one offer in Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params string // what follows the name, checked
}

// extensions is the sequence of what the client offers, in its order of preference.
func (r *Request) extensions() iter.Seq[extension] {
	return func(yield func(extension) bool) {
		for name, value := range r.Fields() {
			if !equalFold(name, "sec-websocket-extensions") {
				continue
			}
			for value != "" {
				e, rest, _ := cutExtension(value)
				if e.name != "" && !yield(e) {
					return
				}
				value = rest
			}
		}
	}
}

// extensionList reports whether a header's value follows the grammar of RFC
// 6455 section 9.1. Elements may be empty (RFC 9110 section 5.6.1).
func extensionList(value string) bool {
	ok := true
	for ok && value != "" {
		_, value, ok = cutExtension(value)
	}
	return ok
}

// cutExtension takes the first element off a list:
//
//	extension = token *( ";" token [ "=" ( token / quoted-string ) ] )
func cutExtension(list string) (e extension, rest string, ok bool) {
	s := trim(list)
	if s == "" || s[0] == ',' {
		return extension{}, strings.TrimPrefix(s, ","), true
	}
	e.name, s = cutToken(s)
	s = trim(s)
	start := s
	for ok = e.name != ""; ok; {
		s = trim(s)
		if s == "" || s[0] == ',' {
			e.params = start[:len(start)-len(s)]
			return e, strings.TrimPrefix(s, ","), true
		}
		_, _, s, ok = cutParam(s)
	}
	return extension{}, "", false
}

// cutParam takes the first of an extension's parameters off s, which starts with its semicolon.
func cutParam(s string) (name, value, rest string, ok bool) {
	if s == "" || s[0] != ';' {
		return "", "", "", false
	}
	if name, s = cutToken(trim(s[1:])); name == "" {
		return "", "", "", false
	}
	s = trim(s)
	if s == "" || s[0] != '=' {
		return name, "", s, true
	}
	s = trim(s[1:])
	if s != "" && s[0] == '"' {
		// What stands between the quotes is a token, too, once it is
		// unescaped; no token that anyone sends needs an escape.
		end := strings.IndexByte(s[1:], '"')
		if end < 0 {
			return "", "", "", false
		}
		value, s = s[1:1+end], s[2+end:]
		if token, after := cutToken(value); token == "" || after != "" {
			return "", "", "", false
		}
		return name, value, s, true
	}
	value, s = cutToken(s)
	return name, value, s, value != ""
}

// cutToken takes a token off s (RFC 9110 section 5.6.2).
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isToken[s[i]] {
		i++
	}
	return s[:i], s[i:]
}
