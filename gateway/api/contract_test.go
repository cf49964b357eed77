package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A description is openapi.yaml, as far as answers can be held to it: references,
// and the words of JSON Schema that it uses.
type description struct {
	root map[string]any
}

// parsed reads the document once for all tests, which do not write to it.
var parsed = sync.OnceValues(func() (map[string]any, error) {
	var root map[string]any
	err := yaml.Unmarshal([]byte(openapi), &root)
	return root, err
})

func contract(t testing.TB) *description {
	t.Helper()
	root, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return &description{root}
}

// at follows keys from v, through references.
func (d *description) at(v any, keys ...string) map[string]any {
	m, _ := v.(map[string]any)
	m = d.resolve(m)
	for _, k := range keys {
		next, _ := m[k].(map[string]any)
		m = d.resolve(next)
	}
	return m
}

func (d *description) resolve(m map[string]any) map[string]any {
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	return d.at(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// operation is what the document says of a method and a path, nil if nothing.
func (d *description) operation(method, path string) map[string]any {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	paths := d.at(d.root, "paths")
	if paths[path] == nil && strings.HasPrefix(path, "/debug/pprof/") {
		path = "/debug/pprof/"
	}
	return d.at(paths[path], strings.ToLower(method))
}

// check holds an answer to the document: its status, type and body.
func (d *description) check(r *http.Request, status int, header http.Header, body []byte) error {
	op := d.operation(r.Method, r.URL.Path)
	if op == nil {
		// What the document does not name is refused in the common form.
		if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed}, status) {
			return fmt.Errorf("status %d for what is not in the document", status)
		}
		return d.body(d.at(d.root, "components", "schemas", "Error"), body)
	}
	answer := d.at(op, "responses", strconv.Itoa(status))
	if answer == nil {
		return fmt.Errorf("status %d is not documented", status)
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", header.Get("Content-Type"), err)
	}
	content := d.at(answer, "content")
	if content[kind] == nil {
		if content["*/*"] == nil {
			return fmt.Errorf("content type %s is not documented for status %d", kind, status)
		}
		return nil
	}
	if kind != "application/json" {
		return nil
	}
	return d.body(d.at(content[kind], "schema"), body)
}

func (d *description) body(schema map[string]any, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return d.valid(schema, v, "body")
}

// valid holds v to a schema.
func (d *description) valid(schema map[string]any, v any, where string) error {
	schema = d.resolve(schema)
	for word, arg := range schema {
		if err := d.word(schema, word, arg, v, where); err != nil {
			return err
		}
	}
	return nil
}

func (d *description) word(schema map[string]any, word string, arg, v any, where string) error {
	object, _ := v.(map[string]any)
	switch word {
	case "description", "default", "examples", "format", "contentEncoding":
	case "type":
		if got := typeOf(v); got != arg && (arg != "number" || got != "integer") {
			return fmt.Errorf("%s is a %s, not a %s", where, got, arg)
		}
	case "required":
		for _, name := range arg.([]any) {
			if _, ok := object[name.(string)]; !ok {
				return fmt.Errorf("%s lacks %s", where, name)
			}
		}
	case "properties":
		for name, value := range object {
			if s := d.at(arg, name); s != nil {
				if err := d.valid(s, value, where+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		for name := range object {
			if d.at(schema, "properties")[name] == nil {
				return fmt.Errorf("%s has %s, which is not documented", where, name)
			}
		}
	case "items":
		list, _ := v.([]any)
		for i, item := range list {
			if err := d.valid(d.at(arg), item, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	case "oneOf", "anyOf", "allOf":
		return d.some(word, arg.([]any), v, where)
	case "enum":
		for _, e := range arg.([]any) {
			if fmt.Sprint(e) == fmt.Sprint(v) {
				return nil
			}
		}
		return fmt.Errorf("%s is %v, which is not listed", where, v)
	case "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength":
		return bound(word, arg, v, where)
	case "pattern":
		if s, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(s) {
			return fmt.Errorf("%s is %q, against %s", where, s, arg)
		}
	default:
		return fmt.Errorf("the test does not know the schema word %s", word)
	}
	return nil
}

func (d *description) some(word string, schemas []any, v any, where string) error {
	fits := 0
	var all []error
	for _, s := range schemas {
		if err := d.valid(d.at(s), v, where); err != nil {
			all = append(all, err)
		} else {
			fits++
		}
	}
	if fits == len(schemas) && word == "allOf" || fits == 1 && word == "oneOf" || fits > 0 && word == "anyOf" {
		return nil
	}
	return fmt.Errorf("%s fits %d of %s: %w", where, fits, word, errors.Join(all...))
}

func bound(word string, arg, v any, where string) error {
	size := 0.0
	switch v := v.(type) {
	case float64:
		size = v
	case string:
		size = float64(len([]rune(v)))
	case []any:
		size = float64(len(v))
	}
	limit, err := strconv.ParseFloat(fmt.Sprint(arg), 64)
	if err != nil {
		return err
	}
	if strings.HasPrefix(word, "min") && size < limit || strings.HasPrefix(word, "max") && size > limit {
		return fmt.Errorf("%s is %v, against %s %v", where, v, word, arg)
	}
	return nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}
