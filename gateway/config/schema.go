package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one key of a section, as the struct that holds it declares it.
type field struct {
	name  string // in YAML
	index int    // in the struct
	live  bool   // SIGHUP takes it over
	doc   string // its comment, lines separated by \n
}

// fields lists the keys of a section in the order of its struct.
func fields(section reflect.Type) []field {
	fs := make([]field, section.NumField())
	for i := range fs {
		f := section.Field(i)
		fs[i] = field{
			name:  f.Tag.Get("yaml"),
			index: i,
			live:  f.Tag.Get("reload") == "live",
			doc:   docs[section.Name()+"."+f.Name],
		}
	}
	return fs
}

// names lists the YAML names of a section's keys.
func names(section reflect.Type) []string {
	var ns []string
	for _, f := range fields(section) {
		ns = append(ns, f.name)
	}
	return ns
}

// lookup finds the key of a section by its YAML name.
func lookup(section reflect.Type, name string) (field, bool) {
	fs := fields(section)
	if i := slices.IndexFunc(fs, func(f field) bool { return f.name == name }); i >= 0 {
		return fs[i], true
	}
	return field{}, false
}

// isSection says that a type holds keys of its own. Secret is a struct too, but a value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Secret]()
}

// keyPaths lists the paths of all keys below a type, sections included, with
// index in the place of every list index: listeners.0.address.
func keyPaths(t reflect.Type, prefix, index string) []string {
	var paths []string
	switch {
	case isSection(t):
		for _, f := range fields(t) {
			path := join(prefix, f.name)
			paths = append(paths, path)
			paths = append(paths, keyPaths(t.Field(f.index).Type, path, index)...)
		}
	case t.Kind() == reflect.Slice && isSection(t.Elem()):
		paths = keyPaths(t.Elem(), join(prefix, index), index)
	}
	return paths
}

// join appends a name or an index to a key path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// item appends a list index to a key path.
func item(path string, i int) string { return join(path, strconv.Itoa(i)) }

// parent is the path without its last part.
func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)]
}

// newElement is an element of a list with the defaults for what is left out of it.
func newElement(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch p := v.Addr().Interface().(type) {
	case *Listener:
		*p = defaultListener()
	case *Endpoint:
		*p = defaultEndpoint()
	case *Namespace:
		*p = defaultNamespace()
	}
	return v
}
