package config

import (
	"reflect"
	"slices"
)

// Changes compares two valid configurations for a reload. It returns the paths
// of the keys that differ: those that take effect at once, and those that wait
// for a restart. Where a list became longer or shorter, the path is the list's.
//
// Listeners and endpoints are compared by their place in the list. One that has
// another address or path than before is another one: all of it waits.
func Changes(old, new *Config) (live, needRestart []string) {
	compare(reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem(), "", marked, func(path string, isLive bool) {
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
	next.Guard = new.Guard
	next.Keepalive = new.Keepalive
	next.Rebalance = new.Rebalance
	next.Drain = new.Drain
	next.Drain.RetryWithin = old.Drain.RetryWithin
	next.Log.Level = new.Log.Level
	if old.Auth.On() == new.Auth.On() {
		next.Auth = new.Auth
		next.Auth.JWKS, next.Auth.Sources = old.Auth.JWKS, old.Auth.Sources
		next.Auth.Subprotocol, next.Auth.MaxRevocations = old.Auth.Subprotocol, old.Auth.MaxRevocations
	}
	if len(old.Listeners) != len(new.Listeners) {
		return &next
	}
	next.Listeners = slices.Clone(old.Listeners)
	for i := range next.Listeners {
		a, b := &next.Listeners[i], &new.Listeners[i]
		if a.Address != b.Address || len(a.Endpoints) != len(b.Endpoints) {
			continue
		}
		a.Endpoints = slices.Clone(a.Endpoints)
		for j := range a.Endpoints {
			if a.Endpoints[j].Path == b.Endpoints[j].Path {
				a.Endpoints[j].Origins = b.Endpoints[j].Origins
				a.Endpoints[j].AllowMissingOrigin = b.Endpoints[j].AllowMissingOrigin
			}
		}
	}
	return &next
}

// reach is how far a reload gets into a part of the configuration.
type reach uint8

const (
	marked reach = iota // to the keys that are tagged as live
	all                 // to every key: the section is tagged
	none                // to no key: the section is another one
)

// compare calls differs with each key whose value is not the same.
func compare(a, b reflect.Value, path string, r reach, differs func(path string, live bool)) {
	switch {
	case isSection(a.Type()):
		for _, f := range fields(a.Type()) {
			below := r
			switch {
			case r == marked && f.live:
				below = all
			case r == marked && isOther(a.Field(f.index), b.Field(f.index)):
				below = none
			}
			compare(a.Field(f.index), b.Field(f.index), join(path, f.name), below, differs)
		}
	case a.Kind() == reflect.Slice && isSection(a.Type().Elem()) && a.Len() == b.Len():
		for i := range a.Len() {
			below := r
			if r == marked && isOther(a.Index(i), b.Index(i)) {
				below = none
			}
			compare(a.Index(i), b.Index(i), item(path, i), below, differs)
		}
	case a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0: // nil or empty
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		differs(path, r == all)
	}
}

// isOther says that two sections do not describe the same thing.
func isOther(a, b reflect.Value) bool {
	switch x := a.Interface().(type) {
	case Listener:
		return x.Address != b.Interface().(Listener).Address
	case Auth: // who is connected was let in on other grounds
		y := b.Interface().(Auth)
		return x.On() != y.On()
	case Endpoint:
		return x.Path != b.Interface().(Endpoint).Path
	}
	return false
}
