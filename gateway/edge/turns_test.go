package edge

import "testing"

// L1: all who send as fast as they can have a part each of what a poller reads in one round.
func TestRoundIsShared(t *testing.T) {
	const pollers = 2
	turns := turns{pollers: pollers}
	round := func(connections int) (all, least int) {
		for i := range connections {
			n, yield := turns.next(10 + i*pollers)
			if yield != ((i+1)%yieldEvery == 0) {
				t.Errorf("after %d of a round, yield is %v", i+1, yield)
			}
			if all += n; i == 0 || n < least {
				least = n
			}
		}
		return all, least
	}
	for _, step := range []struct {
		connections, least int
		why                string
	}{
		{1, roundBytes, "nobody else is ready"},
		{1, roundBytes, "nobody else is ready"},
		{4, roundBytes / 4, "it counts while the round lasts"},
		{4, roundBytes / 4, "each has its part"},
		{1000, leastBytes, "it counts while the round lasts"},
		{1000, leastBytes, "each has the least"},
		{1, leastBytes, "the round before had many"},
		{1, roundBytes, "nobody else is ready any more"},
	} {
		if _, least := round(step.connections); least != step.least {
			t.Errorf("%d are ready: %d bytes for one, not %d: %s", step.connections, least, step.least, step.why)
		}
	}
	round(1000)
	if all, _ := round(1000); all > max(roundBytes, 1000*leastBytes) {
		t.Errorf("%d bytes in one round of 1000", all)
	}
}

// C1: of many who connect, so many are read in one round, and the next ones in the next.
func TestRequestsOfARound(t *testing.T) {
	turns := turns{pollers: 1}
	waiting := make([]int, 3*roundRequests)
	for i := range waiting {
		waiting[i] = 10 + i
	}
	for round := range 3 {
		var left []int
		for _, fd := range waiting {
			if turns.next(fd); !turns.request() {
				left = append(left, fd)
			}
		}
		if len(waiting)-len(left) != roundRequests {
			t.Errorf("round %d: %d of %d were read", round, len(waiting)-len(left), len(waiting))
		}
		// The first that is still there begins the next round.
		waiting = left
	}
	if len(waiting) != 0 {
		t.Errorf("%d are left", len(waiting))
	}
}
