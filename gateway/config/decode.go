package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/gateway/spell"
)

// maxValues bounds what one load reads, so that aliases of aliases stay cheap.
const maxValues = 20_000

// yaml lays the file's content over the configuration. It returns false when
// it is not known what the whole text says.
func (l *loader) yaml(text []byte) bool {
	root, err := parse(text)
	if err != nil {
		l.syntax(err, text)
		return false
	}
	if root != nil {
		l.value(root, reflect.ValueOf(l.config).Elem(), "", l.file)
	}
	return l.values <= maxValues
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
	if !l.count(at, path) {
		return
	}
	if path != "" {
		l.places[path] = at
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

// count counts one more value and says whether it may be read.
func (l *loader) count(at place, path string) bool {
	l.values++
	if l.values == maxValues+1 {
		l.report(at, path, fmt.Sprintf("more than %d values, aliases counted each time", maxValues))
	}
	return l.values <= maxValues
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
			if !l.count(at, path) {
				return
			}
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
	full := join(path, word(key))
	if key == "<<" {
		l.report(at, full, "merge keys are not supported: name the keys, or alias a whole value")
		return
	}
	if near := spell.Nearest(key, names(section)); near != "" {
		l.report(at, full, fmt.Sprintf("unknown key, did you mean %q?", near))
		return
	}
	var elsewhere []string
	for _, k := range keyPaths(reflect.TypeFor[Config](), "", "0") {
		if strings.HasSuffix(k, "."+key) {
			elsewhere = append(elsewhere, strconv.Quote(k))
		}
	}
	known := "known are " + strings.Join(names(section), ", ")
	if len(elsewhere) > 0 {
		meant := "did you mean " + strings.Join(elsewhere, " or ") + "?"
		if known = meant + " Here, " + known; path == "" {
			known = meant
		}
	}
	l.report(at, full, "unknown key, "+known)
}

// list replaces a list by the one that n holds; what its elements leave out has
// the defaults of newElement.
func (l *loader) list(n *yaml.Node, v reflect.Value, path, source string) {
	if isNull(n) {
		l.reject(l.place(n, source), path, noValue)
		return
	}
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
