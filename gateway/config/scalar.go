package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"sluice/gateway/spell"
)

const noValue = "has no value: give it one, or leave the key out"

// scalar sets v to a single value. It returns what is wrong with it, or "". A
// node without a tag comes from the environment or a flag: its type is v's.
func scalar(n *yaml.Node, v reflect.Value) string {
	if n.Kind != yaml.ScalarNode {
		return "must be a single value, not " + describe(n)
	}
	if isNull(n) {
		return noValue
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
	m := "must be "
	if len(choices) > 1 {
		m += "one of "
	}
	m += strings.Join(choices, ", ") + ", not " + describe(n)
	if near := spell.Nearest(n.Value, choices); near != "" {
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
