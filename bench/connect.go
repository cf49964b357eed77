package bench

import (
	"slices"
	"time"
)

var connectScenario = Scenario{
	Name:  "connect",
	About: "open N connections, hold them: handshakes/s, their latency, memory per connection, idle CPU",
	check: func(p *Plan, bad func(string, ...any)) {
		last := 0
		for _, n := range p.Steps {
			if n <= last || n > p.Connections {
				bad("steps must rise and end at or below connections")
				break
			}
			last = n
		}
	},
	share: sharable,
	start: func(r *run) executor { return &connect{run: r} },
}

// connect opens connections and holds them.
type connect struct {
	*run
	dialing time.Duration // time and CPU of the dial phases only
	used    usage
}

// What a server sends to idle clients is not of interest.

func (c *connect) reading(int)                {}
func (c *connect) message(int, []byte, int64) {}
func (c *connect) again(int, int64) bool      { return true }

func (c *connect) execute() error {
	r, res := c.run, c.run.result
	err := r.assemble(r.plan.Connections, c)
	if err != nil {
		return err
	}
	r.swarm.channel = channelsOf(r.plan).of
	r.each = &r.handshakes
	res.Operation = "handshake"

	steps := slices.Clone(r.plan.Steps)
	if len(steps) == 0 || steps[len(steps)-1] != r.plan.Connections {
		steps = append(steps, r.plan.Connections)
	}
	if err := c.measureMemory(0); err != nil {
		return err
	}
	from := 0
	for _, to := range steps {
		err = c.dial(from, to)
		res.Operations = uint64(res.Opened)
		res.Window, res.ServerCPU, res.ClientCPU = c.dialing, c.used.server, c.used.client
		res.Handshake, _ = r.handshakes.quantiles()
		if err != nil {
			return err
		}
		if err := r.rest("settling", r.plan.Settle); err != nil {
			return err
		}
		if err := c.measureMemory(to); err != nil {
			return err
		}
		from = to
	}
	if len(r.plan.Steps) > 0 && len(res.Memory) > 2 {
		res.Memory = res.Memory[1:] // the slope is between the steps, without what the first connections cost
	}
	return c.hold()
}

// dial opens [from, to) and adds up what that took.
func (c *connect) dial(from, to int) error {
	if _, err := meet(c.run, "step", struct{}{}); err != nil { // the memory was read
		return err
	}
	before, err := c.usage()
	if err != nil {
		return err
	}
	begun := c.clock.now()
	dialErr := c.dialAll(from, to)
	c.dialing += time.Duration(c.clock.now() - begun)
	spent, err := c.usageSince(before)
	if err != nil {
		return err
	}
	c.used.server += spent.server
	c.used.client += spent.client
	return dialErr
}

func (c *connect) measureMemory(n int) error {
	if len(c.plan.PIDs) == 0 {
		return nil
	}
	if err := collectGarbage(c.plan.GC); err != nil {
		return err
	}
	bytes, err := rssAnon(c.plan.PIDs)
	if err != nil {
		return err
	}
	c.result.Memory = append(c.result.Memory, MemoryStep{n, bytes})
	return nil
}

func (c *connect) hold() error {
	if c.plan.Hold == 0 {
		return nil
	}
	before, err := c.usage()
	if err != nil {
		return err
	}
	held := c.run.rest("holding", c.plan.Hold)
	spent, err := c.usageSince(before)
	if err != nil {
		return err
	}
	c.result.IdleCPU = spent.server
	return held
}
