package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"sluice/bench"
)

// field is one key of a plan, and its value in JSON.
type field struct{ name, value string }

// planFields are the parts of a plan that are set, in the order of their names.
func planFields(p *bench.Plan) []field {
	b, err := json.Marshal(p)
	if err != nil {
		return nil // a plan is plain data
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(b, &values); err != nil {
		return nil
	}
	var list []field
	for name, v := range values {
		value := string(v)
		if value == "0" || value == "null" || value == `""` || value == "{}" || value == "false" {
			continue
		}
		if base, is := strings.CutSuffix(name, "_ns"); is {
			var ns float64
			if json.Unmarshal(v, &ns) == nil {
				name, value = base, duration(ns)
			}
		}
		list = append(list, field{strings.ReplaceAll(name, "_", " "), strings.Trim(value, `"`)})
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return list
}

// Plan writes what is set of a plan, a line each, and in how many processes it runs.
func Plan(w io.Writer, p *bench.Plan, procs int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "scenario\t%s\n", p.Scenario)
	for _, f := range planFields(p) {
		if f.name != "scenario" {
			fmt.Fprintf(t, "%s\t%s\n", f.name, f.value)
		}
	}
	if procs > 1 {
		fmt.Fprintf(t, "processes\t%d\n", procs)
	}
	return t.Flush()
}

// places are the parts of a plan that say where a server is, not what is done to it.
var places = []string{"urls", "sources", "api", "headers"}

// differences are the fields in which two plans are not the same run.
func differences(a, b *bench.Plan) (names []string) {
	other := map[string]string{}
	for _, f := range planFields(b) {
		other[f.name] = f.value
	}
	for _, f := range planFields(a) {
		if v, ok := other[f.name]; (!ok || v != f.value) && !slices.Contains(places, f.name) {
			names = append(names, f.name+" ("+f.value+" and "+orNone(v)+")")
		}
		delete(other, f.name)
	}
	for name, v := range other {
		if !slices.Contains(places, name) {
			names = append(names, name+" (none and "+v+")")
		}
	}
	slices.Sort(names)
	return names
}

func orNone(v string) string {
	if v == "" {
		return "none"
	}
	return v
}
