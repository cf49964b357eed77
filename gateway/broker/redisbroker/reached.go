package redisbroker

import "sync"

// maxReached bounds one of the two generations of reached.
const maxReached = 1 << 13

// reached is how many connections this node's newest confirmed message on a
// channel went to. It is kept for the channels of at least maxReached messages,
// which is longer than a publisher waits for it: it asks as soon as it has been told.
type reached struct {
	// Guarded by mu.
	mu       sync.Mutex
	new, old map[string]int // by pub/sub channel
}

func (r *reached) note(name string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.new == nil || len(r.new) >= maxReached {
		r.old, r.new = r.new, make(map[string]int)
	}
	r.new[name] = n
}

// note keeps the answer to a publication, where it counts all connections.
func (c *conn) note(name string, answer interface{ AsInt64() (int64, error) }) {
	if c.link.o.Cluster && c.shards == nil {
		return
	}
	if n, err := answer.AsInt64(); err == nil {
		c.reached.note(name, int(n))
	}
}

func (r *reached) of(name string) (n int, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, known = r.new[name]; !known {
		n, known = r.old[name]
	}
	return n, known
}
