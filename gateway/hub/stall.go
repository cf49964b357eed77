package hub

import (
	"sync"

	"sluice/gateway/metrics"
)

// stalls are the subscribers whose sockets did not take everything, since the
// shard looked last. Who comes in stays in the shard's own list until nothing
// waits for it.
type stalls struct {
	// Guarded by mu, a leaf.
	mu    sync.Mutex
	added []*Subscriber
}

// stall is a subscriber in that list.
type stall struct {
	sub   *Subscriber
	since uint32 // tick at which its socket was last seen to take something
}

// add notes s, once. It may be called under the connection's lock.
func (l *stalls) add(s *Subscriber) {
	if s.state.Load()&stateStalled != 0 || s.state.Or(stateStalled)&stateStalled != 0 {
		return
	}
	l.mu.Lock()
	l.added = append(l.added, s)
	l.mu.Unlock()
}

// takeStalled moves who came in into the shard's list.
func (sh *shard) takeStalled() {
	now := sh.hub.now.Load()
	sh.stalls.mu.Lock()
	defer sh.stalls.mu.Unlock()
	for i, s := range sh.stalls.added {
		sh.stalled = append(sh.stalled, stall{s, now})
		sh.stalls.added[i] = nil
	}
	if sh.stalls.added = sh.stalls.added[:0]; cap(sh.stalls.added) > keepItems {
		sh.stalls.added = nil
	}
}

// sweepStalled looks at all for whom something waits, and lets limits.outbox_age
// decide. The walk touches only those who are slow at this moment.
func (sh *shard) sweepStalled() {
	sh.takeStalled()
	set := sh.hub.settings.Load()
	age, now := ticks(set.OutboxAge), sh.hub.now.Load()
	for i := 0; i < len(sh.stalled); {
		e := &sh.stalled[i]
		s := e.sub
		if s.flags&flagGone != 0 || s.out == nil && s.queued.Load() == 0 && s.state.And(^stateStalled) != 0 && s.queued.Load() == 0 {
			last := len(sh.stalled) - 1
			sh.stalled[i] = sh.stalled[last]
			sh.stalled[last] = stall{}
			sh.stalled = sh.stalled[:last]
			continue
		}
		i++
		s.state.Or(stateStalled) // something came after it was taken off
		if s.state.And(^stateMoved)&stateMoved != 0 {
			e.since = now
		}
		if age == 0 || s.flags&(flagClosing|flagDoomed|flagHeld) != 0 {
			continue
		}
		if now-e.since >= age && s.mayBeCut() {
			sh.doom(s)
		} else if s.out != nil {
			sh.dropOld(s, set)
		}
	}
	if len(sh.stalled) == 0 && cap(sh.stalled) > keepItems {
		sh.stalled = nil
	}
}

// dropOld lets go of what has waited too long in s's outbox, or of s.
func (sh *shard) dropOld(s *Subscriber, set *Settings) {
	for i := 0; i < s.out.len(); {
		w := s.out.waiting[s.out.head+i]
		switch {
		case w.run == nil || w.frame.replay:
			i++
		case sh.hub.since(w.frame.at) <= set.OutboxAge:
			return // so are those behind it
		case !w.droppable():
			sh.doom(s)
			return
		default:
			sh.drop(s, i, metrics.DropAge)
		}
	}
}

// mayBeCut says that the policy of one of s's channels is to disconnect slow
// subscribers. Where it is not, what waits in the socket's queue may stay there:
// it is bounded, and the client comes back to it.
func (s *Subscriber) mayBeCut() bool {
	cut := func(sub subscription) bool {
		return sub.run != nil && sub.run.key.ch.namespace.Load().SlowConsumer == SlowDisconnect
	}
	if cut(s.first) {
		return true
	}
	if s.more != nil {
		for _, sub := range *s.more {
			if cut(sub) {
				return true
			}
		}
	}
	return false
}
