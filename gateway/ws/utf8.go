package ws

import "unicode/utf8"

// checkUTF8 validates text that may go on. ok is false as soon as no
// continuation could make b valid (RFC 6455 section 8.1). Otherwise the first n
// bytes are whole characters, and the rest, at most 3 bytes, is the start of one.
func checkUTF8(b []byte) (n int, ok bool) {
	n = len(b)
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if c := len(b) - back; utf8.RuneStart(b[c]) {
			// FullRune is true for what can never become a character.
			if !utf8.FullRune(b[c:]) {
				n = c
			}
			break
		}
	}
	return n, utf8.Valid(b[:n])
}
