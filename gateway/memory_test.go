package gateway

import "testing"

// Memory is given back a few times after each storm of connects, though a few still come.
func TestStormIsOver(t *testing.T) {
	s := storm{many: 1000}
	count := uint64(0)
	see := func(what string, n uint64, calm bool) {
		t.Helper()
		count += n
		if got := s.calm(count); got != calm {
			t.Errorf("%s: %d more: calm is %v", what, n, got)
		}
	}
	see("not many", 900, false)
	see("not many in all", 50, false)
	for range releases {
		see("1010 in all, and few now", 60, true)
	}
	see("it was given back", 60, false)
	see("a storm", 20_000, false)
	see("it goes on", 9_000, false)
	see("a tenth of what it was", 1_900, true)
	for range releases - 1 {
		see("and again", 70, true)
	}
	see("that is how many always come", 70, false)
}
