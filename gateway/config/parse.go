package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// documentsError is returned for a second document, at the line where it starts.
type documentsError struct{ line int }

func (e documentsError) Error() string { return "more than one YAML document: one is allowed" }

// parse returns the root of the one document in text, nil when there is none.
func parse(text []byte) (*yaml.Node, error) {
	y, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithAllDocuments())
	if err != nil {
		return nil, err
	}
	var first, second yaml.Node
	if err := y.Load(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := y.Load(&second); err == nil {
		return nil, documentsError{line: second.Line}
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(first.Content) == 0 {
		return nil, nil
	}
	return first.Content[0], nil
}

// syntax reports what parse could not read.
func (l *loader) syntax(err error, text []byte) {
	at := place{source: l.file}
	var documents documentsError
	var e *yaml.LoadError
	switch {
	case errors.As(err, &documents):
		at.line, at.col = documents.line, 1
		l.report(at, "", documents.Error())
	case errors.As(err, &e):
		at.line, at.col = e.Mark.Line, e.Mark.Column
		if at.line == 0 {
			at.line, at.col = firstUnreadable(text)
		}
		l.report(at, "", syntaxMessage(e))
	default:
		l.report(at, "", "is not YAML: "+err.Error())
	}
}

// syntaxMessage is the parser's message, and what it was reading.
func syntaxMessage(e *yaml.LoadError) string {
	m := "is not YAML: " + e.Message
	if e.ContextMsg != "" {
		m += fmt.Sprintf(" (%s at %d:%d)", e.ContextMsg, e.ContextMark.Line, e.ContextMark.Column)
	}
	return m
}

// firstUnreadable is the line and column of the first byte or character that
// YAML does not allow anywhere, for which the parser gives no position; 0, 0
// when there is none.
func firstUnreadable(text []byte) (line, col int) {
	line, col = 1, 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n':
			line, col = line+1, 0
		case r == utf8.RuneError && n == 1, r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return line, col
		}
		text, col = text[n:], col+1
	}
	return 0, 0
}
