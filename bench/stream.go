package bench

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// stream is what the scenarios share in which messages flow, by a plan, while
// connections come and go, stop reading or are cut. Every message is checked at
// every connection that was open when it was published.
type stream struct {
	*run

	// Static after construction.
	channels channels
	total    int    // connections of all processes; those from Plan.Connections on are of publishers alone
	skipper  []bool // by index: reads slowly, and so may miss messages; nil: none
	acks     bool   // keep when messages were accepted

	// Owned by the loop.
	publishers []publisher
	ledgers    []ledger // by publisher
	check      *checker
	skips      *checker // of the skippers; nil: there are none
	verify     *verifier
	batch      []stamp // the messages of the last read that was taken apart
	repeatable bool    // every one of them was right, and of its channel
	scratch    []byte
	spans      []span // by time
	sendLag    counter
	deliveries uint64
	arrived    int64 // when the last delivery came
	watch      watch
	nextScan   int64
	origin     int64  // when event 0 of the pacer is due; 0: nothing is published
	sent       uint64 // events of the pacer so far
	unsent     uint64 // messages whose publisher had no connection
	windowAt   int64
	before     usage
	counted    uint64 // deliveries when the window opened

	// Shared with the posters.
	mu       sync.Mutex
	answered []posted // Guarded by mu.
}

// ledger is what is known of a publisher's messages.
type ledger struct {
	seen     uint64  // the highest number that came anywhere
	void     []gap   // not accepted, or under way when the connection ended: nobody is owed them
	accepted []int64 // by number - 1: when it came somewhere, or was answered; 0: not yet
}

// span counts the latencies of messages that were planned from then on.
type span struct {
	from int64
	each *counter
}

// posted is the outcome of one publish over HTTP.
type posted struct {
	publisher int
	seq       uint64
	at        int64
	ok        bool
}

// newStream makes one whose publishers are further connections, or with among
// the first of the plan's. With the HTTP API, or without a rate, they are none.
func newStream(r *run, among bool) *stream {
	ch := channelsOf(r.plan)
	s := &stream{
		run:      r,
		channels: ch,
		total:    r.plan.Connections,
		verify:   newVerifier(r.plan.Size),
		watch:    watch{cpu: r.server},
	}
	if r.share.leads() {
		s.watch.pids = r.plan.PIDs
	}
	if r.plan.PublishRate > 0 {
		s.publishers = make([]publisher, r.plan.Publishers)
		s.ledgers = make([]ledger, r.plan.Publishers)
	}
	first := r.plan.Connections
	if among {
		first = 0
	}
	for i := range s.publishers {
		p := publisher{conn: -1, own: r.share.owns(first + i), channel: ch.target(i), column: ch.column(i)}
		if r.plan.API == "" {
			p.conn = r.share.index(first + i)
			s.total = max(s.total, first+i+1)
		}
		s.publishers[i] = p
	}
	s.check = s.newChecker()
	r.result.Operation = "delivery"
	return s
}

// newChecker has a slot for each connection of this process and each publisher of its channel.
func (s *stream) newChecker() *checker {
	c := newChecker(s.share.count(s.total)*s.channels.columns, 0)
	c.base = make([]uint64, len(c.next))
	return c
}

// channelOf is the channel of the connection with index i.
//
// hot: once per received message.
func (s *stream) channelOf(i int) int { return s.channelOfNumber(s.share.number(i)) }

func (s *stream) channelOfNumber(n int) int {
	if n >= s.plan.Connections {
		return s.channels.target(n - s.plan.Connections)
	}
	return s.channels.of(n)
}

// assemble makes the swarm and what publishes over HTTP, which stop ends.
func (s *stream) assemble(h handler) (stop func(), err error) {
	var posters []*poster
	stop = func() {
		for _, p := range posters {
			p.stop()
		}
	}
	if err := s.run.assemble(s.total, h); err != nil {
		return stop, err
	}
	s.swarm.channel = s.channelOfNumber
	for i := range s.publishers {
		p := &s.publishers[i]
		if !p.own {
			continue
		}
		if s.plan.API == "" {
			p.over(s.plan, s.swarm)
			continue
		}
		if p.post, err = newPoster(s.plan); err != nil {
			return stop, err
		}
		posters = append(posters, p.post)
		p.post.answered = func(seq uint64, err error) {
			at := s.clock.now()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.answered = append(s.answered, posted{i, seq, at, err == nil})
		}
	}
	return stop, nil
}

// begin makes the swarm, which prepare then sees to, opens all connections and
// begins to publish. stop, never nil, is for the end.
func (s *stream) begin(h handler, prepare func()) (origin int64, stop func(), err error) {
	if stop, err = s.assemble(h); err != nil {
		return 0, stop, err
	}
	if prepare != nil {
		prepare()
	}
	if err := s.mustDialAll(0, s.total); err != nil {
		return 0, stop, err
	}
	s.handshakes.reset()
	origin, err = s.startPublishing()
	return origin, stop, err
}

// startPublishing begins the plan, the same in all processes, and says when that is.
func (s *stream) startPublishing() (origin int64, err error) {
	if origin, err = s.meetTime("start"); err != nil {
		return 0, err
	}
	origin += int64(startDelay)
	_, err = meet(s.run, "ready", struct{}{}) // nothing comes before all know when it began
	s.origin = origin
	return origin, err
}

// startDelay is for the processes to hear of each other.
const startDelay = 100 * time.Millisecond

// publishDue publishes what is due and says how long nothing will be.
func (s *stream) publishDue(now int64) time.Duration {
	s.collect()
	s.watch.look(now)
	s.done = s.deliveries
	if s.origin == 0 || len(s.publishers) == 0 {
		return maxWait
	}
	pacer := Pacer{Rate: s.plan.PublishRate}
	for due := pacer.Due(time.Duration(now - s.origin)); s.sent < due; s.sent++ {
		planned := s.origin + int64(pacer.Planned(s.sent))
		i := int(s.sent % uint64(len(s.publishers)))
		s.sendLag.add(s.clock.now() - planned) // also of what others send: whoever is late reads late as well
		p := &s.publishers[i]
		switch {
		case !p.own:
		case p.post == nil && s.swarm.conns[p.conn].state != open:
			s.unsent++
		default:
			s.scratch = p.publish(s.plan, s.scratch, planned, i, 0)
		}
	}
	for i := range s.publishers {
		s.publishers[i].flush(s.swarm)
	}
	return min(maxWait, time.Duration(s.origin+int64(pacer.Planned(s.sent))-now))
}

// collect takes note of what the posters were answered.
func (s *stream) collect() {
	if s.plan.API == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answered {
		if a.ok {
			s.accept(a.publisher, a.seq, a.at)
		} else {
			l := &s.ledgers[a.publisher]
			l.void = append(l.void, gap{a.seq, a.seq})
			slices.SortFunc(l.void, func(a, b gap) int { return cmp.Compare(a.from, b.from) }) // one that found the queue full overtakes
		}
	}
	s.answered = s.answered[:0]
}

// accept notes that the server has taken a message.
func (s *stream) accept(p int, seq uint64, at int64) {
	if !s.acks {
		return
	}
	l := &s.ledgers[p]
	for uint64(len(l.accepted)) < seq {
		l.accepted = append(l.accepted, 0)
	}
	if l.accepted[seq-1] == 0 {
		l.accepted[seq-1] = at
	}
}

// message opens one delivery.
//
// hot: once per received message.
func (s *stream) message(i int, b []byte, now int64) {
	m, ok := s.verify.open(b)
	if !ok || m.publisher >= len(s.publishers) || m.seq == 0 {
		s.check.faults.Corrupt++
		s.repeatable = false
		return
	}
	p := &s.publishers[m.publisher]
	if s.channels.n > 1 && s.channelOf(i) != p.channel {
		s.check.faults.Misrouted++
		s.repeatable = false
		return
	}
	if m.seq > p.seq {
		if p.own { // of another run
			s.check.faults.Corrupt++
			s.repeatable = false
			return
		}
		p.seq = m.seq
	}
	s.batch = append(s.batch, m)
	s.deliver(i, m, now)
}

func (s *stream) reading(int) {
	s.batch = s.batch[:0]
	s.repeatable = true
}

// again is message for each of the last batch, which were verified then.
//
// hot: once per read.
func (s *stream) again(i int, now int64) bool {
	if !s.repeatable || len(s.batch) == 0 {
		return false
	}
	if s.channels.n > 1 && s.channelOf(i) != s.publishers[s.batch[0].publisher].channel {
		return false
	}
	for _, m := range s.batch {
		s.deliver(i, m, now)
	}
	return true
}

// deliver checks and times one delivery whose payload is right.
//
// hot: once per received message.
func (s *stream) deliver(i int, m stamp, now int64) {
	p := &s.publishers[m.publisher]
	l := &s.ledgers[m.publisher]
	s.deliveries++
	s.arrived = now
	if !p.reaches(i) {
		s.check.faults.Misrouted++
		return
	}
	if m.seq > l.seen {
		l.seen = m.seq
		s.accept(m.publisher, m.seq, now)
	}
	slot := i*s.channels.columns + p.column
	if s.mayMiss(i) {
		s.skips.see(slot, m.seq)
		return // it is late because it wants to be
	}
	if s.check.next[slot] != m.seq {
		s.collect()
		s.check.pass(slot, m.seq, l.void)
	}
	s.check.see(slot, m.seq)
	for k := len(s.spans) - 1; k >= 0; k-- {
		if m.planned >= s.spans[k].from {
			s.spans[k].each.add(now - m.planned)
			break
		}
	}
}

// mayMiss says whether connection i reads slowly, and so may miss messages.
//
// hot: once per received message.
func (s *stream) mayMiss(i int) bool { return i < len(s.skipper) && s.skipper[i] }

// joined has everything that is published from now on be owed to connection i.
func (s *stream) joined(i int) {
	for p := s.channelOf(i); p < len(s.publishers); p += s.channels.n {
		pub, base := &s.publishers[p], uint64(openBase)
		if pub.own {
			base = pub.seq
		}
		slot := i*s.channels.columns + pub.column
		s.check.joins(slot, base)
		if s.skips != nil {
			s.skips.joins(slot, base)
		}
	}
}

func (s *stream) opened(i int, now, took int64) {
	s.run.opened(i, now, took)
	s.joined(i)
}

// quit is for a connection that has ended: where it was a publisher's, nobody is
// owed what was under way.
func (s *stream) quit(i int) {
	for p := range s.publishers {
		pub, l := &s.publishers[p], &s.ledgers[p]
		if pub.conn != i || pub.post != nil {
			continue
		}
		if pub.out = pub.out[:0]; pub.seq > l.seen {
			l.void = append(l.void, gap{l.seen + 1, pub.seq})
		}
	}
}

func (s *stream) closed(i int, was state, code uint16, err error) {
	s.run.closed(i, was, code, err)
	s.quit(i)
}
