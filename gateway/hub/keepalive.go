package hub

import "sluice/gateway/metrics"

// sweepEvery is how many ticks a walk over all of a shard's connections takes:
// idle and ping times are exact to this.
const sweepEvery = 5

// tick does what is due by time: one part of the walk for idle connections,
// and the ends of close timeouts.
func (sh *shard) tick() {
	now := sh.hub.now.Load()
	for s, ok := sh.closing.Expired(int64(now)); ok; s, ok = sh.closing.Expired(int64(now)) {
		if s.flags&flagGone == 0 {
			s.conn.Abort()
		}
	}
	sh.sweepStalled()
	set := sh.hub.settings.Load()
	ping, timeout := ticks(set.PingInterval), ticks(set.Timeout)
	for _, c := range sh.slots.all() {
		sh.endDue(c, now)
		for i := now % sweepEvery; i < chunkSize; i += sweepEvery {
			silent := now - c.seen[i].Load()
			if int32(silent) <= 0 { // free slots look silent, too: subs tells
				continue
			}
			switch {
			case timeout > 0 && silent >= timeout:
				sh.idle(c.subs[i])
			case ping > 0 && silent >= ping && now-c.pinged[i] >= ping:
				if s := c.subs[i]; s != nil {
					c.pinged[i] = now
					sh.control(s, NewFrame(sh.hub.codecs[s.variant].Ping))
				}
			}
		}
	}
}

// idle ends a connection that was silent for too long. The close frame is a
// courtesy that a dead peer will not answer, so the cut follows at once.
func (sh *shard) idle(s *Subscriber) {
	if s == nil || s.flags&(flagClosing|flagGone) != 0 {
		return
	}
	sh.close(s, nil, metrics.CloseIdle)
	s.conn.Abort()
}
