// Package drain lets go of a node's connections at a pace that their clients'
// next nodes can take: of all of them, because the node is about to end or an
// operator asks for it, or of some, because it has more than its share.
package drain

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// Node is what is drained. Any goroutine calls it.
type Node interface {
	// Connections are how many are there, and how many of them have not been told to leave.
	Connections() (all, open int)
	// Release tells n connections to leave, and returns how many it told.
	Release(n int, reason metrics.CloseReason) int
	// Unready has load balancers send nobody, or send clients again.
	Unready(on bool)
	// Fence refuses new connections, or lets them in again.
	Fence(on bool)
	// Room is what the other nodes can take at the moment.
	Room() Room
}

// Room is what the other nodes can take.
type Room struct {
	// Alone: there are no others, so nobody needs to be spared.
	Alone bool
	// Nodes that take connections.
	Nodes int
	// Rate is how many connections a second these nodes can take from this one.
	Rate float64
	// Places is for how many connections they have room.
	Places int
	// Loads are the connections that each of these nodes has.
	Loads []int
}

// Plan is how a node is drained.
type Plan struct {
	// Delay is from readiness off until connections are refused and let go: what load balancers need to notice.
	Delay time.Duration
	// Over is the time over which connections are let go, evenly. 0: at once, as far as MaxRate and the others' room allow.
	// It takes longer where more than a fifth too many a second would have to go to make up for what was missed.
	Over time.Duration
	// MaxRate bounds how many are let go in a second. 0: nothing does.
	MaxRate int
	// Deadline is when all that are left are told to leave, whatever the bounds. Zero: they wait.
	Deadline time.Time
	// Force: they do not wait while no other node takes connections.
	Force bool
}

// State is how far a drain is.
type State string

// States.
const (
	None    State = "none"    // the node is not drained
	Delayed State = "delayed" // readiness is off, connections are still taken
	Closing State = "closing" // connections are let go
	Drained State = "drained" // none is left, and none is taken
)

// Progress is how far a drain is.
type Progress struct {
	State State
	Plan  Plan
	// Begun is when it began.
	Begun time.Time
	// Total is how many connections there were, Left how many there are, and Open
	// how many of these have not been told to leave.
	Total, Left, Open int
	// Rate is how many were told in the last second.
	Rate int
	// Limit is what holds it back.
	Limit Limit
}

// Drainer drains a node, at most once at a time. Any goroutine may call its methods.
type Drainer struct {
	// Static after construction.
	node Node
	log  zerolog.Logger

	starting sync.Mutex // held while one drain takes the place of another

	// Guarded by mu.
	mu       sync.Mutex
	progress Progress
	cancel   context.CancelFunc // of the drain under way
	over     chan struct{}      // closed when its goroutine has ended
	shedding int                // told to leave in the last second, to rebalance
}

// New returns a Drainer of a node that is not drained.
func New(node Node, log zerolog.Logger) *Drainer {
	return &Drainer{node: node, log: log, progress: Progress{State: None}}
}

// Start begins a drain. One that is under way goes on by the new plan. The
// channel is closed when no connection is left, or the drain has been replaced,
// aborted or stopped.
func (d *Drainer) Start(p Plan) <-chan struct{} {
	d.starting.Lock()
	defer d.starting.Unlock()
	fenced := d.stop()
	ctx, cancel := context.WithCancel(context.Background())
	all, open := d.node.Connections()
	over := make(chan struct{})
	d.mu.Lock()
	d.progress = Progress{State: Delayed, Plan: p, Begun: time.Now(), Total: all, Left: all, Open: open}
	d.cancel, d.over = cancel, over
	d.mu.Unlock()
	if fenced {
		p.Delay = 0 // nobody needs to notice any more
	}
	d.node.Unready(true)
	d.log.Info().Int("connections", all).Dur("delay_ms", p.Delay).Dur("over_ms", p.Over).Int("max_rate", p.MaxRate).Msg("draining")
	go func() {
		defer close(over)
		d.run(ctx, p)
	}()
	return over
}

// Abort has the node take connections again; false: it is not drained.
func (d *Drainer) Abort() bool {
	d.starting.Lock()
	defer d.starting.Unlock()
	now := d.Progress()
	if now.State == None {
		return false
	}
	d.stop()
	d.node.Fence(false)
	d.node.Unready(false)
	d.mu.Lock()
	d.progress = Progress{State: None}
	d.mu.Unlock()
	d.log.Info().Int("connections", now.Left).Msg("the drain was aborted: connections are taken again")
	return true
}

// Rate is how many connections were told to leave in the last second, for whatever reason.
func (d *Drainer) Rate() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.progress.Rate + d.shedding
}

func (d *Drainer) setShedding(n int) {
	d.mu.Lock()
	d.shedding = n
	d.mu.Unlock()
}

// Stop ends the drain under way, and leaves the node as it is.
func (d *Drainer) Stop() {
	d.starting.Lock()
	defer d.starting.Unlock()
	d.stop()
}

// stop is Stop, and says whether connections are refused.
func (d *Drainer) stop() (fenced bool) {
	d.mu.Lock()
	cancel, over := d.cancel, d.over
	d.mu.Unlock()
	if cancel != nil {
		cancel()
		<-over
	}
	state := d.Progress().State
	return state == Closing || state == Drained
}

// Progress is how far it is.
func (d *Drainer) Progress() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.progress
	if p.State != None {
		p.Left, p.Open = d.node.Connections()
	}
	return p
}

// step is how often a drain lets go of its next share.
const step = 50 * time.Millisecond

// run drains until nobody is left, or ctx ends.
func (d *Drainer) run(ctx context.Context, p Plan) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(p.Delay):
	}
	d.node.Fence(true)
	d.note(func(g *Progress) { g.State = Closing })
	pace := newPace(p, time.Now())
	t := time.NewTicker(step)
	defer t.Stop()
	told := NoLimit
	for {
		all, open := d.node.Connections()
		if all == 0 {
			d.note(func(g *Progress) { g.State, g.Left, g.Open, g.Rate, g.Limit = Drained, 0, 0, 0, NoLimit })
			d.log.Info().Dur("dur_ms", time.Since(pace.begun)).Msg("drained")
			return
		}
		n, limit := pace.next(time.Now(), open, d.node.Room())
		if n > 0 {
			pace.told(time.Now(), d.node.Release(n, metrics.CloseDrain))
		}
		d.note(func(g *Progress) { g.Rate, g.Limit = pace.rate(time.Now()), limit })
		if limit != told && (limit == NoRoom || limit == NoSurvivors || told == NoRoom || told == NoSurvivors) {
			d.log.Warn().Int("left", all).Str("limit", string(limit)).Msg("the other nodes' room for this node's clients has changed")
		}
		told = limit
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (d *Drainer) note(f func(*Progress)) {
	d.mu.Lock()
	f(&d.progress)
	d.mu.Unlock()
}
