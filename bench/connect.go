package bench

import (
	"os"
	"slices"
	"time"
)

var connectScenario = Scenario{
	Name:  "connect",
	About: "open N connections, hold them: handshakes/s, their latency, memory per connection, idle CPU, a roll call",
	check: func(p *Plan, bad func(string, ...any)) {
		last := 0
		for _, n := range p.Steps {
			if n <= last || n > p.Connections {
				bad("steps must rise and end at or below connections")
				break
			}
			last = n
		}
		checkRollCall(p, bad)
	},
	share: func(p *Plan) string {
		if p.RollCall {
			return "a roll call runs in one process only: no process sees when a message has reached all subscribers"
		}
		return ""
	},
	start: func(r *run) executor { return &connect{run: r} },
}

// connect opens connections and holds them.
type connect struct {
	*run
	dialing time.Duration // time and CPU of the dial phases only
	used    usage
	rate    float64 // connects/s of the last dial phase
}

func (c *connect) opened(i int, now, took int64) {
	c.run.opened(i, now, took)
	c.done++
}

// What a server sends to idle clients is not of interest; the roll call has a handler of its own.

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
	if err := c.hold(); err != nil || !r.plan.RollCall {
		return err
	}
	return r.rollCall()
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
	begun, had := c.clock.now(), c.result.Opened
	dialErr := c.dialAll(from, to)
	took := time.Duration(c.clock.now() - begun)
	c.dialing += took
	c.rate = ratio(float64((c.result.Opened-had)*c.share.parts()), took.Seconds())
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
	m := MemoryStep{Connections: n, ConnectRate: c.rate, PSS: pss(c.plan.PIDs), Kernel: readKernelMemory()}
	var err error
	if m.Bytes, err = rssAnon(c.plan.PIDs); err != nil {
		return err
	}
	if m.Generator, err = rssAnon([]int{os.Getpid()}); err != nil {
		return err
	}
	c.result.Memory = append(c.result.Memory, m)
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
