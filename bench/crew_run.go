package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// runCrew shares the plan among o.Procs workers, and merges what they measured.
func runCrew(ctx context.Context, p *Plan, o Options) (*Result, error) {
	runtime.LockOSThread() // the workers live as long as the thread that starts them
	defer runtime.UnlockOSThread()
	c := newCoordinator(p, o)
	defer c.end()
	if err := c.launch(); err != nil {
		return nil, err
	}
	c.listen(ctx)
	return c.result(ctx)
}

// coordinator leads the workers of a run. It has no sockets.
type coordinator struct {
	// Static after construction.
	plan     *Plan
	options  Options
	started  time.Time
	begun    int64         // the same as CLOCK_MONOTONIC ns, which all processes share
	heard    chan heard    // what the workers say
	patience time.Duration // with workers that were stopped

	// Owned by the calling goroutine.
	workers []*laborer
	stopped bool  // the workers were told to end early
	err     error // why the run is at its end
}

func newCoordinator(p *Plan, o Options) *coordinator {
	return &coordinator{plan: p, options: o, started: time.Now(), begun: newClock().now(), heard: make(chan heard, 64), patience: grace}
}

// laborer is a worker as its coordinator sees it.
type laborer struct {
	*child
	share  share
	brings *meeting // what it brought to the meeting that not all have come to yet
	glance Progress
	last   time.Time // when it was heard last
	ending *ending
	gone   bool
}

// heard is a word of one worker, or, with gone, its end.
type heard struct {
	part int
	word word
	gone bool
	err  error // how its process ended
}

// grace is how long workers may take to hand over what they have when they are stopped.
const grace = 10 * time.Second

func (c *coordinator) launch() error {
	for part := range c.options.Procs {
		s := share{part, c.options.Procs - 1}
		child, err := startChild(c.options.Worker)
		if err != nil {
			return fmt.Errorf("bench: process %d: %w", part+1, err)
		}
		l := &laborer{child: child, share: s, last: time.Now()}
		c.workers = append(c.workers, l)
		go child.read(part, c.heard)
	}
	o := c.options
	if o.Progress == nil || o.Interval == 0 || o.Interval > time.Second {
		o.Interval = time.Second // also a sign of life
	}
	for _, l := range c.workers {
		begin := startOf(c.plan, l.share, o)
		begin.Started = c.begun
		l.tell(order{Start: begin})
	}
	return nil
}

// listen hears the workers out: to the end of all, or of the patience with those
// that were stopped.
func (c *coordinator) listen(ctx context.Context) {
	ticker := time.NewTicker(c.interval())
	defer ticker.Stop()
	interrupt := ctx.Done()
	var overdue <-chan time.Time
	for c.left() > 0 {
		select {
		case h := <-c.heard:
			c.hear(h)
		case <-ticker.C:
			c.watch()
		case <-interrupt:
			interrupt = nil
			c.stop()
		case <-overdue:
			return
		}
		if c.stopped && overdue == nil {
			overdue = time.After(c.patience)
		}
	}
}

func (c *coordinator) interval() time.Duration {
	if c.options.Interval > 0 {
		return c.options.Interval
	}
	return time.Second
}

// left is how many workers did not end yet.
func (c *coordinator) left() int {
	n := 0
	for _, l := range c.workers {
		if !l.gone {
			n++
		}
	}
	return n
}

func (c *coordinator) hear(h heard) {
	l := c.workers[h.part]
	l.last = time.Now()
	switch {
	case h.gone:
		l.gone = true
		if l.ending == nil {
			c.fail(l, fmt.Sprintf("the process (pid %d) ended: %v", l.pid(), h.err))
		}
	case h.word.Glance != nil:
		l.glance = *h.word.Glance
	case h.word.Meet != nil:
		c.meet(l, h.word.Meet)
	case h.word.End != nil:
		l.ending = h.word.End
		l.glance.Open, l.glance.Want, l.glance.PerSecond = 0, 0, 0
		if l.ending.Error != "" {
			c.fail(l, l.ending.Error)
		}
	}
}

// meet answers all when the last one has come.
func (c *coordinator) meet(l *laborer, m *meeting) {
	if len(m.Values) != 1 {
		c.fail(l, "it brought nothing to the meeting "+m.Name)
		return
	}
	l.brings = m
	all := &meeting{Name: m.Name}
	for _, l := range c.workers {
		if l.brings == nil {
			return
		}
		if l.brings.Name != m.Name {
			c.fail(l, fmt.Sprintf("it came to the meeting %s, others to %s", l.brings.Name, m.Name))
			return
		}
		all.Values = append(all.Values, l.brings.Values[0])
	}
	for _, l := range c.workers {
		l.brings = nil
		l.tell(order{Met: all})
	}
}

// fail ends the run of all because of one worker. Only the first reason counts:
// the others follow from it.
func (c *coordinator) fail(l *laborer, why string) {
	if c.err == nil {
		c.err = fmt.Errorf("bench: process %d of %d: %s", l.share.part+1, l.share.parts(), strings.TrimPrefix(why, "bench: "))
	}
	c.stop()
}

// stop has every worker hand over what it has.
func (c *coordinator) stop() {
	if c.stopped {
		return
	}
	c.stopped = true
	for _, l := range c.workers {
		l.tell(order{Stop: true})
	}
}

// watch shows how it goes, and looks for workers that say nothing.
func (c *coordinator) watch() {
	now := time.Now()
	for _, l := range c.workers {
		if silent := now.Sub(l.last); !l.gone && l.ending == nil && silent > maxSilence {
			c.fail(l, fmt.Sprintf("the process (pid %d) has said nothing for %v", l.pid(), silent.Round(time.Second)))
		}
	}
	if c.options.Progress != nil && c.workers[0].glance.Phase != "" {
		c.options.Progress(c.progress(now))
	}
}

// progress is a glance at all workers.
func (c *coordinator) progress(now time.Time) Progress {
	lead := c.workers[0].glance
	p := Progress{Phase: lead.Phase, Phased: lead.Phased, Left: lead.Left, Elapsed: now.Sub(c.started)}
	for _, l := range c.workers {
		g := l.glance
		p.Open += g.Open
		p.Want += g.Want
		p.Done += g.Done
		p.PerSecond += g.PerSecond
		p.Errors += g.Errors
		p.P50, p.P99 = max(p.P50, g.P50), max(p.P99, g.P99)
	}
	return p
}

// result is what all workers measured. When one of them did not say, there are no figures.
func (c *coordinator) result(ctx context.Context) (*Result, error) {
	r := &Result{Plan: *c.plan, Version: c.options.Version, Started: c.started, Processes: len(c.workers)}
	var ends []*tails
	for _, l := range c.workers {
		if l.ending == nil {
			c.fail(l, fmt.Sprintf("the process (pid %d) did not end within %v", l.pid(), c.patience))
			return nil, c.err
		}
		if l.ending.Result == nil {
			return nil, c.err
		}
		if o := l.ending.Result; o.Invalid != "" {
			o.Invalid = fmt.Sprintf("process %d of %d: %s", l.share.part+1, l.share.parts(), o.Invalid)
		}
		if err := r.merge(l.ending.Result); err != nil {
			return nil, err
		}
		if len(l.ending.Tails) > 0 {
			t := new(tails)
			if err := t.UnmarshalBinary(l.ending.Tails); err != nil {
				return nil, err
			}
			ends = append(ends, t)
		}
	}
	if r.Series != nil {
		r.Series.settle(false)
	}
	r.Interrupted = r.Interrupted && ctx.Err() != nil // else one was stopped because of another
	if len(ends) == len(c.workers) {
		if err := r.takeTails(ends); err != nil {
			return nil, err
		}
	}
	return r, c.err
}

func (r *Result) takeTails(ends []*tails) error {
	j, err := joinTails(ends)
	if err != nil {
		return err
	}
	r.Undelivered = j.undelivered
	if j.of < j.published {
		r.LastOf = j.of
	}
	r.Last, err = j.last.quantiles()
	return err
}

// end lets go of the workers, dead or alive.
func (c *coordinator) end() {
	for _, l := range c.workers {
		l.close()
	}
	for c.left() > 0 {
		if h := <-c.heard; h.gone {
			c.workers[h.part].gone = true
		}
	}
}
