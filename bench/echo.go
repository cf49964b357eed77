package bench

import (
	"fmt"
	"time"
)

var echoScenario = Scenario{
	Name:  "echo",
	About: "each of N connections sends, waits for it to come back, sends again: round trips/s, their latency, CPU",
	prepare: func(p *Plan) {
		if p.Channels == 0 && !p.Dialect.NoChannels && p.Preset != "broadcast" {
			p.Channels = p.Connections // each hears itself alone
		}
		if p.Window == 0 && p.PublishRate == 0 {
			p.Window = 1
		}
	},
	check: func(p *Plan, bad func(string, ...any)) {
		if (p.PublishRate > 0) == (p.Window > 0) {
			bad("echo needs either a publish rate (open loop) or a window (closed loop)")
		}
		if p.API != "" {
			bad("echo sends over the WebSocket: it has no use for the HTTP API")
		}
		if p.Dialect.NoEcho {
			bad("echo: with --no-echo nothing comes back")
		}
	},
	share: sharable,
	start: func(r *run) executor { return newEcho(r) },
}

// echo has every connection send payloads of its own and wait for them to come
// back. In the closed loop each has Plan.Window on the way, and what comes back is
// followed by the next; that one is due, and its latency counts, from then. In the
// open loop messages leave when they are due, by connections in turns.
type echo struct {
	*run
	channels   channels
	publishers []publisher // by index: what the connection sends
	check      *checker    // a slot per connection
	scratch    []byte

	from, to   int64 // planned times that count
	trip       counter
	sendLag    counter
	trips      uint64
	counted    uint64
	windowAt   int64
	before     usage
	arrived    int64 // when the last one came
	closedLoop bool
	ended      bool // nothing more is sent
	unsent     uint64
}

func newEcho(r *run) *echo {
	n := r.share.count(r.plan.Connections)
	e := &echo{
		run:        r,
		channels:   channelsOf(r.plan),
		publishers: make([]publisher, n),
		check:      newChecker(n, 1),
		closedLoop: r.plan.Window > 0,
		from:       1<<63 - 1,
	}
	for i := range e.publishers {
		e.publishers[i] = publisher{conn: i, own: true, channel: e.channels.of(r.share.number(i))}
	}
	r.each = &e.trip
	r.result.Operation = "round trip"
	return e
}

func (e *echo) execute() error {
	if err := e.assemble(e.plan.Connections, e); err != nil {
		return err
	}
	e.swarm.channel = e.channels.of
	for i := range e.publishers {
		e.publishers[i].over(e.plan, e.swarm)
	}
	if err := e.mustDialAll(0, e.plan.Connections); err != nil {
		return err
	}
	e.result.Handshake, _ = e.handshakes.quantiles()
	begun, err := e.meetTime("start")
	if err != nil {
		return err
	}
	e.from = begun + int64(e.plan.Warmup)
	e.to = e.from + int64(e.plan.Duration)
	e.enter("warming up", e.from)
	if e.closedLoop {
		for i := range e.publishers {
			for range e.plan.Window {
				e.send(i, e.clock.now())
			}
		}
	}
	runErr := e.trade(begun)
	e.ended = true
	if e.windowAt != 0 {
		if err := e.figures(); err != nil {
			return err
		}
	}
	if runErr == nil {
		runErr = e.settle()
	}
	e.result.Faults = e.check.faults
	e.result.latency("round trip", &e.trip)
	e.result.SendLag, _ = e.sendLag.quantiles()
	for i := range e.publishers {
		e.result.Published += e.publishers[i].seq
	}
	return runErr
}

// trade lets messages go and come until the window ends.
func (e *echo) trade(begun int64) (fail error) {
	pacer := Pacer{Rate: e.plan.PublishRate}
	sent := uint64(0)
	err := e.loop(func(now int64) (bool, time.Duration) {
		e.done = e.trips
		if e.windowAt == 0 && now >= e.from {
			e.windowAt, e.counted = now, e.trips
			if e.before, fail = e.usage(); fail != nil {
				return true, 0
			}
			e.enter("measuring", e.to)
		}
		wait := time.Duration(e.to - now)
		if e.closedLoop {
			if e.swarm.count[open] == 0 {
				fail = fmt.Errorf("bench: the server has ended all connections")
			}
			return fail != nil || now >= e.to, wait
		}
		for due := pacer.Due(time.Duration(min(now, e.to-1) - begun)); sent < due; sent++ {
			n := int(sent % uint64(e.plan.Connections))
			planned := begun + int64(pacer.Planned(sent))
			if planned >= e.from {
				e.sendLag.add(e.clock.now() - planned)
			}
			if e.share.owns(n) {
				e.send(e.share.index(n), planned)
			}
		}
		return now >= e.to, min(wait, time.Duration(begun+int64(pacer.Planned(sent))-now))
	})
	return firstOf(fail, err)
}

// send has connection i send its next message.
func (e *echo) send(i int, planned int64) {
	p := &e.publishers[i]
	if e.swarm.conns[i].state != open {
		e.unsent++
		return
	}
	e.scratch = p.publish(e.plan, e.scratch, planned, e.identity(i), 0)
	p.flush(e.swarm)
}

// identity is what a connection calls itself in its payloads. It has 16 bits;
// those who share one are told apart by their channels, if the server does that.
func (e *echo) identity(i int) int { return e.share.number(i) % maxPublishers }

func (e *echo) figures() error {
	spent, err := e.usageSince(e.before)
	if err != nil {
		return err
	}
	r, now := e.result, e.clock.now()
	r.Window = time.Duration(now - e.windowAt)
	r.Operations = e.trips - e.counted
	r.ServerCPU, r.ClientCPU = spent.server, spent.client
	if !e.closedLoop {
		r.Invalid = generatorLimit(e.sendLag.quantile(0.99), r.ClientBusy())
	}
	return nil
}

// echoTail is how long nothing may have come before all is said to have: what
// comes twice, or to a wrong connection, comes when all is back.
const echoTail = 100 * time.Millisecond

// settle waits for what is on the way, and counts as lost what does not come.
func (e *echo) settle() error {
	e.enter("draining", 0)
	begun := e.clock.now()
	e.arrived = begun
	err := e.loop(func(now int64) (bool, time.Duration) {
		quiet := now - e.arrived
		return quiet > int64(silence) || quiet > int64(echoTail) && e.back() || now-begun > int64(drainLimit), maxWait
	})
	if err != nil {
		return err
	}
	if _, err := meet(e.run, "drained", struct{}{}); err != nil {
		return err
	}
	for i := range e.publishers {
		if e.swarm.conns[i].state == open {
			e.check.finish(i, e.publishers[i].seq)
		}
	}
	return nil
}

// back says whether everything has come back.
func (e *echo) back() bool {
	for i := range e.publishers {
		if e.swarm.conns[i].state == open && e.check.next[i] <= e.publishers[i].seq {
			return false
		}
	}
	return true
}

func (e *echo) reading(int)           {}
func (e *echo) again(int, int64) bool { return false }

// message takes what came back.
//
// hot: once per received message.
func (e *echo) message(i int, b []byte, now int64) {
	m, ok := openPayload(b)
	p := &e.publishers[i]
	e.arrived = now
	switch {
	case !ok:
		e.check.faults.Corrupt++
		return
	case m.publisher != e.identity(i) || m.seq == 0 || m.seq > p.seq:
		e.check.faults.Misrouted++
		return
	}
	if !e.check.see(i, m.seq) {
		return
	}
	e.trips++
	if m.planned >= e.from && m.planned < e.to {
		e.trip.add(now - m.planned)
	}
	if e.closedLoop && !e.ended {
		e.send(i, now)
	}
}
