package bench

import (
	"fmt"
	"time"
)

var churnScenario = Scenario{
	Name:  "churn",
	About: "connect, join, receive, leave, again and again: cycles/s and CPU per cycle",
	check: func(p *Plan, bad func(string, ...any)) {
		if p.Window > 0 {
			bad("churn has no window")
		}
		if p.Messages > 0 && p.PublishRate == 0 {
			bad("to wait for messages, churn needs a publish rate")
		}
	},
	share: sharable,
	start: func(r *run) executor { return newChurn(r) },
}

// churn lets clients come, receive and leave, each time with a new connection.
// Connections numbered from Plan.Connections on are the publishers, which stay.
type churn struct {
	*run
	channels   channels
	publishers []publisher
	check      *checker
	got        []int // messages of this visit
	ready      []int // connections that may come again
	begunAt    []int64
	scratch    []byte
	broken     error

	cycles uint64 // all phases
	from   int64  // the window's beginning
	cycle  counter
}

func newChurn(r *run) *churn {
	ch := channelsOf(r.plan)
	c := &churn{
		run:      r,
		channels: ch,
		got:      make([]int, r.share.count(r.plan.Connections)),
		begunAt:  make([]int64, r.share.count(r.plan.Connections)),
		from:     1<<63 - 1,
	}
	if r.plan.PublishRate > 0 {
		c.publishers = make([]publisher, ch.n)
		for i := range c.publishers {
			n := r.plan.Connections + i
			c.publishers[i] = publisher{conn: r.share.index(n), own: r.share.owns(n), channel: i, flight: newFlight()}
		}
		if r.plan.Messages == 0 {
			r.plan.Messages = 1
		}
	}
	c.check = newChecker(len(c.got), 0)
	r.each = &c.cycle
	r.result.Operation = "cycle"
	return c
}

func (c *churn) execute() (err error) {
	n := c.plan.Connections
	if err := c.assemble(n+len(c.publishers), c); err != nil {
		return err
	}
	c.swarm.channel = func(i int) int {
		if i >= n {
			return i - n // publisher i is of channel i
		}
		return c.channels.of(i)
	}
	for i := range c.publishers {
		if c.publishers[i].own {
			c.publishers[i].over(c.plan, c.swarm)
		}
	}
	if err := c.mustDialAll(n, n+len(c.publishers)); err != nil {
		return err
	}
	c.handshakes.reset()
	c.result.Opened = 0
	c.want = len(c.got)
	for i := len(c.got) - 1; i >= 0; i-- {
		c.ready = append(c.ready, i)
	}
	return c.turnover()
}

// turnover is the whole run: warm-up and window.
func (c *churn) turnover() error {
	begun, err := c.meetTime("start")
	if err != nil {
		return err
	}
	var (
		arrivals     = Pacer{Rate: c.plan.ConnectRate}
		publishes    = Pacer{Rate: c.plan.PublishRate}
		from         = begun + int64(c.plan.Warmup)
		to           = from + int64(c.plan.Duration)
		came, sent   uint64
		before       usage
		cyclesBefore uint64
		progress     = begun
		seen         uint64
		fail         error
	)
	c.enter("warming up", from)
	err = c.loop(func(now int64) (bool, time.Duration) {
		c.done = c.cycles
		if c.cycles != seen || len(c.ready) == len(c.got) {
			seen, progress = c.cycles, now
		}
		if c.from > now && now >= from {
			if before, fail = c.usage(); fail != nil {
				return true, 0
			}
			c.from, cyclesBefore = now, c.cycles
			c.enter("measuring", to)
		}
		elapsed, wait := time.Duration(now-begun), maxWait
		due := c.share.due(arrivals, elapsed)
		for len(c.ready) > 0 && came < due && fail == nil {
			i := c.ready[len(c.ready)-1]
			c.ready = c.ready[:len(c.ready)-1]
			came++
			c.got[i] = 0
			c.begunAt[i] = now
			fail = c.swarm.open(i)
		}
		if came >= due {
			wait = min(wait, c.share.planned(arrivals, came)-elapsed)
		}
		if len(c.publishers) > 0 {
			for due := publishes.Due(elapsed); sent < due; sent++ {
				p := int(sent % uint64(len(c.publishers)))
				if !c.publishers[p].own {
					continue
				}
				c.scratch = c.publishers[p].publish(c.plan, c.scratch, begun+int64(publishes.Planned(sent)), p, 0)
			}
			for p := range c.publishers {
				c.publishers[p].flush(c.swarm)
			}
			wait = min(wait, publishes.Planned(sent)-elapsed)
		}
		if fail == nil {
			fail = c.broken
		}
		if fail == nil && now-progress > int64(c.plan.Patience) {
			fail = fmt.Errorf("bench: no client came and left within %v", c.plan.Patience)
		}
		return fail != nil || now >= to, wait
	})
	if c.from <= c.clock.now() {
		spent, err := c.usageSince(before)
		if err != nil {
			return err
		}
		r := c.result
		r.Window = time.Duration(c.clock.now() - c.from)
		r.Operations = c.cycles - cyclesBefore
		r.ServerCPU, r.ClientCPU = spent.server, spent.client
	}
	for p := range c.publishers {
		c.result.Published += c.publishers[p].seq // 0 of those of other processes
	}
	c.result.Faults = c.check.faults
	c.result.Handshake, _ = c.handshakes.quantiles()
	c.result.Cycle, _ = c.cycle.quantiles()
	return firstOf(fail, err)
}

func (c *churn) opened(i int, now, took int64) {
	c.run.opened(i, now, took)
	if i < len(c.got) && c.plan.Messages == 0 {
		c.swarm.bye(i)
	}
}

func (c *churn) reading(int)           {}
func (c *churn) again(int, int64) bool { return false }

func (c *churn) message(i int, b []byte, _ int64) {
	if i >= len(c.got) || c.swarm.conns[i].state != open {
		return // a publisher, or one that has said goodbye
	}
	s, ok := openPayload(b)
	switch {
	case !ok || s.publisher >= len(c.publishers):
		c.check.faults.Corrupt++
		return
	case c.channels.n > 1 && c.channels.of(c.share.number(i)) != s.publisher:
		c.check.faults.Misrouted++
		return
	}
	c.check.see(i, s.seq)
	if c.got[i]++; c.got[i] >= c.plan.Messages {
		c.swarm.bye(i)
	}
}

func (c *churn) closed(i int, was state, code uint16, err error) {
	if i >= len(c.got) {
		c.broken = fmt.Errorf("bench: the connection of publisher %d was closed by the server (code %d)", c.share.number(i)-c.plan.Connections, code)
		return
	}
	c.check.forget(i)
	c.ready = append(c.ready, i)
	if was != closing || code == 0 || code != 1000 {
		c.run.closed(i, was, code, err)
		return
	}
	c.cycles++
	if now := c.clock.now(); now >= c.from {
		c.cycle.add(now - c.begunAt[i])
	}
}
