package bench

import (
	"math/rand/v2"
	"time"
)

var slowScenario = Scenario{
	Name:  "slow",
	About: "a share of the subscribers stops reading: what becomes of them, of the others' latency, of the server's memory",
	prepare: func(p *Plan) {
		setDefault(&p.Slow, 0.2)
		setDefault(&p.Limit, time.Minute)
	},
	check: func(p *Plan, bad func(string, ...any)) {
		if p.PublishRate == 0 || p.Window > 0 {
			bad("slow needs a publish rate")
		}
	},
	share: sharable,
	start: func(r *run) executor { return newSlow(r) },
}

// slow publishes for Plan.Duration to subscribers who all read, then for as long
// while some of them do not, and then has those read on.
type slow struct {
	*stream
	stalledAt int64 // 0: all read
	resumed   bool

	before  counter // deliveries to the others, planned before the stall
	during  counter // and after it
	outlive counter // from the stall until a slow one's connection was seen to end
	closes  map[string]uint64
	unseen  uint64 // slow ones whose end was seen only when they read on
	slows   int
}

func newSlow(r *run) *slow {
	s := &slow{stream: newStream(r, false), closes: map[string]uint64{}}
	s.skips = s.newChecker()
	s.slows = s.pickSkippers(0)
	r.each = &s.before
	return s
}

// pickSkippers has Plan.Slow of the plan's connections from number first on read
// slowly, evenly spread by Plan.Seed, and returns how many of this process do.
func (s *stream) pickSkippers(first int) (mine int) {
	s.skipper = make([]bool, s.share.count(s.total))
	n := s.plan.Connections - first
	order := rand.New(rand.NewPCG(s.plan.Seed, uint64(n))).Perm(n)
	for _, k := range order[:int(s.plan.Slow*float64(n)+0.5)] {
		if i := s.share.index(first + k); i >= 0 {
			s.skipper[i] = true
			mine++
		}
	}
	return mine
}

func (s *slow) execute() error {
	origin, stop, err := s.begin(s, func() { s.swarm.squeeze(s.skipper, s.plan.ReceiveBuffer) })
	defer stop()
	if err != nil {
		return err
	}
	stall := origin + int64(s.plan.Warmup+s.plan.Duration)
	end := stall + int64(s.plan.Duration)
	s.spans = []span{{origin + int64(s.plan.Warmup), &s.before}, {stall, &s.during}}
	s.enter("all read", stall)
	err = s.loop(func(now int64) (bool, time.Duration) {
		return now >= stall, min(s.publishDue(now), time.Duration(stall-now))
	})
	if err == nil {
		err = s.stall(end)
	}
	if err == nil {
		err = s.readOn()
	}
	if err == nil {
		err = s.finish()
	} else {
		s.settle(false)
	}
	s.tell()
	return firstOf(err, s.postFailure())
}

// stall has the slow ones read nothing until end.
func (s *slow) stall(end int64) error {
	s.watch.mark()
	if err := s.openWindow(s.clock.now()); err != nil {
		return err
	}
	s.stalledAt = s.windowAt
	s.mark("some stop reading")
	s.each = &s.during
	for i, slow := range s.skipper {
		if slow {
			s.swarm.pause(i)
		}
	}
	s.enter("some do not", end)
	err := s.loop(func(now int64) (bool, time.Duration) {
		return now >= end, min(s.publishDue(now), time.Duration(end-now))
	})
	return firstOf(err, s.closeWindow(0))
}

// readOn has the slow ones read again, some at a time. Nothing more is published.
func (s *slow) readOn() error {
	s.resumed = true
	s.origin = 0
	s.enter("all read on", 0)
	next := 0
	return s.loop(func(now int64) (bool, time.Duration) {
		s.collect()
		s.watch.look(now)
		for range dialsAtOnce {
			for next < len(s.skipper) && !s.skipper[next] {
				next++
			}
			if next == len(s.skipper) {
				return true, 0
			}
			s.swarm.resume(next)
			next++
			if s.clock.now()-now > int64(stepBudget) {
				break
			}
		}
		return false, 0
	})
}

func (s *slow) closed(i int, was state, code uint16, err error) {
	if s.stalledAt == 0 || was < open || !s.skipper[i] {
		s.stream.closed(i, was, code, err)
		return
	}
	s.closes["closed with "+closeName(code)]++
	if at, seen := s.swarm.hungUp[i]; seen {
		s.outlive.add(at - s.stalledAt)
	} else {
		s.unseen++
	}
}

// tell puts what happened into words.
func (s *slow) tell() {
	r := s.result
	var slows section
	slows.Title = "those who did not read"
	slows.count("subscribers", uint64(s.slows))
	slows.note("of %d in all, for %v", s.plan.Connections, s.plan.Duration)
	connected := 0
	for i, slow := range s.skipper {
		if slow && s.swarm.conns[i].state == open {
			connected++
		}
	}
	slows.count("still connected at the end", uint64(connected))
	slows.counts(s.closes)
	if s.unseen > 0 {
		slows.count("whose end showed when they read on", s.unseen)
		slows.note("what was sent before it was in the way: when they were closed is not known")
	}
	slows.count("messages skipped", s.skipped())
	slows.note("gaps in what they got: the policy for slow consumers, no fault")
	r.report(slows)
	r.report(s.watch.section("before", "at the end"))
	r.latency("the others, before", &s.before)
	r.latency("the others, meanwhile", &s.during)
	r.latency("slow one closed after", &s.outlive)
}
