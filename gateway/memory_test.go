package gateway

import "testing"

// Memory is given back a few times after each storm of connects, though a few still come.
func TestStormIsOver(t *testing.T) {
	s := storm{many: 1000}
	count := uint64(0)
	for i, step := range []struct {
		n    uint64
		calm bool
		why  string
	}{
		{900, false, "not many"},
		{50, false, "not many in all"},
		{60, true, "1010 in all, and few now"},
		{60, true, "again"},
		{60, true, "and again"},
		{60, false, "it was given back"},
		{20_000, false, "a storm"},
		{9_000, false, "it goes on"},
		{1_900, true, "a tenth of what it was"},
		{500, true, "again"},
		{400, true, "and again"},
		{450, false, "that is how many always come"},
		{450, false, "that is how many always come"},
	} {
		count += step.n
		if calm := s.calm(count); calm != step.calm {
			t.Errorf("step %d: %d more: calm is %v: %s", i, step.n, calm, step.why)
		}
	}
}
