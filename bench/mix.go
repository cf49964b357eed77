package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

var mixScenario = Scenario{
	Name:  "mix",
	About: "a soak: some publish, clients come and go, some read in pauses, who is cut comes back; everything is checked",
	prepare: func(p *Plan) {
		setDefault(&p.PublishersShare, 0.05)
		setDefault(&p.Pause, time.Second)
		setDefault(&p.Jitter, time.Second)
		setDefault(&p.DialTimeout, 10*time.Second)
		if p.Publishers == 0 && p.API == "" { // over HTTP nobody need be a client for it
			p.Publishers = max(1, int(math.Round(p.PublishersShare*float64(p.Connections))))
		}
	},
	check: func(p *Plan, bad func(string, ...any)) {
		if p.PublishRate == 0 || p.Window > 0 {
			bad("mix needs a publish rate")
		}
		if p.API == "" && p.Publishers > p.Connections {
			bad("%d publishers need as many connections", p.Publishers)
		}
		if n := max(1, p.Channels); p.Connections*((p.Publishers+n-1)/n) > mixSlots {
			bad("%d connections with %d publishers in each channel are too many pairs to follow: more channels, or fewer publishers",
				p.Connections, (p.Publishers+n-1)/n)
		}
	},
	share: sharable,
	start: func(r *run) executor { return newMix(r) },
}

// mixSlots bounds the pairs of subscribers and publishers, at 32 bytes each.
const mixSlots = 1 << 26

// mix is what a day is like: publishers among the subscribers, clients that leave
// and others that come, slow readers, and connections that are lost and come back.
type mix struct {
	*stream
	rand    *rand.Rand
	returns *comeback
	turns   agenda // of slow readers: to read nothing, or to read on
	leaving []bool // by index: it has said goodbye
	begun   bool   // all are there, and come back from now on
	ended   bool   // nobody comes back any more
	leaves  uint64 // events of the pacer

	// Totals, all phases.
	slows    int
	left     uint64
	rejoined uint64
	pauses   uint64
	closes   map[string]uint64 // slow readers by how the server ended them
	delivery counter
}

func newMix(r *run) *mix {
	m := &mix{stream: newStream(r, true), closes: map[string]uint64{}}
	m.rand = rand.New(rand.NewPCG(r.plan.Seed, uint64(r.share.part)+1))
	m.leaving = make([]bool, r.share.count(m.total))
	if r.plan.Slow > 0 {
		m.skips = m.newChecker()
		m.slows = m.pickSkippers(m.firstReader())
	}
	r.each = &m.delivery
	return m
}

// firstReader is the number of the first client that does not publish.
func (m *mix) firstReader() int {
	if m.plan.API != "" {
		return 0
	}
	return m.plan.Publishers
}

func (m *mix) execute() error {
	origin, stop, err := m.begin(m, func() {
		m.returns = newComeback(m.run)
		m.swarm.squeeze(m.skipper, m.plan.ReceiveBuffer)
	})
	defer stop()
	if err != nil {
		return err
	}
	m.begun = true
	for i, slow := range m.skipper {
		if slow {
			m.turns.add(origin+m.rand.Int64N(int64(m.plan.Pause)), i)
		}
	}
	from := origin + int64(m.plan.Warmup)
	m.spans = []span{{from, &m.delivery}}
	m.enter("warming up", from)
	err = m.live(origin, from)
	if err == nil {
		m.watch.mark()
		if err := m.openWindow(m.clock.now()); err != nil {
			return err
		}
		until := from + int64(m.plan.Duration)
		m.enter("measuring", until)
		err = firstOf(m.live(origin, until), m.closeWindow(0))
	}
	m.ended = true
	for i, slow := range m.skipper {
		if slow {
			m.swarm.resume(i)
		}
	}
	if err == nil {
		err = m.finish()
	} else {
		m.settle(false)
	}
	m.tell()
	return firstOf(err, m.postFailure())
}

// live lets everything happen that is due until then.
func (m *mix) live(origin, until int64) error {
	leaves := Pacer{Rate: m.plan.Leaves}
	return m.loop(func(now int64) (bool, time.Duration) {
		wait := min(m.publishDue(now), m.returns.dial(now, func(int) {}), m.alternate(now), time.Duration(until-now))
		if m.plan.Leaves > 0 {
			for due := m.share.due(leaves, time.Duration(now-origin)); m.leaves < due; m.leaves++ {
				m.leave()
			}
			wait = min(wait, time.Duration(origin+int64(m.share.planned(leaves, m.leaves))-now))
		}
		return now >= until, wait
	})
}

// alternate has slow readers whose time has come stop reading, or read on.
func (m *mix) alternate(now int64) time.Duration {
	for range dialsAtOnce {
		next, ok := m.turns.due(now)
		if !ok {
			break
		}
		i := next.index
		switch c := &m.swarm.conns[i]; {
		case c.paused:
			m.swarm.resume(i)
		case c.state == open:
			m.swarm.pause(i)
			m.pauses++
		}
		m.turns.add(now+1+m.rand.Int64N(int64(m.plan.Pause)), i)
	}
	return m.turns.wait(now)
}

// leave has some client that reads and is no publisher say goodbye.
func (m *mix) leave() {
	first := m.share.count(m.firstReader())
	n := len(m.swarm.conns) - first
	if n <= 0 {
		return
	}
	for range 8 { // most are open
		i := first + m.rand.IntN(n)
		if c := &m.swarm.conns[i]; c.state == open && !c.paused {
			m.leaving[i] = true
			m.swarm.bye(i)
			return
		}
	}
}

func (m *mix) opened(i int, now, took int64) {
	if !m.begun {
		m.stream.opened(i, now, took)
		return
	}
	m.handshakes.add(took)
	m.returns.succeeded(i)
	m.joined(i)
	m.rejoined++
}

func (m *mix) closed(i int, was state, code uint16, err error) {
	switch {
	case !m.begun:
		m.stream.closed(i, was, code, err)
		return
	case was < open:
		if !m.ended {
			m.returns.failed(i, err)
		}
		return
	case m.leaving[i] && code == 1000:
		m.left++
	case m.mayMiss(i):
		m.closes["slow readers closed with "+closeName(code)]++
	default:
		m.run.closed(i, was, code, err)
	}
	m.leaving[i] = false
	m.quit(i)
	if !m.ended {
		m.returns.later(i, m.clock.now(), m.plan.Jitter)
	}
}

// tell puts what happened into words.
func (m *mix) tell() {
	r := m.result
	r.Handshake, _ = m.handshakes.quantiles()
	r.Delivery, _ = m.delivery.quantiles()
	var s section
	s.Title = "what happened, in all"
	s.count("clients", uint64(m.share.count(m.plan.Connections)))
	s.count("of them read in pauses", uint64(m.slows))
	s.count("left", m.left)
	s.count("came back", m.rejoined)
	s.note("those who left, and those who were cut; see handshake below")
	m.returns.tell(&s)
	if m.slows > 0 {
		s.count("pauses in reading", m.pauses)
		s.counts(m.closes)
		s.count("messages that slow readers skipped", m.skipped())
		s.note("the policy for slow consumers, no fault")
	}
	if m.unsent > 0 {
		s.count("messages not published", m.unsent)
		s.note("their publisher had no connection")
	}
	r.report(s)
	r.report(m.watch.section("at the window's beginning", "at the end"))
}
