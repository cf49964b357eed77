package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// header stands above every printed configuration.
const header = `# Sluice: every key with its value and its meaning.
# What is said later wins: defaults, this file, SLUICE_... variables, flags.
# Sizes: 65536, 64KiB, 1.5MiB. Durations: 500ms, 5s, 1m30s.
`

// Print writes the configuration as YAML, each key under its comment, secrets
// redacted. The comments of a list's elements stand at its first one only.
func (c *Config) Print(w io.Writer) error {
	_, err := w.Write(c.YAML())
	return err
}

// YAML is what Print writes.
func (c *Config) YAML() []byte {
	p := *c
	if p.Admin.APIKeyFile != "" {
		p.Admin.APIKey = Secret{} // it came from the file
	}
	p.Auth.Keys = p.Auth.withoutFiles()
	var b printer
	b.WriteString(header)
	b.section(reflect.ValueOf(p), "", "", true)
	return b.Bytes()
}

type printer struct{ bytes.Buffer }

// section writes the keys of a section. The first key's line starts with first
// instead of indent: the dash of a list element.
func (b *printer) section(v reflect.Value, first, indent string, comments bool) {
	for i, f := range fields(v.Type()) {
		lead := indent
		if i == 0 && first != "" {
			lead = first
		}
		if indent == "" {
			b.WriteByte('\n')
		}
		if comments {
			b.comment(f.doc, strings.ReplaceAll(lead, "- ", ""))
		}
		b.WriteString(lead + f.name + ":")
		b.value(v.Field(f.index), indent, comments)
	}
}

// comment writes a key's comment above it.
func (b *printer) comment(doc, indent string) {
	for line := range strings.SplitSeq(doc, "\n") {
		b.WriteString(indent + "# " + line + "\n")
	}
}

// value writes what follows a key's colon. Indent is the key's.
func (b *printer) value(v reflect.Value, indent string, comments bool) {
	switch {
	case isSection(v.Type()):
		b.WriteByte('\n')
		b.section(v, "", indent+"  ", comments)
	case v.Kind() != reflect.Slice:
		b.WriteString(" " + plain(v) + "\n")
	case !isSection(v.Type().Elem()) || v.Len() == 0:
		all := make([]string, v.Len())
		for i := range all {
			all[i] = plain(v.Index(i))
		}
		b.WriteString(" [" + strings.Join(all, ", ") + "]\n")
		if isSection(v.Type().Elem()) {
			b.form(v.Type().Elem(), indent+"  ")
		}
	default:
		b.WriteByte('\n')
		for i := range v.Len() {
			b.section(v.Index(i), indent+"  - ", indent+"    ", comments && i == 0)
		}
	}
}

// form shows, in comments, what an element of an empty list looks like.
func (b *printer) form(element reflect.Type, indent string) {
	var p printer
	p.section(newElement(element), "  - ", "    ", true)
	for line := range strings.SplitSeq(strings.TrimSuffix(p.String(), "\n"), "\n") {
		b.WriteString(indent + "#" + strings.TrimRight(line, " ") + "\n")
	}
}

// bare are the texts that mean themselves in YAML without quotes, in lists too.
var bare = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$|^[0-9]+(\.[0-9]+){3}:[0-9]+$`)

// plain is a single value in YAML.
func plain(v reflect.Value) string {
	s := fmt.Sprint(v.Interface())
	switch v.Interface().(type) {
	case Size, Duration, Share, bool, int:
		return s
	}
	switch strings.ToLower(s) {
	case "y", "yes", "n", "no", "on", "off", "true", "false", "null":
	default:
		if bare.MatchString(s) {
			return s
		}
	}
	return strconv.Quote(s) // its escapes mean the same in YAML
}
