package drain

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// fakeNode has connections that leave as soon as they are told.
type fakeNode struct {
	mu       sync.Mutex
	open     int
	stubborn int // of them, those that do not leave
	unready  bool
	fenced   bool
	room     Room
	told     []time.Time
	reasons  map[metrics.CloseReason]int
}

func (n *fakeNode) Connections() (all, open int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open + n.stubborn, n.open
}

func (n *fakeNode) Release(k int, reason metrics.CloseReason) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	k = min(k, n.open)
	n.open -= k
	for range k {
		n.told = append(n.told, time.Now())
	}
	if n.reasons == nil {
		n.reasons = map[metrics.CloseReason]int{}
	}
	n.reasons[reason] += k
	return k
}

func (n *fakeNode) Unready(on bool) { n.mu.Lock(); n.unready = on; n.mu.Unlock() }
func (n *fakeNode) Fence(on bool)   { n.mu.Lock(); n.fenced = on; n.mu.Unlock() }

func (n *fakeNode) Room() Room {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.room
}

// left is how many are open.
func (n *fakeNode) left() int { _, open := n.Connections(); return open }

// is ready, unready, or fenced, too.
func is(n *fakeNode) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.fenced && n.unready:
		return "fenced"
	case n.unready:
		return "unready"
	case n.fenced:
		return "fenced, and ready"
	default:
		return "ready"
	}
}

func (n *fakeNode) because(reason metrics.CloseReason) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reasons[reason]
}

func (n *fakeNode) set(f func()) { n.mu.Lock(); f(); n.mu.Unlock() }

// within is how many were told from one time after begun to another.
func (n *fakeNode) within(begun time.Time, from, to time.Duration) (k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, at := range n.told {
		if d := at.Sub(begun); d >= from && d < to {
			k++
		}
	}
	return k
}

// bubble runs a test of a node in a time of its own.
func bubble(t *testing.T, n *fakeNode, f func(d *Drainer, begun time.Time)) {
	synctest.Test(t, func(*testing.T) {
		d := New(n, zerolog.New(io.Discard))
		f(d, time.Now())
		d.Stop()
	})
}

func between(t *testing.T, what string, n, low, high int) {
	t.Helper()
	if n < low || n > high {
		t.Errorf("%s: %d, want %d to %d", what, n, low, high)
	}
}

func TestEvenly(t *testing.T) {
	n := &fakeNode{open: 1000, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		over := d.Start(Plan{Delay: 2 * time.Second, Over: 10 * time.Second})
		time.Sleep(time.Second)
		if p := d.Progress(); p.State != Delayed || p.Open != 1000 || is(n) != "unready" {
			t.Errorf("in the delay: %+v, %s", p, is(n))
		}
		time.Sleep(6 * time.Second)
		if p := d.Progress(); p.State != Closing || p.Total != 1000 || p.Limit != NoLimit || is(n) != "fenced" {
			t.Errorf("in the middle: %+v", p)
		} else {
			between(t, "open in the middle", p.Open, 480, 520)
			between(t, "rate", p.Rate, 80, 120)
		}
		<-over
		if took := time.Since(begun); took < 11500*time.Millisecond || took > 12100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if p := d.Progress(); p.State != Drained || p.Left != 0 || is(n) != "fenced" {
			t.Errorf("after it: %+v", p)
		}
		for s := 2; s < 12; s++ {
			between(t, "in a second", n.within(begun, time.Duration(s)*time.Second, time.Duration(s+1)*time.Second), 90, 110)
		}
		if k := n.because(metrics.CloseDrain); k != 1000 {
			t.Errorf("%d were told that it drains", k)
		}
	})
}

// After the process stood still, what is made up for is not more than was missed.
func TestStandstill(t *testing.T) {
	const all, over, still = 1000, 2 * time.Second, 240 * time.Millisecond
	begun := time.Now()
	p := newPace(Plan{Over: over}, begun)
	open := all
	for at := time.Duration(0); open > 0; at += step {
		if at == 1500*time.Millisecond {
			at += still
		}
		n, _ := p.next(begun.Add(at), open, Room{Alone: true})
		p.told(begun.Add(at), n)
		open -= n
		// The last ones are told a step before the end.
		between(t, fmt.Sprint("told after ", at), all-open, int(all*at/over)-all/50, min(all, int(all*(at+step)/over))+1)
	}
}

// What is missed for longer, since the process stood still again and again or the others had no
// room, is made up for by a drain that takes longer, and goes at most a fifth faster than planned.
func TestHurry(t *testing.T) {
	const all, over, window = 2000, 20 * time.Second, 5 * time.Second
	begun, enough := time.Now(), Room{Nodes: 1, Rate: 10 * all, Places: 10 * all}
	for what, half := range map[string]struct { // of the time
		pause time.Duration // between two steps
		room  Room
	}{
		"the process stands still": {time.Second, enough},
		"the others have no room":  {step, Room{Nodes: 1, Rate: 1, Places: all}},
	} {
		p := newPace(Plan{Over: over}, begun)
		var told []time.Duration // when, for each
		at := time.Duration(0)
		for len(told) < all && at < 2*over {
			room, pause := enough, step
			if at < over/2 {
				room, pause = half.room, half.pause
			}
			n, _ := p.next(begun.Add(at), all-len(told), room)
			p.told(begun.Add(at), n)
			for range n {
				told = append(told, at)
			}
			at += pause
		}
		if len(told) < all {
			t.Errorf("%s: only %d were told within %v", what, len(told), at)
		}
		most := int(1.3 * all * window / over)
		for i := range told {
			if i+most < len(told) && told[i+most]-told[i] < window {
				t.Fatalf("%s: more than %d were told within the %v after %v", what, most, window, told[i])
			}
		}
	}
}

// Who has to be gone by a deadline is not kept until then by it.
func TestHurryToDeadline(t *testing.T) {
	const all, over, deadline = 2000, 10 * time.Second, 15 * time.Second
	begun := time.Now()
	p := newPace(Plan{Over: over, Deadline: begun.Add(deadline)}, begun)
	open := all
	for at := over * 9 / 10; open > 0; at += step { // until then, it did not run
		n, _ := p.next(begun.Add(at), open, Room{Alone: true})
		p.told(begun.Add(at), n)
		open -= n
		if at > over*9/10 {
			between(t, fmt.Sprint("told after ", at), n, 0, 20)
		}
	}
}

// One alone does not wait for the period.
func TestOne(t *testing.T) {
	n := &fakeNode{open: 1, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		<-d.Start(Plan{Over: time.Hour})
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAtOnce(t *testing.T) {
	n := &fakeNode{open: 5000, stubborn: 1, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		over := d.Start(Plan{})
		time.Sleep(time.Second)
		if p := d.Progress(); p.State != Closing || p.Open != 0 || p.Left != 1 {
			t.Errorf("%+v", p)
		}
		d.Stop()
		<-over
		if is(n) != "fenced" {
			t.Error("Stop lets clients in")
		}
	})
}

func TestMaxRate(t *testing.T) {
	n := &fakeNode{open: 1000, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		over := d.Start(Plan{Over: time.Second, MaxRate: 100})
		time.Sleep(5 * time.Second)
		if p := d.Progress(); p.Limit != MaxRate {
			t.Errorf("%+v", p)
		}
		<-over
		for s := range 9 {
			between(t, "in a second", n.within(begun, time.Duration(s)*time.Second, time.Duration(s+1)*time.Second), 95, 105)
		}
	})
}

// The rate follows what the others can take, and the room that they have.
func TestRoom(t *testing.T) {
	n := &fakeNode{open: 10_000, room: Room{Nodes: 2, Rate: 200, Places: 1_000_000}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		d.Start(Plan{Over: time.Second})
		time.Sleep(step / 2) // what is set below is set between two steps
		begun = begun.Add(step / 2)
		time.Sleep(4 * time.Second)
		between(t, "told at 200/s", 10_000-n.left(), 780, 820)
		if p := d.Progress(); p.Limit != NoRoom {
			t.Errorf("%+v", p)
		}
		n.set(func() { n.room.Rate = 50 })
		time.Sleep(4 * time.Second)
		between(t, "told at 50/s", n.within(begun, 4*time.Second, 8*time.Second), 180, 220)
		n.set(func() { n.room.Places = 0 })
		time.Sleep(4 * time.Second)
		between(t, "told without room", n.within(begun, 8*time.Second, 12*time.Second), 0, 0)
		n.set(func() { n.room = Room{} })
		time.Sleep(4 * time.Second)
		if p := d.Progress(); p.Limit != NoSurvivors || n.within(begun, 12*time.Second, 16*time.Second) != 0 {
			t.Errorf("nobody is there: %+v", p)
		}
		n.set(func() { n.room = Room{Nodes: 1, Rate: 1000, Places: 100} })
		time.Sleep(10 * time.Second) // 100 at a time, until these show in the others' figures
		between(t, "told with 100 places", n.within(begun, 16*time.Second, 26*time.Second), 100, 1100)
	})
}

// At the deadline all go, wherever to.
func TestDeadline(t *testing.T) {
	n := &fakeNode{open: 1000}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		<-d.Start(Plan{Over: 2 * time.Second, Deadline: begun.Add(5 * time.Second)})
		if took := time.Since(begun); took > 2100*time.Millisecond {
			t.Errorf("without other nodes there is nobody to spare: took %v", took)
		}
	})
	n = &fakeNode{open: 1000, room: Room{Nodes: 1, Rate: 10, Places: 1000}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		<-d.Start(Plan{Over: 2 * time.Second, Deadline: begun.Add(5 * time.Second)})
		between(t, "told before", n.within(begun, 0, 5*time.Second), 40, 60)
		if took := time.Since(begun); took < 5*time.Second || took > 5200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestAbort(t *testing.T) {
	n := &fakeNode{open: 1000, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		if d.Abort() {
			t.Error("nothing was drained")
		}
		over := d.Start(Plan{Over: 10 * time.Second})
		time.Sleep(5 * time.Second)
		if !d.Abort() {
			t.Error("not aborted")
		}
		<-over
		left := n.left()
		between(t, "left", left, 480, 520)
		time.Sleep(10 * time.Second)
		if p := d.Progress(); p.State != None || n.left() != left || is(n) != "ready" {
			t.Errorf("%+v, %d open, %s", p, n.left(), is(n))
		}
	})
}

// A new plan goes on where the one before was; nobody is let in between.
func TestNewPlan(t *testing.T) {
	n := &fakeNode{open: 1000, room: Room{Alone: true}}
	bubble(t, n, func(d *Drainer, begun time.Time) {
		first := d.Start(Plan{Over: time.Hour})
		time.Sleep(time.Second)
		second := d.Start(Plan{Delay: time.Hour, Over: 2 * time.Second})
		<-first
		if is(n) != "fenced" {
			t.Error("not fenced")
		}
		<-second
		if took := time.Since(begun); took > 3100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestExcess(t *testing.T) {
	for _, tt := range []struct {
		own    int
		others []int
		above  float64
		want   int
	}{
		{100, nil, 0.2, 0},
		{100, []int{100, 100}, 0.2, 0},
		{119, []int{100, 81}, 0.2, 0},
		{150, []int{100, 50}, 0.2, 30},
		{3000, []int{3000, 0}, 0.2, 600},
		{0, []int{0}, 0.2, 0},
		{50, []int{100, 150}, 0.2, 0},
		{1, []int{1, 0}, 0.2, 0}, // nowhere would fewer be: the client would go round for ever
		{2, []int{1, 1}, 0.2, 0},
	} {
		if n := excess(tt.own, tt.others, tt.above); n != tt.want {
			t.Errorf("%d beside %v: %d, want %d", tt.own, tt.others, n, tt.want)
		}
	}
}

// A node with too much waits, lets go at the rate, and stops at half of what is allowed.
func TestRebalance(t *testing.T) {
	n := &fakeNode{open: 3000, room: Room{Nodes: 2, Rate: 10_000, Places: 1_000_000, Loads: []int{3000, 0}}}
	synctest.Test(t, func(t *testing.T) {
		d := New(n, zerolog.New(io.Discard))
		ready := true
		rule := Rule{Above: 0.2, After: 10 * time.Second, MaxRate: 100}
		begun := time.Now()
		get := func() Rule { n.mu.Lock(); defer n.mu.Unlock(); return rule }
		go d.Rebalance(t.Context(), get, func() bool { n.mu.Lock(); defer n.mu.Unlock(); return ready })
		time.Sleep(20 * time.Second)
		if n.left() != 3000 {
			t.Errorf("it is off, and %d are open", n.left())
		}
		n.set(func() { rule.Enabled = true })
		time.Sleep(9 * time.Second)
		if n.left() != 3000 {
			t.Errorf("too soon: %d", n.left())
		}
		time.Sleep(4 * time.Second)
		between(t, "told in the first seconds", 3000-n.left(), 100, 400)
		between(t, "its rate", d.Rate(), 90, 110)
		n.set(func() { ready = false })
		time.Sleep(time.Second)
		open := n.left()
		time.Sleep(20 * time.Second)
		if n.left() != open {
			t.Error("it goes on while it is not ready")
		}
		n.set(func() { ready = true })
		time.Sleep(60 * time.Second)
		// Others stay at 3,000 and 0 here, so that it goes on in steps until it has
		// no more than (3000+x)/3*1.2, and never less than (3000+x)/3*1.1.
		between(t, "left", n.left(), 1737, 2000)
		if k := n.because(metrics.CloseRebalance); k != 3000-n.left() {
			t.Errorf("%d were told that it rebalances", k)
		}
		for s := range 100 {
			between(t, "in a second", n.within(begun, time.Duration(s)*time.Second, time.Duration(s+1)*time.Second), 0, 126)
		}
		if d.Rate() != 0 {
			t.Errorf("its rate is %d", d.Rate())
		}
	})
}

// A node that rebalances stops when one of the others is gone: it has not that much too
// much any more, and where the other was the only one, its clients would come back.
func TestRebalanceWithoutTheOther(t *testing.T) {
	for name, then := range map[string]Room{
		"one of two": {Nodes: 1, Rate: 10_000, Places: 1_000_000, Loads: []int{3000}},
		"the only":   {Alone: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := &fakeNode{open: 3000, room: Room{Nodes: 2, Rate: 10_000, Places: 1_000_000, Loads: []int{3000, 0}}}
			synctest.Test(t, func(t *testing.T) {
				d := New(n, zerolog.New(io.Discard))
				rule := Rule{Enabled: true, Above: 0.2, After: 10 * time.Second, MaxRate: 100}
				go d.Rebalance(t.Context(), func() Rule { return rule }, func() bool { return true })
				time.Sleep(13 * time.Second)
				between(t, "told while both are there", 3000-n.left(), 100, 400)
				n.set(func() { n.room = then })
				time.Sleep(step)
				open := n.left()
				time.Sleep(time.Minute)
				if n.left() != open || d.Rate() != 0 {
					t.Errorf("%d were told afterwards, %d in the last second", open-n.left(), d.Rate())
				}
			})
		})
	}
}

// A drain waits when the last of the other nodes has gone, as it does when that takes nobody;
// one that has to end does not.
func TestLastSurvivorGoes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		deadline time.Duration
		force    bool
		waits    bool
	}{{"operator", 0, false, true}, {"operator with force", 0, true, false}, {"SIGTERM", time.Hour, false, false}} {
		t.Run(tt.name, func(t *testing.T) {
			n := &fakeNode{open: 1000, room: Room{Nodes: 1, Rate: 1000, Places: 5000}}
			bubble(t, n, func(d *Drainer, begun time.Time) {
				p := Plan{Over: 10 * time.Second, Force: tt.force}
				if tt.deadline > 0 {
					p.Deadline = begun.Add(tt.deadline)
				}
				over := d.Start(p)
				time.Sleep(5 * time.Second)
				n.set(func() { n.room = Room{Alone: true} })
				time.Sleep(step)
				open := n.left()
				time.Sleep(20 * time.Second)
				if waits := n.left() == open; waits != tt.waits {
					t.Errorf("of %d, %d are left", open, n.left())
				}
				if limit := d.Progress().Limit; tt.waits != (limit == NoSurvivors) {
					t.Errorf("it says %q", limit)
				}
				n.set(func() { n.room = Room{Nodes: 1, Rate: 1000, Places: 5000} })
				<-over
			})
		})
	}
}
