package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxValues bounds what one load reads, so that aliases of aliases stay cheap.
const maxValues = 20_000

// yaml lays the file's content over the configuration. It returns false when
// the text is not YAML, so that nothing is known of what it was to say.
func (l *loader) yaml(text []byte) bool {
	root, err := parse(text)
	if err != nil {
		l.syntax(err)
		return false
	}
	if root != nil {
		l.value(root, reflect.ValueOf(l.config).Elem(), "", l.file)
	}
	return true
}

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
func (l *loader) syntax(err error) {
	at := place{source: l.file}
	var documents documentsError
	var e *yaml.LoadError
	switch {
	case errors.As(err, &documents):
		at.line, at.col = documents.line, 1
		l.report(at, "", documents.Error())
	case errors.As(err, &e):
		at.line, at.col = e.Mark.Line, e.Mark.Column
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

// place is where a node stands in a source; only files have lines.
func (l *loader) place(n *yaml.Node, source string) place {
	if source != l.file {
		return place{source: source}
	}
	return place{source: source, line: n.Line, col: n.Column}
}

// value sets v, which holds the key at path, to what n says. Types bound the
// depth and maxValues the breadth, so that cyclic aliases end too.
func (l *loader) value(n *yaml.Node, v reflect.Value, path, source string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	at := l.place(n, source)
	if l.values++; l.values > maxValues {
		if l.values == maxValues+1 {
			l.report(at, path, fmt.Sprintf("more than %d values, aliases counted each time", maxValues))
		}
		return
	}
	if path != "" {
		l.found(path, at)
	}
	switch {
	case isSection(v.Type()):
		l.section(n, v, path, source)
	case v.Kind() == reflect.Slice:
		l.list(n, v, path, source)
	default:
		if m := scalar(n, v); m != "" {
			l.reject(at, path, m)
		}
	}
}

// section sets the keys of a section. One that is empty changes nothing.
func (l *loader) section(n *yaml.Node, v reflect.Value, path, source string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		l.reject(l.place(n, source), path, "must be a mapping of keys to values, not "+describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := l.place(key, source)
		if key.Kind != yaml.ScalarNode {
			l.report(at, path, "a key must be a word, not "+describe(key))
			continue
		}
		f, ok := lookup(v.Type(), key.Value)
		if !ok {
			l.unknown(at, v.Type(), path, key.Value)
			continue
		}
		name := join(path, f.name)
		if line, twice := seen[f.name]; twice {
			l.report(at, name, duplicate(line, source == l.file))
			continue
		}
		seen[f.name] = key.Line
		l.value(n.Content[i+1], v.Field(f.index), name, source)
	}
}

func duplicate(line int, lines bool) string {
	if !lines {
		return "is given twice"
	}
	return "is given twice, first in line " + strconv.Itoa(line)
}

// unknown reports a key that its section does not have, and what may be meant:
// a key of the section that is spelled nearly so, or one of this name elsewhere.
func (l *loader) unknown(at place, section reflect.Type, path, key string) {
	full := join(path, key)
	if strconv.Quote(key) != `"`+key+`"` || len(key) > clipped {
		full = join(path, show(key))
	}
	if key == "<<" {
		l.report(at, full, "merge keys are not supported: name the keys, or alias a whole value")
		return
	}
	if near := nearest(key, names(section)); near != "" {
		l.report(at, full, fmt.Sprintf("unknown key, did you mean %q?", near))
		return
	}
	for _, k := range keyPaths(reflect.TypeFor[Config](), "", "0") {
		if k == key || strings.HasSuffix(k, "."+key) {
			l.report(at, full, fmt.Sprintf("unknown key, did you mean %q?", k))
			return
		}
	}
	l.report(at, full, "unknown key, known are "+strings.Join(names(section), ", "))
}

// list replaces a list by the one that n holds; what its elements leave out has
// the defaults of newElement.
func (l *loader) list(n *yaml.Node, v reflect.Value, path, source string) {
	if n.Kind != yaml.SequenceNode {
		l.reject(l.place(n, source), path, "must be a list, not "+describe(n))
		return
	}
	all := reflect.MakeSlice(v.Type(), 0, min(len(n.Content), maxValues))
	for i, c := range n.Content {
		if l.values > maxValues {
			return
		}
		e := newElement(v.Type().Elem())
		l.value(c, e, item(path, i), source)
		all = reflect.Append(all, e)
	}
	v.Set(all)
}

// scalar sets v to a single value. It returns what is wrong with it, or "". A
// node without a tag comes from the environment or a flag: its type is v's.
func scalar(n *yaml.Node, v reflect.Value) string {
	if n.Kind != yaml.ScalarNode {
		return "must be a single value, not " + describe(n)
	}
	if isNull(n) {
		return "has no value: give it one, or leave the key out"
	}
	if !utf8.ValidString(n.Value) {
		return "must be UTF-8"
	}
	switch p := v.Addr().Interface().(type) {
	case *Secret:
		if !isText(n) {
			return "must be a text: put it in quotes" // and is not repeated here
		}
		*p = NewSecret(n.Value)
		return ""
	case interface{ UnmarshalText([]byte) error }: // Size and Duration
		if err := p.UnmarshalText([]byte(n.Value)); err != nil {
			return err.Error() + ", not " + describe(n)
		}
		return ""
	case enum:
		return oneOf(n, v, p.choices())
	}
	switch v.Kind() {
	case reflect.String:
		if !isText(n) {
			return "must be a text, not " + describe(n) + ": put it in quotes if you mean it"
		}
		v.SetString(n.Value)
	case reflect.Bool:
		b := strings.ToLower(n.Value)
		if n.Tag != "" && n.Tag != "!!bool" || b != "true" && b != "false" {
			return "must be true or false, not " + describe(n)
		}
		v.SetBool(b == "true")
	case reflect.Int:
		i, err := strconv.ParseInt(n.Value, 0, strconv.IntSize)
		if n.Tag != "" && n.Tag != "!!int" || err != nil {
			return "must be a whole number, not " + describe(n)
		}
		v.SetInt(i)
	}
	return ""
}

// oneOf sets v to one of the choices.
func oneOf(n *yaml.Node, v reflect.Value, choices []string) string {
	for _, c := range choices {
		if n.Value == c {
			v.SetString(c)
			return ""
		}
	}
	m := "must be " + strings.Join(choices, ", ") + ", not " + describe(n)
	if near := nearest(n.Value, choices); near != "" {
		m += fmt.Sprintf(", did you mean %q?", near)
	}
	return m
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isText says that a scalar may stand for a text: what looks like a number or a
// date may (a channel named 2026), true and false may not.
func isText(n *yaml.Node) bool {
	switch n.Tag {
	case "", "!!str", "!!int", "!!float", "!!timestamp":
		return true
	}
	return false
}

// describe names what stands where something else should.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float", "!!bool":
		if len(n.Value) <= clipped {
			return n.Value
		}
	}
	return show(n.Value)
}
