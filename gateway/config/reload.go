package config

import (
	"reflect"
	"slices"
)

// Changes compares two valid configurations for a reload. It returns the paths
// of the keys that differ: those that take effect at once, and those that wait
// for a restart. Where a list became longer or shorter, the path is the list's.
func Changes(old, new *Config) (live, needRestart []string) {
	compare(reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem(), "", false, func(path string, isLive bool) {
		if isLive {
			live = append(live, path)
		} else {
			needRestart = append(needRestart, path)
		}
	})
	return live, needRestart
}

// Reloaded is old with the live changes of new: what a node runs with after a
// reload. It shares lists with both, and changes neither.
func Reloaded(old, new *Config) *Config {
	next := *old
	next.Namespaces = new.Namespaces
	next.Limits = new.Limits
	next.Keepalive = new.Keepalive
	next.Log.Level = new.Log.Level
	if len(old.Listeners) != len(new.Listeners) {
		return &next
	}
	next.Listeners = slices.Clone(old.Listeners)
	for i := range next.Listeners {
		endpoints := slices.Clone(next.Listeners[i].Endpoints)
		if len(endpoints) == len(new.Listeners[i].Endpoints) {
			for j := range endpoints {
				endpoints[j].Origins = new.Listeners[i].Endpoints[j].Origins
			}
		}
		next.Listeners[i].Endpoints = endpoints
	}
	return &next
}

// compare calls differs with each key whose value is not the same.
func compare(a, b reflect.Value, path string, live bool, differs func(path string, live bool)) {
	switch {
	case isSection(a.Type()):
		for _, f := range fields(a.Type()) {
			compare(a.Field(f.index), b.Field(f.index), join(path, f.name), live || f.live, differs)
		}
	case a.Kind() == reflect.Slice && isSection(a.Type().Elem()) && a.Len() == b.Len():
		for i := range a.Len() {
			compare(a.Index(i), b.Index(i), item(path, i), live, differs)
		}
	case a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0: // nil or empty
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		differs(path, live)
	}
}
