package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a run needs beside its plan.
type Options struct {
	Version string
	// Progress is called a few times a second from a goroutine of its own; nil: never.
	Progress func(Progress)
	Interval time.Duration // between two calls; 0: one second
	// Procs > 1 shares the connections among so many processes of this executable,
	// each started with the arguments Worker, which must lead it to Work.
	Procs  int
	Worker []string
	// Attacker are the arguments that lead this executable to attack.Serve.
	Attacker []string
}

// Progress is a glance at a run.
type Progress struct {
	Phase     string
	Elapsed   time.Duration
	Phased    time.Duration // since the phase began
	Left      time.Duration // of the phase; 0: unknown
	Open      int
	Want      int
	Done      uint64 // operations so far
	PerSecond float64
	P50, P99  time.Duration // so far
	Errors    uint64
}

// Run executes the plan. It returns a Result also when ctx ends it early. The
// calling goroutine is locked to its thread meanwhile, and drives all connections,
// or the processes that do.
func Run(ctx context.Context, p Plan, o Options) (*Result, error) {
	if _, err := Prepare(&p, o.Procs); err != nil {
		return nil, err
	}
	if o.Procs > 1 {
		return runCrew(ctx, &p, o)
	}
	r := newRun(&p, o)
	return r.result, r.perform(ctx, o)
}

// Prepare is what Run does before it opens anything: it fills in the plan's
// defaults, and says what cannot be run, or not in so many processes, or not from
// this host. The capacity is known where the plan itself can be run.
func Prepare(p *Plan, procs int) (Capacity, error) {
	if err := p.normalise(); err != nil {
		return Capacity{}, err
	}
	if why := p.indivisible(); procs > 1 && why != "" {
		return Capacity{}, fmt.Errorf("%w: %s", ErrIndivisible, why)
	}
	limits, err := Preflight(len(p.URLs), len(p.Sources))
	if err != nil {
		return Capacity{}, err
	}
	limits.Procs = procs
	if p.Connections > limits.Connections() {
		return limits, planError{fmt.Errorf("bench: %d connections: %v", p.Connections, limits)}
	}
	return limits, nil
}

// ErrIndivisible: the plan cannot run in several processes.
var ErrIndivisible = errors.New("bench: several processes")

func newRun(p *Plan, o Options) *run {
	r := &run{
		plan:   p,
		clock:  newClock(),
		client: newCPUMeter(os.Getpid()),
		server: newCPUMeter(p.PIDs...),
		result: &Result{Plan: *p, Version: o.Version, Started: time.Now()},

		attacker: o.Attacker,
	}
	r.started = r.clock.now()
	return r
}

// perform is the whole run of this process. That ctx ended it is no error.
func (r *run) perform(ctx context.Context, o Options) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer context.AfterFunc(ctx, func() { r.interrupted.Store(true) })()
	defer r.reportTo(o)()

	err := r.execute()
	if r.swarm != nil {
		r.takeSample(r.clock.now())
		if s := &r.sampler.series; len(s.Samples) > 0 {
			s.settle(r.crew != nil)
			r.result.Series = s
		}
		r.enter("closing", 0)
		r.look(r.clock.now())
		r.swarm.stop()
	}
	if errors.Is(err, errInterrupted) {
		r.result.Interrupted = true
		err = nil
	}
	return err
}

// execute runs the scenario. No process lets go of its connections before all
// have their figures.
func (r *run) execute() error {
	if err := scenarioNamed(r.plan.Scenario).start(r).execute(); err != nil {
		return err
	}
	_, err := meet(r, "finished", struct{}{})
	return err
}

// assemble makes the swarm: this process's share of so many connections.
func (r *run) assemble(connections int, h handler) (err error) {
	if r.swarm, err = newSwarm(r.plan, r.clock, r.share.count(connections), h); err != nil {
		return err
	}
	r.swarm.share = r.share
	return nil
}

// errInterrupted ends a run early, with what was measured.
var errInterrupted = errors.New("bench: interrupted")

// run is what all scenarios share: the loop, the count of connections, the
// meters. Scenarios embed it and override what they handle themselves.
type run struct {
	// Static after construction.
	plan     *Plan
	share    share    // what of the plan this process runs
	crew     crew     // the other processes; nil: there are none
	attacker []string // Options.Attacker
	clock    clock
	started  int64 // CLOCK_MONOTONIC ns

	// Owned by the loop.
	swarm      *swarm
	server     *cpuMeter
	client     *cpuMeter
	result     *Result
	tails      *tails // what the processes of a run put together at its end; nil: nothing
	handshakes counter
	done       uint64   // operations, all phases
	each       *counter // what Progress shows quantiles of; may be nil
	phase      string
	phaseAt    int64 // when it began
	phaseEnds  int64 // 0: unknown
	want       int
	nextGlance int64
	sampler    sampler

	// Shared.
	interrupted atomic.Bool
	glance      atomic.Pointer[Progress]
}

// usage is CPU time of the server's processes and of this one.
type usage struct{ server, client time.Duration }

// usage is what was used since the processes started; only differences mean something.
func (r *run) usage() (u usage, err error) {
	if u.server, err = r.server.read(); err != nil {
		return u, err
	}
	u.client, err = r.client.read()
	return u, err
}

func (r *run) usageSince(before usage) (usage, error) {
	now, err := r.usage()
	return usage{now.server - before.server, now.client - before.client}, err
}

// enter begins a phase that is expected to end at ends; 0: unknown.
func (r *run) enter(phase string, ends int64) {
	r.phase, r.phaseAt, r.phaseEnds, r.nextGlance = phase, r.clock.now(), ends, 0
}

// loop turns the swarm until step says that it is done. step runs after each
// turn; its wait is how long nothing will be due.
func (r *run) loop(step func(now int64) (done bool, wait time.Duration)) error {
	for {
		if r.interrupted.Load() {
			return errInterrupted
		}
		now := r.clock.now()
		done, wait := step(now)
		if done {
			return nil
		}
		r.look(now)
		r.sample(now)
		if gap := r.swarm.gather(now, r.plan.Gather); gap > 0 && wait > 0 {
			time.Sleep(min(wait, gap, maxWait))
			continue
		}
		if err := r.swarm.turn(min(wait, maxWait)); err != nil {
			return err
		}
	}
}

// maxWait bounds a wait, so that an interrupt is seen.
const maxWait = 20 * time.Millisecond

// rest lets the swarm answer pings for d.
func (r *run) rest(phase string, d time.Duration) error {
	end := r.clock.now() + int64(d)
	r.enter(phase, end)
	return r.loop(func(now int64) (bool, time.Duration) { return now >= end, time.Duration(end - now) })
}

// look publishes a glance for the reporting goroutine a few times a second.
func (r *run) look(now int64) {
	if now < r.nextGlance {
		return
	}
	r.nextGlance = now + int64(200*time.Millisecond)
	p := &Progress{
		Phase:   r.phase,
		Elapsed: time.Duration(now - r.started),
		Phased:  time.Duration(now - r.phaseAt),
		Open:    r.swarm.count[open],
		Want:    r.want,
		Done:    r.done,
		Errors:  uint64(r.result.Failed + r.result.Lost),
	}
	if r.phaseEnds > now {
		p.Left = time.Duration(r.phaseEnds - now)
	}
	if r.each != nil {
		p.P50, p.P99 = r.each.quantile(0.50), r.each.quantile(0.99)
	}
	r.glance.Store(p)
}

// reportTo starts the goroutine that calls o.Progress; the returned function ends it.
func (r *run) reportTo(o Options) (end func()) {
	if o.Progress == nil {
		return func() {}
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(o.Interval)
		defer ticker.Stop()
		var last Progress
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			if p := r.glance.Load(); p != nil {
				now := *p
				now.PerSecond = ratio(float64(now.Done-last.Done), (now.Elapsed - last.Elapsed).Seconds())
				last = now
				o.Progress(now)
			}
		}
	})
	return func() { close(stop); wg.Wait() }
}
