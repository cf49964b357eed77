package hub

import (
	"time"

	"sluice/gateway/metrics"
)

// end is when a connection ends unless its session says otherwise before, and why.
type end struct {
	at     uint32 // tick; 0: it has no end
	reason metrics.CloseReason
}

// EndIn closes s when d is over, at most a tick later, with the codec's frame
// for the reason. A later call replaces an earlier one; a negative d takes it back. Connections
// without an end cost nothing: there is no timer, and the ends of a chunk of
// connections are one array, which the tick walks.
func (s *Subscriber) EndIn(d time.Duration, reason metrics.CloseReason) {
	n := noEnd
	if d >= 0 {
		n = min(ticks(d)+1, noEnd-1) // the present tick has begun already
	}
	s.shard.post(item{kind: itemEnd, sub: s, n: n, reason: reason})
}

// noEnd in an item takes an end back.
const noEnd uint32 = 1<<31 - 1

// setEnd notes s's end.
func (sh *shard) setEnd(s *Subscriber, n uint32, reason metrics.CloseReason) {
	if s.flags&flagGone != 0 {
		return
	}
	c, i := s.chunk, s.slot%chunkSize
	if c.ends == nil {
		if n == noEnd {
			return
		}
		c.ends = new([chunkSize]end)
	}
	c.ends[i] = end{}
	if n != noEnd {
		c.ends[i] = end{sh.hub.now.Load() + n, reason}
	}
}

// endDue closes the connections of a chunk whose time is over.
func (sh *shard) endDue(c *chunk, now uint32) {
	if c.ends == nil {
		return
	}
	for i := range c.ends {
		e := &c.ends[i]
		if e.at == 0 || e.at > now {
			continue
		}
		reason := e.reason
		*e = end{}
		if s := c.subs[i]; s != nil {
			sh.close(s, nil, reason)
		}
	}
}
