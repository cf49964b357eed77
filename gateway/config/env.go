package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/gateway/spell"
)

// envPrefix starts the name of every variable that is looked at.
const envPrefix = "SLUICE_"

// isCommands says that a variable is one of the commands that call the server API.
func isCommands(name string) bool { return name == "SLUICE_API" || name == "SLUICE_API_KEY" }

// env lays the SLUICE_ variables over the configuration, sections before their
// keys and list elements in order, whatever the order of the environment.
func (l *loader) env(environ []string) {
	type assignment struct {
		path       []string
		name, text string
	}
	var all []assignment
	for _, e := range environ {
		name, text, _ := strings.Cut(e, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours {
			continue
		}
		path := envPath(rest, reflect.TypeFor[Config]())
		if path == nil {
			if !isCommands(name) && !isServiceLink(name, text) {
				l.report(place{source: name}, "", unknownVariable(rest))
			}
			continue
		}
		all = append(all, assignment{path, name, text})
	}
	slices.SortStableFunc(all, func(a, b assignment) int {
		return slices.CompareFunc(a.path, b.path, func(x, y string) int {
			if isDigit(x[0]) && isDigit(y[0]) {
				return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)) // 2 before 10
			}
			return strings.Compare(x, y)
		})
	})
	for _, a := range all {
		l.set(strings.Join(a.path, "."), a.text, a.name)
	}
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// envPath splits the name of a variable into the parts of a key path; nil when
// it names no key. Names contain underscores themselves, so all splits are tried.
func envPath(name string, t reflect.Type) []string {
	if isSection(t) {
		for _, f := range fields(t) {
			rest, ok := strings.CutPrefix(name, strings.ToUpper(f.name))
			if !ok {
				continue
			}
			if path, ok := envRest(f.name, rest, t.Field(f.index).Type); ok {
				return path
			}
		}
		return nil
	}
	if t.Kind() != reflect.Slice {
		return nil
	}
	index, _, _ := strings.Cut(name, "_")
	if _, err := strconv.ParseUint(index, 10, 31); err != nil {
		return nil
	}
	path, _ := envRest(index, name[len(index):], t.Elem())
	return path
}

// envRest is the path that starts with first and goes on with _REST, if any.
func envRest(first, rest string, t reflect.Type) ([]string, bool) {
	if rest == "" {
		return []string{first}, true
	}
	if below, ok := strings.CutPrefix(rest, "_"); ok {
		if path := envPath(below, t); path != nil {
			return append([]string{first}, path...), true
		}
	}
	return nil, false
}

// unknownVariable is the problem with a name that names no key. Its numbers
// are left out of the comparison: they are the list indices of this node.
func unknownVariable(name string) string {
	number := regexp.MustCompile(`[0-9]+`)
	var known []string
	for _, k := range keyPaths(reflect.TypeFor[Config](), "", "#") {
		known = append(known, strings.ToUpper(strings.ReplaceAll(k, ".", "_")))
	}
	near := spell.Nearest(number.ReplaceAllString(name, "#"), known)
	if near == "" {
		return "unknown variable: no key has this name"
	}
	for _, n := range number.FindAllString(name, -1) {
		near = strings.Replace(near, "#", n, 1)
	}
	near = strings.ReplaceAll(near, "#", "0")
	return fmt.Sprintf("unknown variable, did you mean %q?", envPrefix+near)
}

// isServiceLink says that Kubernetes set the variable, not the operator: it
// tells every pod of the services around it, and one of them may well be called
// sluice or sluice-admin.
func isServiceLink(name, text string) bool {
	link := regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	url := regexp.MustCompile(`^(tcp|udp|sctp)://`)
	return link.MatchString(name) || strings.HasSuffix(name, "_PORT") && url.MatchString(text)
}

// flag applies one --set key.path=value.
func (l *loader) flag(assignment string) {
	path, text, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		l.report(place{source: setFlag}, "", show(assignment)+" must be key.path=value")
		return
	}
	l.set(path, text, setFlag)
}

// set gives the key at path the value that text stands for. Source is the
// variable or the flag that said so.
func (l *loader) set(path, text, source string) {
	at := place{source: source}
	v := reflect.ValueOf(l.config).Elem()
	done := ""
	for part := range strings.SplitSeq(path, ".") {
		switch {
		case isSection(v.Type()):
			f, ok := lookup(v.Type(), part)
			if !ok {
				l.unknown(at, v.Type(), done, part)
				return
			}
			v = v.Field(f.index)
		case v.Kind() == reflect.Slice:
			n := v.Len()
			e, m := element(v, part)
			if m != "" {
				l.report(at, join(done, word(part)), m)
				return
			}
			if v.Len() > n {
				l.places[join(done, part)] = at
			}
			v = e
		default:
			l.report(at, join(done, word(part)), done+" is a single value: nothing is below it")
			return
		}
		done = join(done, part)
	}
	n, m := textNode(text, v.Type())
	if m != "" {
		l.reject(at, path, m)
		return
	}
	l.forget(path)
	l.value(n, v, path, source)
}

// element is a list's element at an index. The index after the last one adds an
// element to the list.
func element(list reflect.Value, index string) (v reflect.Value, problem string) {
	i, err := strconv.ParseUint(index, 10, 31)
	if err != nil {
		return v, fmt.Sprintf("this is a list: a number from 0 to %d must stand here", list.Len())
	}
	if int(i) > list.Len() {
		return v, fmt.Sprintf("the list has %d elements: the next one is %d", list.Len(), list.Len())
	}
	if int(i) == list.Len() {
		list.Set(reflect.Append(list, newElement(list.Type().Elem())))
	}
	return list.Index(int(i)), ""
}

// textNode is the value that a text outside of a file stands for: lists and
// sections as YAML writes them on one line, lists of texts also with commas.
func textNode(text string, t reflect.Type) (n *yaml.Node, problem string) {
	trimmed := strings.TrimSpace(text)
	switch {
	case !isSection(t) && t.Kind() != reflect.Slice:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: text}, ""
	case strings.HasPrefix(trimmed, "["), strings.HasPrefix(trimmed, "{"):
		n, err := parse([]byte(trimmed))
		if err != nil || n == nil {
			return nil, "is not YAML: write [a, b], or a,b"
		}
		return n, ""
	case isSection(t):
		return nil, "is a section: set one of its keys, " + strings.Join(names(t), ", ")
	case isSection(t.Elem()):
		return nil, "is a list of sections: set a key of one of them, such as 0." + names(t.Elem())[0]
	}
	n = &yaml.Node{Kind: yaml.SequenceNode}
	if trimmed == "" {
		return n, ""
	}
	for part := range strings.SplitSeq(trimmed, ",") {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(part)})
	}
	return n, ""
}
