package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

var drainScenario = Scenario{
	Name:  "drain",
	About: "the server (--pid) is told to end by SIGTERM under load: close codes, when they come, what was lost, when it had gone",
	prepare: func(p *Plan) {
		setDefault(&p.Limit, time.Minute)
	},
	check: func(p *Plan, bad func(string, ...any)) {
		if p.Window > 0 {
			bad("drain has no window")
		}
	},
	share: sharable,
	start: func(r *run) executor { return newDrain(r) },
}

// drain publishes for Plan.Duration, sends SIGTERM to the server's processes and
// goes on until all connections have ended and the processes have gone. Publishers
// may be closed, or refused, from then on.
type drain struct {
	*stream
	told    int64   // when the signal was sent; 0: not yet
	ends    []end   // of clients, since then
	posts   int64   // publishes over HTTP that failed before
	gone    []int64 // by process: when it was seen to have gone
	endings []processEnd

	before counter // deliveries planned before the signal
	during counter // and after it
	after  counter // from the signal until a client's connection ended
	others uint64  // publishers' connections that ended
}

// end is that of one client's connection.
type end struct {
	index int
	at    int64
	code  uint16 // 0: no close frame came
}

func newDrain(r *run) *drain {
	d := &drain{stream: newStream(r, false), gone: make([]int64, len(r.plan.PIDs)), endings: make([]processEnd, len(r.plan.PIDs))}
	d.acks = true
	r.each = &d.before
	return d
}

func (d *drain) execute() error {
	if d.share.leads() && len(d.plan.PIDs) == 0 {
		return errors.New("bench: drain needs the server's process (--pid)")
	}
	origin, stop, err := d.begin(d, nil)
	defer stop()
	if err != nil {
		return err
	}
	at := origin + int64(d.plan.Warmup+d.plan.Duration)
	d.spans = []span{{origin + int64(d.plan.Warmup), &d.before}, {at, &d.during}}
	d.enter("before", at)
	err = d.loop(func(now int64) (bool, time.Duration) {
		return now >= at, min(d.publishDue(now), time.Duration(at-now))
	})
	if err == nil {
		err = d.terminate()
	}
	d.origin = 0
	d.collect()
	d.settle(false)
	d.result.Undelivered = 0 // who was still open at the end is told of below
	var all []int64
	if err == nil {
		all, err = meet(d.run, "ended", d.after.max)
	}
	d.tell(slices.Max(append(all, d.after.max)))
	return err
}

// settling is how long connections may outlive their server.
const settling = 2 * time.Second

// terminate sends the signal and waits for the end.
func (d *drain) terminate() error {
	d.watch.mark()
	d.posts, _ = d.failedPosts()
	if err := d.openWindow(d.clock.now()); err != nil {
		return err
	}
	for _, pid := range d.plan.PIDs {
		if err := unix.Kill(pid, unix.SIGTERM); err != nil {
			return fmt.Errorf("bench: SIGTERM to %d: %w", pid, err)
		}
	}
	d.told = d.clock.now()
	d.mark("SIGTERM")
	d.each = &d.during
	giveUp := d.told + int64(d.plan.Limit)
	d.enter("draining", 0)
	next := int64(0)
	err := d.loop(func(now int64) (bool, time.Duration) {
		wait := d.publishDue(now)
		if now >= next {
			next = now + int64(20*time.Millisecond)
			d.lookForEnd(now)
		}
		left := d.swarm.count[open] + d.swarm.count[closing]
		over := now >= giveUp
		if last, all := d.allGone(); all {
			over = over || left == 0 || now-last > int64(settling)
		}
		return over, min(wait, maxWait)
	})
	return firstOf(err, d.closeWindow(0))
}

func (d *drain) lookForEnd(now int64) {
	for k, pid := range d.plan.PIDs {
		if d.gone[k] == 0 {
			if e := endingOf(pid); e.gone {
				d.gone[k], d.endings[k] = now, e
			}
		}
	}
}

// allGone says whether all processes have gone, and when the last one had. Only
// the process that leads knows them.
func (d *drain) allGone() (last int64, all bool) {
	if !d.share.leads() {
		return d.clock.now(), true
	}
	for _, at := range d.gone {
		if at == 0 {
			return 0, false
		}
		last = max(last, at)
	}
	return last, true
}

func (d *drain) closed(i int, was state, code uint16, err error) {
	if d.told == 0 || was < open {
		d.stream.closed(i, was, code, err)
		return
	}
	d.quit(i)
	if i >= d.share.count(d.plan.Connections) {
		d.others++
		return
	}
	now := d.clock.now()
	d.ends = append(d.ends, end{i, now, code})
	d.after.add(now - d.told)
}

// unsure is how long before a connection's end a message may have been accepted
// and yet not been meant for it any more: as long as the slowest message took from
// its plan to a subscriber, for so long the close frame may have been under way.
func (d *drain) unsure() int64 {
	return max(d.before.max, d.during.max) + int64(50*time.Millisecond)
}

// missed counts what was accepted before a client's connection ended and did not
// come: lost for certain, or too close to the end to tell.
func (d *drain) missed() (lost, untold uint64) {
	margin := d.unsure()
	for _, e := range d.ends {
		for p := d.channelOf(e.index); p < len(d.publishers); p += d.channels.n {
			l := &d.ledgers[p]
			for seq := d.check.due(e.index*d.channels.columns + d.publishers[p].column); seq >= 1 && seq <= uint64(len(l.accepted)); seq++ {
				switch at := l.accepted[seq-1]; {
				case at == 0 || at >= e.at:
				case at < e.at-margin:
					lost++
				default:
					untold++
				}
			}
		}
	}
	return lost, untold
}

// tell puts what happened into words; longest is when the last client's connection
// of any process ended.
func (d *drain) tell(longest int64) {
	r := d.result
	lost, untold := d.missed()
	r.Faults.Lost += lost
	codes := map[string]uint64{}
	for _, e := range d.ends {
		codes["closed with "+closeName(e.code)]++
	}
	clients := d.share.count(d.plan.Connections)
	still := clients - len(d.ends) - r.Lost - r.Failed
	var s section
	s.Title = "the clients, after SIGTERM"
	s.counts(codes)
	if still > 0 {
		s.count("still connected at the end", uint64(still))
	}
	if d.others > 0 {
		s.count("connections of publishers that ended", d.others)
	}
	if len(d.publishers) > 0 {
		s.count("messages lost", r.Faults.Lost)
		s.note("accepted while the client was open, and not received by it")
		if untold > 0 {
			s.count("messages too late to tell", untold)
			s.note("accepted within %s before a client's end: most likely after its close", shortTime(time.Duration(d.unsure())))
		}
	}
	if posts, first := d.failedPosts(); posts > 0 {
		s.count("publishes that were not accepted", uint64(posts-d.posts))
		if d.posts > 0 {
			r.problem("%d publishes failed before SIGTERM: %s", d.posts, first)
		}
	}
	r.report(s)
	r.report(d.timeline(longest))
	r.report(d.process())
	r.report(d.watch.section("before", "last seen"))
	r.latency("delivery before", &d.before)
	r.latency("delivery since", &d.during)
	r.latency("client's end after", &d.after)
	if n := codes["closed with "+closeName(0)]; n > 0 {
		r.problem("%d clients got no close frame", n)
	}
	if still > 0 && d.told != 0 && !d.interrupted.Load() {
		r.problem("%d clients were still connected at the end", still)
	}
}

// timeline is when the clients' connections ended, in ten steps.
func (d *drain) timeline(last int64) (s section) {
	s.Title = "clients' ends over time"
	if len(d.ends) == 0 {
		return s
	}
	const steps = 10
	var n [steps]uint64
	last = max(last, 1)
	for _, e := range d.ends {
		n[min(steps-1, (e.at-d.told)*steps/last)]++
	}
	for k, n := range n {
		s.count(fmt.Sprintf("up to %s", shortTime(time.Duration(last*int64(k+1)/steps))), n)
	}
	return s
}

// process says what became of the server.
func (d *drain) process() (s section) {
	s.Title = "the server's process"
	if d.told == 0 {
		return s
	}
	for k, pid := range d.plan.PIDs {
		if d.gone[k] == 0 {
			s.count(fmt.Sprintf("process %d is still there", pid), 1)
			if d.interrupted.Load() {
				continue
			}
			d.result.problem("process %d had not gone %v after SIGTERM", pid, d.plan.Limit)
			continue
		}
		s.time(fmt.Sprintf("process %d had gone after", pid), time.Duration(d.gone[k]-d.told))
		switch e := d.endings[k]; {
		case !e.known:
			s.note("its exit code is not known: it is no child of this process")
		case e.signal != 0:
			s.note("ended by %v", e.signal)
			d.result.problem("process %d was ended by %v", pid, e.signal)
		default:
			s.note("exit code %d", e.code)
			if e.code != 0 {
				d.result.problem("process %d ended with exit code %d", pid, e.code)
			}
		}
	}
	return s
}
