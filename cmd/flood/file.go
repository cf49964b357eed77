package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"

	"sluice/gateway/spell"
)

// scenarioFile is the path of a YAML file in which every flag is a key of its
// name. The command line comes before the environment, and that before the file.
type scenarioFile string

// BeforeResolve is for kong: flags that were not given take what the file says.
func (f scenarioFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(scenarioFile)
	text, err := os.ReadFile(string(path))
	if err != nil {
		return err
	}
	values, err := readFile(string(path), text, trace.Flag, ctx.Selected().Flags)
	if err != nil {
		return err
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set }) {
			return nil, nil
		}
		return values[flag.Name], nil
	}))
	return nil
}

// fileError is everything that is wrong with a file, a line each:
// file:line:col: key: message.
type fileError []string

func (e fileError) Error() string { return strings.Join(e, "\n") }

// reading is a file under examination.
type reading struct {
	path     string
	problems fileError
}

func (r *reading) reject(n *yaml.Node, key, format string, a ...any) {
	if key != "" {
		key += ": "
	}
	r.problems = append(r.problems, fmt.Sprintf("%s:%d:%d: %s", r.path, n.Line, n.Column, key)+fmt.Sprintf(format, a...))
}

// readFile returns the values of flags, by name, in a shape that kong takes. self
// is the flag that named the file.
func readFile(path string, text []byte, self *kong.Flag, flags []*kong.Flag) (map[string]any, error) {
	root, err := oneDocument(path, text)
	if root == nil {
		return nil, err
	}
	known := map[string]*kong.Flag{}
	var names []string
	for _, f := range flags {
		if f != self && f.Name != "help" {
			known[f.Name] = f
			names = append(names, f.Name)
		}
	}
	r := reading{path: path}
	if root.Kind != yaml.MappingNode {
		r.reject(root, "", "must be a mapping of flags to values")
		return nil, r.problems
	}
	values, seen := map[string]any{}, map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		name := key.Value
		flag := known[name]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.reject(key, "", "a key must be the name of a flag")
		case flag == nil:
			if near := spell.Nearest(name, names); near != "" {
				r.reject(key, name, "unknown key, did you mean %q?", near)
			} else {
				r.reject(key, name, "unknown key: 'flood run --help' lists the flags, each of which is one")
			}
		case seen[name] > 0:
			r.reject(key, name, "is given twice, first in line %d", seen[name])
		default:
			seen[name] = key.Line
			values[name] = r.value(value, flag)
		}
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return values, nil
}

// oneDocument is the root of the document in text; nil, nil where there is none.
func oneDocument(path string, text []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithAllDocuments())
	if err != nil {
		return nil, err
	}
	var first, second yaml.Node
	err = loader.Load(&first)
	if err == nil {
		if err = loader.Load(&second); err == nil {
			return nil, fileError{fmt.Sprintf("%s:%d:1: more than one YAML document: one is allowed", path, second.Line)}
		}
	}
	var e *yaml.LoadError
	switch {
	case errors.As(err, &e):
		return nil, fileError{fmt.Sprintf("%s:%d:%d: is not YAML: %s", path, e.Mark.Line, e.Mark.Column, e.Message)}
	case !errors.Is(err, io.EOF):
		return nil, fileError{fmt.Sprintf("%s: is not YAML: %v", path, err)}
	case len(first.Content) == 0:
		return nil, nil
	}
	return first.Content[0], nil
}

// value is what n says for the flag. A list of one may be written as its element.
func (r *reading) value(n *yaml.Node, flag *kong.Flag) any {
	t := flag.Target.Type()
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, e := range n.Content {
			list = append(list, r.scalar(e, flag, t.Elem()))
		}
		return list
	case t.Kind() == reflect.Slice:
		return []any{r.scalar(n, flag, t.Elem())}
	case t.Kind() == reflect.Map:
		if n.Kind != yaml.MappingNode {
			r.reject(n, flag.Name, "must be a mapping of texts to texts, not %s", describe(n))
			return nil
		}
		pairs := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			pairs[n.Content[i].Value] = r.scalar(n.Content[i+1], flag, t.Elem())
		}
		return pairs
	}
	return r.scalar(n, flag, t)
}

// scalar is a single value of type t.
func (r *reading) scalar(n *yaml.Node, flag *kong.Flag, t reflect.Type) any {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.reject(n, flag.Name, "must be %s, not %s", kindOf(t), describe(n))
		return nil
	}
	v := reflect.New(t)
	if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			r.reject(n, flag.Name, "%v, not %s", err, describe(n))
		}
		return n.Value
	}
	if n.Tag == "!!bool" && t.Kind() != reflect.Bool || parse(n.Value, v.Elem()) != nil {
		r.reject(n, flag.Name, "must be %s, not %s", kindOf(t), describe(n))
		return nil
	}
	if flag.Enum != "" && !flag.EnumMap()[n.Value] {
		r.reject(n, flag.Name, "must be one of %s, not %s", strings.Join(flag.EnumSlice(), ", "), describe(n))
	}
	if flag.Target.Kind() == reflect.Slice {
		return v.Elem().Interface() // kong takes lists by way of JSON
	}
	return n.Value
}

// parse sets v to what the text says.
func parse(text string, v reflect.Value) (err error) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *time.Duration:
		*p, err = time.ParseDuration(text)
	case *bool:
		if *p = text == "true"; !*p && text != "false" {
			return strconv.ErrSyntax
		}
	case *int:
		*p, err = strconv.Atoi(text)
	case *uint64:
		*p, err = strconv.ParseUint(text, 10, 64)
	case *float64:
		*p, err = strconv.ParseFloat(text, 64)
	}
	return err
}

// kindOf says what a value of type t must be.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 10s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Uint64:
		return "a whole number, not below 0"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a text"
}

// describe names what stands where something else should.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
