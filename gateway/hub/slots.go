package hub

import (
	"sync"
	"sync/atomic"
)

// chunkSize is how many slots are allocated together. Chunks never move, so a
// poller can note a sign of life while the shard's goroutine sweeps.
const chunkSize = 1024

// chunk is a piece of the dense arrays that the sweep walks: it reads 4 bytes
// of a silent connection, and follows a pointer only to ping or to cut it.
type chunk struct {
	seen   [chunkSize]atomic.Uint32 // tick of the last sign of life
	gen    [chunkSize]atomic.Uint32 // tells the slot's users apart, 1 to maxGen
	pinged [chunkSize]uint32        // tick of the last ping; owned by the shard's goroutine
	subs   [chunkSize]*Subscriber   // owned by the shard's goroutine
	ends   *[chunkSize]end          // owned by the shard's goroutine; nil while nobody in the chunk has one
}

// slots hands out a shard's slots.
type slots struct {
	// Guarded by mu.
	mu     sync.Mutex
	chunks []*chunk
	free   []uint32
	next   uint32
}

// take returns a free slot and its chunk. Any goroutine may call it.
func (p *slots) take() (*chunk, uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var slot uint32
	if n := len(p.free); n > 0 {
		slot = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		slot = p.next
		p.next++
		if int(slot/chunkSize) == len(p.chunks) {
			c := new(chunk)
			for i := range c.gen {
				c.gen[i].Store(1)
			}
			p.chunks = append(p.chunks, c)
		}
	}
	return p.chunks[slot/chunkSize], slot
}

// put gives a slot back. Its generation has moved on, so that an old ID does not name its next user.
func (p *slots) put(c *chunk, slot uint32) {
	i := slot % chunkSize
	c.subs[i] = nil
	c.pinged[i] = 0
	if c.ends != nil {
		c.ends[i] = end{}
	}
	c.gen[i].Store(max((c.gen[i].Load()+1)&maxGen, 1))
	p.mu.Lock()
	p.free = append(p.free, slot)
	p.mu.Unlock()
}

// all returns the chunks there are. They stay valid; the shard's goroutine may walk them.
func (p *slots) all() []*chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.chunks
}
