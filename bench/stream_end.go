package bench

import (
	"fmt"
	"time"
)

// openWindow begins the measured window.
func (s *stream) openWindow(now int64) (err error) {
	s.windowAt, s.counted = now, s.deliveries
	s.before, err = s.usage()
	return err
}

// closeWindow puts the window's figures into the result, of operations or, where
// that is 0, of deliveries, and says whether the generator was the limit.
func (s *stream) closeWindow(operations uint64) error {
	now := s.clock.now()
	spent, err := s.usageSince(s.before)
	if err != nil {
		return err
	}
	r := s.result
	r.Window = time.Duration(now - s.windowAt)
	r.Operations = operations
	if operations == 0 {
		r.Operations = s.deliveries - s.counted
	}
	r.ServerCPU, r.ClientCPU = spent.server, spent.client
	busy := ratio(float64(spent.client), float64(r.Window))
	if r.Window < briefest {
		busy = 0
	}
	r.Invalid = generatorLimit(s.sendLag.quantile(0.99), busy)
	return nil
}

// briefest is the shortest window over which the generator's CPU time says something.
const briefest = 200 * time.Millisecond

// finish publishes nothing more, waits for what is on the way, and settles the
// account of every connection that is open.
func (s *stream) finish() error {
	s.origin = 0
	s.enter("draining", 0)
	if err := s.hearAll(); err != nil {
		s.settle(false)
		return err
	}
	begun := s.clock.now()
	s.arrived, s.nextScan = begun, 0
	late := false
	err := s.loop(func(now int64) (bool, time.Duration) {
		s.collect()
		s.done = s.deliveries
		s.watch.look(now)
		late = now-begun > int64(drainLimit)
		return s.complete(now) || now-s.arrived > int64(silence) || late, maxWait
	})
	if err == nil {
		_, err = meet(s.run, "drained", struct{}{}) // what comes twice may still come
	}
	s.settle(!late && err == nil)
	return err
}

// hearAll learns how much the publishers of the other processes have published,
// and which of it nobody is owed.
func (s *stream) hearAll() error {
	type said struct {
		Seq  uint64
		Void []gap
	}
	mine := map[int]said{}
	for p := range s.publishers {
		if s.publishers[p].own && !s.share.alone() {
			mine[p] = said{s.publishers[p].seq, s.ledgers[p].void}
		}
	}
	all, err := meet(s.run, "published", mine)
	if err != nil {
		return err
	}
	for _, publishers := range all {
		for p, said := range publishers {
			if !s.publishers[p].own {
				s.publishers[p].seq, s.ledgers[p].void = said.Seq, said.Void
			}
		}
	}
	return nil
}

// eachOpen calls what for every open connection and publisher of its channel,
// until it returns false.
func (s *stream) eachOpen(what func(i, p, slot int) bool) {
	for i := range s.swarm.conns {
		if s.swarm.conns[i].state != open {
			continue
		}
		for p := s.channelOf(i); p < len(s.publishers); p += s.channels.n {
			if s.publishers[p].reaches(i) && !what(i, p, i*s.channels.columns+s.publishers[p].column) {
				return
			}
		}
	}
}

// complete says whether every open connection has the last message of every
// publisher. It looks at most every 50 ms.
func (s *stream) complete(now int64) bool {
	if now < s.nextScan {
		return false
	}
	s.nextScan = now + int64(50*time.Millisecond)
	all := true
	s.eachOpen(func(i, p, slot int) bool {
		last := s.owed(p)
		next := s.checkerOf(i).due(slot)
		all = next > last || next == openBase+1
		return all
	})
	return all
}

// owed is the highest number of publisher p that somebody is owed.
func (s *stream) owed(p int) uint64 {
	last, void := s.publishers[p].seq, s.ledgers[p].void
	for k := len(void) - 1; k >= 0 && void[k].to >= last; k-- {
		last = min(last, void[k].from-1)
	}
	return last
}

func (s *stream) checkerOf(i int) *checker {
	if s.mayMiss(i) {
		return s.skips
	}
	return s.check
}

// settle makes the result of what was seen. Where whole is false, what is missing
// may yet come: it is not called lost.
func (s *stream) settle(whole bool) {
	r := s.result
	for p := range s.publishers {
		if s.publishers[p].own {
			r.Published += s.publishers[p].seq
		}
	}
	s.eachOpen(func(i, p, slot int) bool {
		c, last := s.checkerOf(i), s.owed(p)
		if whole {
			c.pass(slot, last+1, s.ledgers[p].void)
			c.finish(slot, last)
		} else if next := c.due(slot); next <= last {
			r.Undelivered += last + 1 - next
		}
		return true
	})
	r.Faults = s.check.faults
	if s.skips != nil { // what they skipped is told apart
		r.Faults.Duplicated += s.skips.faults.Duplicated
		r.Faults.Reordered += s.skips.faults.Reordered
	}
	r.SendLag, _ = s.sendLag.quantiles()
}

// skipped is how many messages those who read slowly did not get.
func (s *stream) skipped() uint64 {
	if s.skips == nil {
		return 0
	}
	return s.skips.faults.Lost
}

// failedPosts is how many publishes over HTTP were not accepted, and why the first was not.
func (s *stream) failedPosts() (n int64, first string) {
	for p := range s.publishers {
		if post := s.publishers[p].post; post != nil && post.failures.Load() > 0 {
			n += post.failures.Load()
			first = *post.first.Load()
		}
	}
	return n, first
}

// postFailure is failedPosts as an error.
func (s *stream) postFailure() error {
	if n, first := s.failedPosts(); n > 0 {
		return fmt.Errorf("bench: %d publishes failed: %s", n, first)
	}
	return nil
}
