package main

import "testing"

// A drain says how long it takes, and that a plan cannot be kept.
func TestDrainState(t *testing.T) {
	for want, d := range map[string]drainState{
		"a has 600 of 1000 connections, 10/s leave; about 1m0s to go": {
			Node: "a", State: "closing", Connections: 600, Total: 1000, Open: 600, Rate: 10, Over: "1m40s",
		},
		"a has 600 of 1000 connections, 10/s leave, as many as --max-rate allows; about 1m0s to go, 8s is not enough at 10/s": {
			Node: "a", State: "closing", Connections: 600, Total: 1000, Open: 600, Rate: 10, Limit: "max_rate", Over: "8s", MaxRate: 10,
		},
		"a has 600 of 1000 connections, 0/s leave: it waits, no other node takes connections": {
			Node: "a", State: "closing", Connections: 600, Total: 1000, Open: 600, Limit: "no_survivors", Over: "8s",
		},
	} {
		if got := d.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
