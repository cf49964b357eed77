package redisbroker

import "testing"

func TestOwners(t *testing.T) {
	o := owners{{0, 99, "a"}, {100, 100, "b"}, {200, 16383, "a"}}
	for slot, want := range map[uint16]string{0: "a", 99: "a", 100: "b", 101: "", 199: "", 200: "a", 16383: "a"} {
		if got := o.of(slot); got != want {
			t.Errorf("slot %d is %q's, want %q", slot, got, want)
		}
	}
	if got := (owners{}).of(7); got != "" {
		t.Errorf("nobody's slot is %q's", got)
	}
	if m := o.masters(); len(m) != 2 || !m["a"] || !m["b"] {
		t.Errorf("masters: %v", m)
	}
}
