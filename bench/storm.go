package bench

import (
	"slices"
	"strings"
	"time"
)

// Cuts are how the connections of a storm end.
var Cuts = []string{"reset", "close", "server"}

var stormScenario = Scenario{
	Name:  "storm",
	About: "N connections are cut at once and all come back: how long that takes, failures, the server's CPU and memory",
	prepare: func(p *Plan) {
		if p.Cut == "" {
			p.Cut = Cuts[0]
		}
		setDefault(&p.DialTimeout, 10*time.Second)
		setDefault(&p.Limit, time.Minute)
	},
	check: func(p *Plan, bad func(string, ...any)) {
		if !slices.Contains(Cuts, p.Cut) {
			bad("unknown cut %q: one of %s", p.Cut, strings.Join(Cuts, ", "))
		}
		if p.Window > 0 {
			bad("storm has no window")
		}
	},
	share: sharable,
	start: func(r *run) executor { return newStorm(r) },
}

// setDefault is for the values of a plan whose zero means a default.
func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// storm opens connections, cuts them all and has them come back, while a
// publisher goes on. A client that cannot connect tries again, with back-off.
type storm struct {
	*stream
	returns *comeback
	cutAt   int64 // 0: not yet
	armed   bool  // the server's first cut is the storm's beginning
	ended   bool  // nobody comes back any more
	cuts    int   // clients that were cut so far, by index
	lastCut int64
	dialled []bool // by index: since the cut
	was     []bool // by index: it has been back

	returned counter           // from the cut until a client is open again
	steady   counter           // deliveries planned before the cut
	stormy   counter           // and after it
	lastDial int64             // when the last client dialled for the first time since
	cutOff   map[string]uint64 // clients by how they ended
	relapses uint64            // connections that were lost once more
}

func newStorm(r *run) *storm {
	s := &storm{stream: newStream(r, false), cutOff: map[string]uint64{}}
	s.dialled, s.was = make([]bool, s.clients()), make([]bool, s.clients())
	r.each = &s.steady
	r.result.Operation = "handshake"
	return s
}

func (s *storm) execute() error {
	origin, stop, err := s.begin(s, func() {
		s.returns = newComeback(s.run)
		s.swarm.events = s.swarm.events[:handshakesAtOnce]
	})
	defer stop()
	if err != nil {
		return err
	}
	s.spans = []span{{origin + int64(s.plan.Warmup), &s.steady}}
	until := origin + int64(s.plan.Warmup+s.plan.Duration)
	if s.plan.Cut == "server" {
		s.armed = true
		until += int64(s.plan.Limit)
	}
	s.enter("before the cut", until)
	err = s.loop(func(now int64) (bool, time.Duration) {
		return now >= until || s.cutAt != 0, min(s.publishDue(now), time.Duration(until-now))
	})
	if err == nil {
		err = s.weather()
	}
	if err == nil {
		after := s.clock.now() + int64(s.plan.Settle)
		s.enter("after the storm", after)
		err = s.loop(func(now int64) (bool, time.Duration) {
			return now >= after, min(s.comeBack(now), s.publishDue(now))
		})
	}
	s.ended = true
	if err == nil {
		err = s.finish()
	} else {
		s.settle(false)
	}
	s.tell()
	return firstOf(err, s.postFailure())
}

// weather cuts everyone and waits until all are back.
func (s *storm) weather() error {
	s.watch.mark()
	if err := s.openWindow(s.clock.now()); err != nil {
		return err
	}
	if !s.armed {
		s.strike(s.windowAt)
	}
	giveUp := s.cutAt + int64(s.plan.Limit)
	s.enter("storm", 0)
	var all func() bool // all processes are through
	var fail error
	err := s.loop(func(now int64) (bool, time.Duration) {
		wait := min(s.comeBack(now), s.publishDue(now))
		if s.cut(s.clock.now()) {
			wait = 0
		}
		if all == nil && (s.returned.n == uint64(s.clients()) || now >= giveUp) {
			if all, fail = s.arrive("back"); fail != nil {
				return true, 0
			}
		}
		return all != nil && all(), wait
	})
	err = firstOf(fail, err, s.closeWindow(s.handshakes.n))
	if s.result.Invalid != "" {
		s.result.Invalid += "; spread the storm (--jitter), or share it among processes (--procs)"
	}
	return err
}

// strike begins the storm.
func (s *storm) strike(now int64) {
	s.cutAt = now
	s.mark("the cut")
	s.each = &s.stormy
	s.spans = append(s.spans, span{now, &s.stormy})
}

// clients is how many there are to come back.
func (s *storm) clients() int { return s.share.count(s.plan.Connections) }

// handshakesAtOnce bounds the connections with news between two looks at the plan:
// in a storm each of them means a request to send.
const handshakesAtOnce = 128

// cut cuts some of those who are still to be cut, and says whether it did.
func (s *storm) cut(now int64) bool {
	if s.armed || s.cuts == s.clients() {
		return false
	}
	for s.cuts < s.clients() && s.clock.now()-now < int64(stepBudget) {
		switch i := s.cuts; s.plan.Cut {
		case "reset":
			s.swarm.reset(i)
		case "close":
			s.swarm.bye(i)
		}
		s.cuts++
	}
	s.lastCut = s.clock.now()
	return true
}

// comeBack dials for those whose time has come, and says how long that will be nobody's.
func (s *storm) comeBack(now int64) time.Duration {
	return s.returns.dial(now, func(i int) {
		if i < s.clients() && !s.dialled[i] {
			s.dialled[i] = true
			s.lastDial = now
		}
	})
}

func (s *storm) opened(i int, now, took int64) {
	if s.cutAt == 0 {
		s.stream.opened(i, now, took)
		return
	}
	s.handshakes.add(took)
	s.joined(i)
	s.returns.succeeded(i)
	if i < s.clients() && !s.was[i] {
		s.was[i] = true
		s.returned.add(now - s.cutAt)
	}
}

func (s *storm) closed(i int, was state, code uint16, err error) {
	now := s.clock.now()
	if s.armed && s.cutAt == 0 {
		s.strike(now)
	}
	switch {
	case s.cutAt == 0 || s.ended:
		s.stream.closed(i, was, code, err)
		return
	case was < open:
		s.returns.failed(i, err)
		return
	}
	s.quit(i)
	switch {
	case i >= s.clients():
		if !s.armed { // nobody has cut a publisher
			s.run.closed(i, was, code, err)
		}
	case s.was[i]:
		s.relapses++
	default:
		s.cutOff[s.endOf(code, err)]++
	}
	s.returns.later(i, now, s.plan.Jitter)
}

func (s *storm) endOf(code uint16, err error) string {
	if err == errCut {
		return "reset by the client"
	}
	return "closed with " + closeName(code)
}

// tell puts what happened into words.
func (s *storm) tell() {
	r := s.result
	n := s.clients()
	r.Handshake, _ = s.handshakes.quantiles()
	var back section
	back.Title = "the storm"
	back.counts(s.cutOff)
	if s.lastCut > 0 {
		back.time("all were cut after", time.Duration(s.lastCut-s.cutAt))
	}
	back.count("clients that came back", s.returned.n)
	if s.returned.n > 0 {
		back.time("the last of them after", time.Duration(s.returned.max))
	}
	back.count("dials", s.returns.dials)
	if s.lastDial > 0 {
		back.time("all had dialled after", time.Duration(s.lastDial-s.cutAt))
		back.note("before that it is the generator, or --jitter, that they wait for")
	}
	s.returns.tell(&back)
	if s.relapses > 0 {
		back.count("lost once more", s.relapses)
	}
	if s.unsent > 0 {
		back.count("messages not published", s.unsent)
		back.note("their publisher had no connection")
	}
	r.report(back)
	r.report(s.watch.section("before the cut", "at the end"))
	r.latency("back after the cut", &s.returned)
	r.latency("delivery before", &s.steady)
	r.latency("delivery since", &s.stormy)
	if s.interrupted.Load() {
		return
	}
	if missing := n - int(s.returned.n); missing > 0 && s.cutAt != 0 {
		r.problem("%d of %d clients were not back within %v", missing, n, s.plan.Limit)
	}
	if s.armed && s.cutAt == 0 {
		r.problem("the server cut nobody within %v", s.plan.Limit)
	}
}
