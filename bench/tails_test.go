package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the processes saw of one message decides together how it ended.
func TestTails(t *testing.T) {
	const after = endAfter
	for _, tt := range []struct {
		name        string
		ends        [3]int64 // by process; -1: not heard of
		waits       [3]bool
		want        time.Duration // of the last subscriber; -1: there is none
		undelivered uint64
	}{
		{"all got it", [3]int64{after + 5, after + 9, after + 7}, [3]bool{true, true, true}, 9, 0},
		{"some have nobody who waits", [3]int64{after + 5, endNothing, -1}, [3]bool{true, true, false}, 5, 0},
		{"at once", [3]int64{after, endNothing, endNothing}, [3]bool{true, true, true}, 0, 0},
		{"one lost it", [3]int64{after + 5, endLost, after + 1}, [3]bool{true, true, true}, -1, 0},
		{"one waits", [3]int64{after + 5, endLost, endUndelivered}, [3]bool{true, true, true}, -1, 1},
		{"one has not heard of it", [3]int64{after + 5, after + 6, -1}, [3]bool{true, true, true}, -1, 1},
		{"nobody waited", [3]int64{endNothing, endNothing, -1}, [3]bool{}, -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []*tails
			for i, end := range tt.ends {
				one := newTails(2)
				one.of[1].waits = tt.waits[i]
				if i == 0 {
					one.of[1].published = 1
				}
				if end >= 0 {
					one.end(1, 1, end)
				}
				all = append(all, throughTheWire(t, one))
			}
			j, err := joinTails(all)
			if err != nil {
				t.Fatal(err)
			}
			want := uint64(1)
			if tt.want < 0 {
				want = 0
			}
			if j.last.n != want || want == 1 && time.Duration(j.last.max) != tt.want || j.undelivered != tt.undelivered || j.of != 1 {
				t.Errorf("%d last ones of at most %v, %d undelivered, %d messages", j.last.n, time.Duration(j.last.max), j.undelivered, j.of)
			}
		})
	}
}

func throughTheWire(t *testing.T, one *tails) *tails {
	t.Helper()
	b, err := one.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got := new(tails)
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	for n := range b { // none of it can be missing
		if got.UnmarshalBinary(b[:n]) == nil {
			t.Errorf("%d of %d bytes were taken", n, len(b))
		}
	}
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return got
}

// When the run is over, what is open has ended one way or the other.
func TestTailsClose(t *testing.T) {
	for _, tt := range []struct {
		late bool
		want []int64
	}{
		{false, []int64{endNothing, endLost, endAfter + 3, endNothing}},
		{true, []int64{endNothing, endUndelivered, endAfter + 3, endNothing}},
	} {
		pub := &publisher{own: true, flight: newFlight()}
		one := newTails(1)
		pub.hear(3, 1) // one subscriber waits for three messages
		pub.flight.arrived(1)
		pub.flight.arrived(3)
		one.end(0, 3, endAfter+3)
		pub.hear(4, 0)
		one.close(0, pub, true, tt.late)
		if diff := cmp.Diff(tt.want, one.of[0].ends); diff != "" || one.of[0].published != 4 || !one.of[0].waits {
			t.Errorf("%+v %s", one.of[0], diff)
		}
	}
}

func TestTailsAreBounded(t *testing.T) {
	one := newTails(maxPublishers)
	if one.most*maxPublishers > maxTails {
		t.Errorf("%d messages of each publisher", one.most)
	}
	one.end(0, one.most+1, endAfter)
	if len(one.of[0].ends) != 0 {
		t.Error("one more was kept")
	}
	r := &Result{}
	for _, tt := range []struct{ published, lastOf uint64 }{{one.most, 0}, {one.most + 1, one.most}} {
		one.of[0].published = tt.published
		if err := r.takeTails([]*tails{one}); err != nil || r.LastOf != tt.lastOf {
			t.Errorf("%v, the last subscribers are said to be of %d messages, want %d", err, r.LastOf, tt.lastOf)
		}
	}
	if err := new(Result).takeTails([]*tails{one, newTails(2)}); err == nil {
		t.Error("tails of different plans were joined")
	}
}
