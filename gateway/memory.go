package gateway

import (
	"context"
	"runtime/debug"
	"time"
)

// releaseMemory gives memory back to the system when a storm of connects is
// over. A handshake leaves about as much garbage as the connection keeps, and
// the runtime holds what it once had for long; on a node of idle connections
// that would be half of its memory. It collects once after engine.idle_release
// without new connections, if there were many since the last time.
func (g *Gateway) releaseMemory(ctx context.Context) {
	quiet := time.Duration(g.config().Engine.IdleRelease)
	if quiet <= 0 {
		return
	}
	t := time.NewTicker(quiet)
	defer t.Stop()
	cell := g.metrics.Edge()
	var released, before uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			accepted := cell.Accepted.Load()
			if accepted == before && accepted-released >= storm {
				debug.FreeOSMemory()
				released = accepted
			}
			before = accepted
		}
	}
}

// storm is how many new connections make a release worth its collection.
const storm = 1000
