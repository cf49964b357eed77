package gateway

import (
	"context"
	"runtime/debug"
	rtm "runtime/metrics"
	"time"
)

// releaseMemory gives memory back to the system when a storm is over: of
// connects, whose handshakes leave about as much garbage as the connections
// keep, or of messages for clients that did not take them. The runtime holds
// what it once had for long; on a node of idle connections that would be half of
// its memory. It looks once in engine.idle_release.
func (g *Gateway) releaseMemory(ctx context.Context) {
	period := time.Duration(g.config().Engine.IdleRelease)
	if period <= 0 {
		return
	}
	t := time.NewTicker(period)
	defer t.Stop()
	cell := g.metrics.Edge()
	connects, garbage := storm{many: manyAccepts}, storm{}
	heap := []rtm.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			rtm.Read(heap)
			garbage.many = max(manyBytes, heap[1].Value.Uint64()/manyOfLive)
			first := connects.calm(cell.Accepted.Load())
			if garbage.calm(heap[0].Value.Uint64()) || first {
				debug.FreeOSMemory()
			}
		}
	}
}

// storm tells from a count, which it sees once in a period, when much is
// followed by little.
type storm struct {
	many uint64 // what makes a release worth its collection

	seen    uint64 // in all
	since   uint64 // of it, since the last storm was over
	highest uint64 // in one period since then
	again   int    // releases to come
}

const (
	manyAccepts = 1000
	manyBytes   = 8 << 20
	manyOfLive  = 8 // and an eighth of what is in use
	// calmer is by how much less comes when a storm is over.
	calmer = 10
	// releases are those after a storm: what came with it may last until its timeouts.
	releases = 6
)

// calm says that memory is to be given back: a storm is over, or was a moment ago.
func (s *storm) calm(count uint64) bool {
	n := count - s.seen
	s.seen = count
	s.since += n
	s.highest = max(s.highest, n)
	if s.since >= s.many && n <= s.highest/calmer {
		s.since, s.highest, s.again = 0, 0, releases
	}
	if s.again == 0 {
		return false
	}
	s.again--
	return true
}
