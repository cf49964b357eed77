package hub

import "sluice/gateway/metrics"

// Release closes n connections that are not closing yet, each after what was
// published before, and returns how many it closed. The shards give as many as
// is their part of all.
func (h *Hub) Release(n int, reason metrics.CloseReason) (closed int) {
	open := make([]int, len(h.shards))
	all := 0
	for i, sh := range h.shards {
		open[i] = sh.open()
		all += open[i]
	}
	for i, sh := range h.shards {
		if all <= 0 || n <= 0 {
			break
		}
		part := min((n*open[i]+all-1)/all, open[i])
		all -= open[i]
		done := 0
		sh.call(func() { done = sh.release(part, reason) })
		n -= done
		closed += done
	}
	return closed
}

// Open is how many connections are not closing.
func (h *Hub) Open() (n int) {
	for _, sh := range h.shards {
		n += sh.open()
	}
	return n
}

func (sh *shard) open() int { return max(0, int(sh.attached.Load()-sh.goodbyes.Load())) }

// release closes the next n connections that are not closing already. It goes
// round, so that nobody is asked again who has just come back.
func (sh *shard) release(n int, reason metrics.CloseReason) (closed int) {
	chunks := sh.slots.all()
	slots := uint32(len(chunks)) * chunkSize
	for range slots {
		if closed == n {
			break
		}
		slot := sh.releaseAt % slots
		sh.releaseAt = slot + 1
		s := chunks[slot/chunkSize].subs[slot%chunkSize]
		if s != nil && s.flags&(flagClosing|flagDoomed|flagGone) == 0 {
			sh.close(s, nil, reason)
			closed++
		}
	}
	return closed
}
