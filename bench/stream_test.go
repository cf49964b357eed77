package bench

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/ws"
)

func TestAgenda(t *testing.T) {
	var a agenda
	if _, ok := a.due(1 << 60); ok || a.wait(0) != maxWait {
		t.Error("an empty agenda has something due")
	}
	for i, at := range []int64{30, 10, 20, 10} {
		a.add(at, i)
	}
	var got []int
	for now := int64(0); now <= 30; now += 10 {
		for {
			d, ok := a.due(now)
			if !ok {
				break
			}
			got = append(got, int(d.at)+d.index)
		}
		if now == 10 && a.wait(now) != 10 {
			t.Errorf("at 10 the next is due in %d, want 10", a.wait(now))
		}
	}
	slices.Sort(got[:2]) // of one time, in any order
	if diff := cmp.Diff([]int{11, 13, 22, 30}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailureKind(t *testing.T) {
	for want, err := range map[string]error{
		"HTTP 503":            &statusError{"503", ws.ErrNotUpgraded},
		"timeout":             errTimeout,
		"refused":             syscall.ECONNREFUSED,
		"ended by the server": errEnded,
		"other":               errors.New("x"),
	} {
		if got := failureKind(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

func TestBackOff(t *testing.T) {
	var c comeback
	for failures, want := range map[int]time.Duration{
		1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 5: 3200 * time.Millisecond, 6: 5 * time.Second, 100: 5 * time.Second,
	} {
		if got := c.backOff(failures); got != want {
			t.Errorf("after %d failures: up to %v, want %v", failures, got, want)
		}
	}
}

// Whoever joins in the middle is owed what follows, and may get what was under way.
func TestCheckerOwesWhatFollows(t *testing.T) {
	for _, tt := range []struct {
		name string
		base uint64
		seen []uint64
		void []gap
		last uint64
		want Faults
	}{
		{"from the next on", 5, []uint64{6, 7}, nil, 7, Faults{}},
		{"with some under way", 5, []uint64{4, 5, 6, 7}, nil, 7, Faults{}},
		{"the next does not come", 5, []uint64{7}, nil, 7, Faults{Lost: 1}},
		{"the next comes late", 5, []uint64{7, 6}, nil, 7, Faults{Reordered: 1}},
		{"nothing comes", 5, nil, nil, 7, Faults{Lost: 2}},
		{"nothing is published", 5, nil, nil, 5, Faults{}},
		{"there is no telling", openBase, []uint64{9}, nil, 9, Faults{}},
		{"there is no telling, and nothing comes", openBase, nil, nil, 9, Faults{}},
		{"a void", 0, []uint64{1, 4}, []gap{{2, 3}}, 4, Faults{}},
		{"a void at first", 0, []uint64{3}, []gap{{1, 2}}, 3, Faults{}},
		{"a void at last", 0, []uint64{1}, []gap{{2, 3}}, 3, Faults{}},
		{"more than the void", 0, []uint64{1, 6}, []gap{{3, 4}}, 6, Faults{Lost: 2}},
		{"two voids", 0, []uint64{1, 7}, []gap{{2, 3}, {5, 6}}, 7, Faults{Lost: 1}},
		{"out of the void", 0, []uint64{1, 3, 5}, []gap{{2, 4}}, 5, Faults{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newChecker(1, 0)
			c.base = make([]uint64, 1)
			c.joins(0, tt.base)
			for _, seq := range tt.seen {
				if c.next[0] != seq {
					c.pass(0, seq, tt.void)
				}
				c.see(0, seq)
			}
			c.pass(0, tt.last+1, tt.void)
			c.finish(0, tt.last)
			if diff := cmp.Diff(tt.want, c.faults); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// stallingStream stands still in the middle of the loop.
type stallingStream struct {
	*stream
	left int
}

func (s *stallingStream) message(i int, b []byte, now int64) {
	if s.left > 0 {
		s.left--
		time.Sleep(60 * time.Millisecond)
	}
	s.stream.message(i, b, now)
}

func TestStalledStreamIsInvalid(t *testing.T) {
	t.Parallel()
	url, _ := (&faulty{}).start(t)
	p := drainOf(url, pid())
	s := newStream(bareRun(t, &p), false)
	origin, stop, err := s.begin(&stallingStream{s, 4}, nil)
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	defer s.swarm.stop()
	if err := s.openWindow(origin); err != nil {
		t.Fatal(err)
	}
	err = s.loop(func(now int64) (bool, time.Duration) {
		return now > origin+int64(400*time.Millisecond), s.publishDue(now)
	})
	if err := firstOf(err, s.closeWindow(0)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.result.Invalid, "sent late") {
		t.Errorf("invalid is %q", s.result.Invalid)
	}
}

func TestGeneratorLimit(t *testing.T) {
	for _, tt := range []struct {
		lag  time.Duration
		busy float64
		want string
	}{
		{time.Millisecond, 0.5, ""},
		{30 * time.Millisecond, 0.5, "sent late"},
		{time.Millisecond, 0.95, "95 % of a core"},
	} {
		if got := generatorLimit(tt.lag, tt.busy); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v and %v: %q, want %q", tt.lag, tt.busy, got, tt.want)
		}
	}
}

// A paused connection reads nothing, and everything once it is resumed.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	server := &faulty{}
	url, _ := server.start(t)
	p := drainOf(url, pid())
	s := newStream(bareRun(t, &p), false)
	_, stop, err := s.begin(s, nil)
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	defer s.swarm.stop()
	s.swarm.pause(0)
	until := func(done func() bool) {
		t.Helper()
		deadline := s.clock.now() + int64(time.Minute)
		err := s.loop(func(now int64) (bool, time.Duration) {
			if now > deadline {
				t.Error("it did not happen within a minute")
			}
			return done() || now > deadline, s.publishDue(now)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	until(func() bool { return s.check.next[1] > 20 })
	if next := s.check.next[0]; next != 0 {
		t.Errorf("it got message %d while it did not read", next-1)
	}
	server.end(0, 1013)
	until(func() bool { return s.swarm.hungUp[0] != 0 })
	s.swarm.resume(0)
	if next := s.check.next[0]; next <= 20 || s.swarm.conns[0].state != idle || s.result.Codes[1013] != 1 {
		t.Errorf("it got up to %d, codes %v", next-1, s.result.Codes)
	}
	s.swarm.reset(1)
	if s.swarm.conns[1].state != idle || s.result.Lost != 2 {
		t.Errorf("after a reset: state %d, %d lost", s.swarm.conns[1].state, s.result.Lost)
	}
	if err := s.swarm.open(1); err != nil {
		t.Fatal(err)
	}
	until(func() bool { return s.swarm.conns[1].state == open })
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	if s.result.Faults.Any() {
		t.Errorf("%+v", s.result.Faults)
	}
}

func TestStreamReceiveAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const runs = 200
	p := &Plan{Scenario: "mix", URLs: []string{"ws://127.0.0.1:1/"}, Connections: runs + 2, PublishRate: 1, Publishers: 1}
	s := newStream(bareRun(t, p), true)
	var c counter
	s.spans = []span{{0, &c}}
	if err := s.run.assemble(s.total, s); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(s.swarm.epoll) }()
	var b []byte
	for i := range s.swarm.conns {
		s.swarm.conns[i].state = open
	}
	for range 64 {
		s.scratch = s.publishers[0].publish(p, s.scratch, s.clock.now(), 0, 0)
		b = ws.AppendFrame(b, ws.Text, s.scratch)
	}
	i := 0
	allocs := testing.AllocsPerRun(runs, func() {
		s.swarm.take(i, b, s.clock.now())
		i++
	})
	if allocs > 0 || s.deliveries != 64*(runs+1) || s.check.faults.Any() {
		t.Errorf("%v allocations per read, %d deliveries, %+v", allocs, s.deliveries, s.check.faults)
	}
}
