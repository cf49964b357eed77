package bench

import (
	"errors"
	"fmt"
	"time"
)

var fanoutScenario = Scenario{
	Name:  "fanout",
	About: "N subscribers, R publishes/s (--publish-rate) or W in flight (--window): latency, CPU per delivery",
	check: func(p *Plan, bad func(string, ...any)) {
		if (p.PublishRate > 0) == (p.Window > 0) {
			bad("fanout needs either a publish rate (open loop) or a window (closed loop)")
		}
		if p.API == "" && p.Publishers > p.Connections {
			bad("%d publishers need as many connections", p.Publishers)
		}
		if p.Channels > p.Connections {
			bad("%d channels need as many connections", p.Channels)
		}
	},
	share: func(p *Plan) string {
		if p.Window > 0 {
			return "a closed loop (--window) runs in one process only: no process sees when a message has reached all subscribers"
		}
		return ""
	},
	start: func(r *run) executor { return newFanout(r) },
}

// fanout publishes to channels of subscribers and follows every message to
// every one of them. In the open loop messages leave when they are due, whatever
// the server does; in the closed loop the next one leaves when one has reached
// all its subscribers.
type fanout struct {
	*run
	channels   channels
	publishers []publisher
	check      *checker
	verify     *verifier
	alive      []int  // open subscribers of this process by channel
	most       uint64 // messages that a publisher of another process may have sent
	scratch    []byte
	batch      []stamp // the messages of the last read that was taken apart
	repeatable bool    // every one of them was right, and of its channel

	// The measured window. Before it is open, from is the end of time.
	from, to   int64 // planned times that count
	delivery   counter
	last       counter
	sendLag    counter
	idleLag    counter // the same of messages that other processes send
	deliveries uint64  // all phases
	arrived    int64   // when the last delivery came
	completed  int     // closed loop: messages to be followed by another
	broken     error
	counted    uint64 // deliveries when the window opened
	windowAt   int64
	before     usage
}

// How long the end of a run waits for messages on the way.
const (
	silence    = 5 * time.Second  // without any delivery: what is missing is lost
	drainLimit = 30 * time.Second // while they still come
	stall      = 10 * time.Second // closed loop without any delivery
)

func newFanout(r *run) *fanout {
	ch := channelsOf(r.plan)
	f := &fanout{
		run:        r,
		channels:   ch,
		publishers: make([]publisher, r.plan.Publishers),
		check:      newChecker(r.share.count(r.plan.Connections)*ch.columns, 1),
		verify:     newVerifier(r.plan.Size),
		alive:      make([]int, ch.n),
		from:       1<<63 - 1,
	}
	for i := range f.publishers {
		f.publishers[i] = publisher{conn: r.share.index(i), own: r.share.owns(i), channel: ch.target(i), column: ch.column(i), flight: newFlight()}
	}
	f.most = (f.total()-1)/uint64(len(f.publishers)) + 1
	if !r.share.alone() {
		r.tails = newTails(len(f.publishers))
	}
	return f
}

func (f *fanout) execute() (err error) {
	if err := f.assemble(f.plan.Connections, f); err != nil {
		return err
	}
	f.swarm.channel = f.channels.of
	f.each, f.result.Operation = &f.delivery, "delivery"
	for i := range f.publishers {
		if !f.publishers[i].own {
			continue
		}
		if f.plan.API != "" {
			p, err := newPoster(f.plan)
			if err != nil {
				return err
			}
			defer p.stop()
			f.publishers[i].post = p
		} else {
			f.publishers[i].over(f.plan, f.swarm)
		}
	}
	if err := f.mustDialAll(0, f.plan.Connections); err != nil {
		return err
	}
	f.result.Handshake, _ = f.handshakes.quantiles()
	if f.plan.Window > 0 {
		err = f.closedLoop()
	} else {
		err = f.openLoop()
	}
	return firstOf(err, f.broken)
}

// channelOf is the channel of the subscriber with index i.
//
// hot: once per received message.
func (f *fanout) channelOf(i int) int { return f.channels.of(f.share.number(i)) }

// publish sends one message of publisher p.
func (f *fanout) publish(p int, planned int64) {
	pub := &f.publishers[p]
	waiting := f.alive[pub.channel]
	if !pub.reaches(pub.conn) {
		waiting--
	}
	f.scratch = pub.publish(f.plan, f.scratch, planned, p, waiting)
}

func (f *fanout) flush() {
	for p := range f.publishers {
		f.publishers[p].flush(f.swarm)
	}
}

func (f *fanout) flying() int {
	n := 0
	for p := range f.publishers {
		n += f.publishers[p].flight.open
	}
	return n
}

// message opens one delivery.
//
// hot: once per received message.
func (f *fanout) message(i int, b []byte, now int64) {
	s, ok := f.verify.open(b)
	if !ok || s.publisher >= len(f.publishers) {
		f.check.faults.Corrupt++
		f.repeatable = false
		return
	}
	p := &f.publishers[s.publisher]
	if f.channels.n > 1 && f.channelOf(i) != p.channel {
		f.check.faults.Misrouted++
		f.repeatable = false
		return
	}
	if s.seq > p.seq && !p.own {
		if s.seq > f.most { // of another run
			f.check.faults.Corrupt++
			f.repeatable = false
			return
		}
		p.hear(s.seq, f.alive[p.channel])
	}
	f.batch = append(f.batch, s)
	f.deliver(i, s, now)
}

func (f *fanout) reading(int) {
	f.batch = f.batch[:0]
	f.repeatable = true
}

// again is message for each of the last batch, which were verified then.
//
// hot: once per read.
func (f *fanout) again(i int, now int64) bool {
	if !f.repeatable || len(f.batch) == 0 {
		return false
	}
	if f.channels.n > 1 && f.channelOf(i) != f.publishers[f.batch[0].publisher].channel {
		return false
	}
	for _, s := range f.batch {
		f.deliver(i, s, now)
	}
	return true
}

// deliver checks and times one delivery whose payload is right.
//
// hot: once per received message.
func (f *fanout) deliver(i int, s stamp, now int64) {
	p := &f.publishers[s.publisher]
	f.deliveries++
	f.arrived = now
	if !p.reaches(i) {
		f.check.faults.Misrouted++
		return
	}
	complete := f.check.see(i*f.channels.columns+p.column, s.seq) && p.flight.arrived(s.seq)
	if complete {
		f.completed++
	}
	if s.planned >= f.from && s.planned < f.to {
		f.delivery.add(now - s.planned)
		if complete {
			f.ended(s, now)
		}
	}
}

// ended takes note of when the last subscriber of this process got a message.
func (f *fanout) ended(s stamp, now int64) {
	if f.tails != nil {
		f.tails.end(s.publisher, s.seq, endAfter+max(0, now-s.planned))
	} else {
		f.last.add(now - s.planned)
	}
}

func (f *fanout) opened(i int, now, took int64) {
	f.run.opened(i, now, took)
	f.alive[f.channelOf(i)]++
}

// closed takes the connection out of what messages wait for.
func (f *fanout) closed(i int, was state, code uint16, err error) {
	f.run.closed(i, was, code, err)
	if was < open {
		return
	}
	ch := f.channelOf(i)
	f.alive[ch]--
	for p := ch; p < len(f.publishers); p += f.channels.n { // all of the channel
		pub := &f.publishers[p]
		if pub.conn == i && pub.post == nil && f.broken == nil {
			f.broken = fmt.Errorf("bench: the connection of publisher %d was closed by the server (code %d)", p, code)
			if errors.Is(err, errRefused) {
				f.broken = fmt.Errorf("bench: publisher %d: %w", p, err)
			}
		}
		if !pub.reaches(i) {
			continue
		}
		for seq := f.check.next[i*f.channels.columns+pub.column]; seq <= pub.seq; seq++ {
			if pub.flight.arrived(seq) {
				f.completed++
			}
		}
	}
}

// begin opens the measured window.
func (f *fanout) begin(now int64) error {
	var err error
	if f.before, err = f.usage(); err != nil {
		return err
	}
	f.counted = f.deliveries - f.delivery.n // another process may have begun before
	f.windowAt = now
	f.enter("measuring", f.to)
	return nil
}

// figures closes the window at now.
func (f *fanout) figures(now int64) error {
	r := f.result
	spent, err := f.usageSince(f.before)
	if err != nil {
		return err
	}
	r.ServerCPU, r.ClientCPU = spent.server, spent.client
	r.Operations = f.deliveries - f.counted
	r.Window = time.Duration(now - f.windowAt)
	return nil
}

// drain waits for what is on the way, then settles the account of every subscriber.
func (f *fanout) drain() error {
	f.enter("draining", 0)
	if err := f.hearAll(); err != nil {
		f.settle(true)
		return err
	}
	begun := f.clock.now()
	f.arrived = begun
	late := false
	err := f.loop(func(now int64) (bool, time.Duration) {
		f.done = f.deliveries
		// What a publisher whose connection was closed has sent may never have been taken.
		late = now-begun > int64(drainLimit) || f.broken != nil
		return f.flying() == 0 || now-f.arrived > int64(silence) || late, maxWait
	})
	if err == nil {
		_, err = meet(f.run, "drained", struct{}{}) // what comes twice may still come
	}
	f.settle(late || err != nil)
	return err
}

// hearAll learns how much the publishers of the other processes have published.
func (f *fanout) hearAll() error {
	mine := map[int]uint64{}
	for p := range f.publishers {
		if f.publishers[p].own && !f.share.alone() {
			mine[p] = f.publishers[p].seq
		}
	}
	all, err := meet(f.run, "published", mine)
	if err != nil {
		return err
	}
	for _, seqs := range all {
		for p, seq := range seqs {
			f.publishers[p].hear(seq, f.alive[f.publishers[p].channel])
		}
	}
	return nil
}

// settle makes the result of what was seen. With late, messages that are still
// missing may yet come: they are not called lost.
func (f *fanout) settle(late bool) {
	r := f.result
	for p := range f.publishers {
		pub := &f.publishers[p]
		if pub.own {
			r.Published += pub.seq
		}
		if f.tails != nil {
			f.tails.close(p, pub, f.alive[pub.channel] > 0, late)
		}
		if late {
			r.Undelivered += uint64(pub.flight.open)
		}
	}
	for i := range f.swarm.conns {
		if late || f.swarm.conns[i].state != open {
			continue
		}
		for p := f.channelOf(i); p < len(f.publishers); p += f.channels.n { // all of the channel
			if pub := &f.publishers[p]; pub.reaches(i) {
				f.check.finish(i*f.channels.columns+pub.column, pub.seq)
			}
		}
	}
	r.Faults = f.check.faults
	r.Delivery, _ = f.delivery.quantiles()
	r.Last, _ = f.last.quantiles()
	r.SendLag, _ = f.sendLag.quantiles()
}

// postFailure says how many publishes over HTTP failed, and why the first did.
func (f *fanout) postFailure() error {
	var failures int64
	var first string
	for p := range f.publishers {
		if post := f.publishers[p].post; post != nil && post.failures.Load() > 0 {
			failures += post.failures.Load()
			first = *post.first.Load()
		}
	}
	if failures == 0 {
		return nil
	}
	return fmt.Errorf("bench: %d publishes failed: %s", failures, first)
}
