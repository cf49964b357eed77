package redisbroker

import (
	"fmt"
	"testing"
)

// What was noted lately is known; memory is bounded, whatever the number of channels.
func TestReached(t *testing.T) {
	var r reached
	if n, known := r.of("never"); known {
		t.Errorf("%d, of a channel that nobody published on", n)
	}
	r.note("first", 1)
	r.note("first", 2)
	if n, known := r.of("first"); n != 2 || !known {
		t.Errorf("%d, %v, want the newest number", n, known)
	}
	for i := range 5 * maxReached {
		r.note(fmt.Sprint(i), i)
		if kept := len(r.new) + len(r.old); kept > 2*maxReached {
			t.Fatalf("%d numbers are kept", kept)
		}
		if lately := max(0, i-maxReached+1); i%100 == 0 {
			if n, known := r.of(fmt.Sprint(lately)); n != lately || !known {
				t.Fatalf("%d, %v, %d messages after it was noted", n, known, i-lately)
			}
		}
	}
	if _, known := r.of("first"); known {
		t.Error("a number is kept for ever")
	}
}
