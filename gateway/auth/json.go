package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// maxDepth is how deep a token's JSON may be nested.
const maxDepth = 8

var errJSON = errors.New("auth: malformed JSON")

// wellFormed checks what encoding/json lets pass: an object at the top, at most
// maxDepth levels, and no name twice in one object, by which two readers could
// understand two things. Names that differ in case only count as the same, since
// readers of the kind of encoding/json take one for the other, and the long s and
// the Kelvin sign for s and k.
func wellFormed(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errJSON
	}
	if err := members(d, 1); err != nil {
		return err
	}
	if d.InputOffset() != int64(len(bytes.TrimRight(b, " \t\r\n"))) {
		return errJSON
	}
	return nil
}

// members reads an object whose brace was read.
func members(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return errJSON
		}
		folded := strings.Map(fold, name)
		if seen[folded] {
			return errJSON
		}
		seen[folded] = true
		if err := skip(d, depth); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// fold is the same for all characters that differ in case only.
func fold(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// skip reads any value.
func skip(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errJSON
	}
	switch t {
	case json.Delim('{'):
		if depth == maxDepth {
			return errJSON
		}
		return members(d, depth+1)
	case json.Delim('['):
		if depth == maxDepth {
			return errJSON
		}
		for d.More() {
			if err := skip(d, depth+1); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}
