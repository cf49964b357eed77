package redisbroker

import "sync"

// lanes are how a cluster is sent what is on its way out: each lane's is sent in
// order, and waits for no other's. The first is for the pair's server, and each of the
// others for slots in a row, so that a master that answers nothing holds up its own
// slots, and those few that share a lane with them.
type lanes [1 + slots/laneSlots]lane

const laneSlots = 256

// lane is what waits there. A goroutine sends it for as long as there is something.
type lane struct {
	// Guarded by mu.
	mu      sync.Mutex
	ops     []op
	sending bool
}

// put appends p to its lane. It is called by one goroutine, which c waits for.
func (s *lanes) put(c *conn, p *op) {
	l := &s[0]
	if !c.onPair(p) {
		l = &s[1+slotOf(c.out.B(), p.name)/laneSlots]
	}
	l.mu.Lock()
	l.ops = append(l.ops, *p)
	idle := !l.sending
	l.sending = true
	l.mu.Unlock()
	if idle {
		c.workers.Go(func() { l.send(c) })
	}
}

// send is the goroutine.
func (l *lane) send(c *conn) {
	silent := false
	for list := l.take(); list != nil; list = l.take() {
		if silent { // it came meanwhile
			c.giveUp(list, errSilent)
			silent = false
		} else {
			silent = c.sendAll(list)
		}
	}
}

// take returns all that waits, in order; nil: nothing does, and whoever puts something there begins to send.
func (l *lane) take() []op {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.ops
	l.ops, l.sending = nil, list != nil
	return list
}
