package natsbroker

import (
	"sync"

	"sluice/gateway/broker"
)

// outbox is what waits to be written to the connection, and what was written
// and is not confirmed yet. nats.go writes under a lock and may block there, so
// one goroutine does that.
type outbox struct {
	// Static.
	bound int
	wake  chan struct{}

	// Guarded by mu.
	mu    sync.Mutex
	ops   []op
	bytes int // of what waits, and of appends that are not confirmed
	ended bool
}

// op is a message on its way out, or a mark behind those that came before.
type op struct {
	subject, reply string
	data           []byte
	held           bool          // its bytes count until it is confirmed
	lost           func(error)   // told when it was not sent; nil: nobody is
	written        chan struct{} // a mark: closed when all before it is written
}

// opBytes is what an op takes beside its message.
const opBytes = 128

func (p *op) size() int { return len(p.data) + opBytes }

func (o *outbox) init(bound int) {
	o.bound, o.wake = bound, make(chan struct{}, 1)
}

// put appends p. ErrBusy: there is no room; one message has always room.
func (o *outbox) put(p op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return broker.ErrDown
	case o.bytes > 0 && o.bytes+p.size() > o.bound && p.written == nil:
		return broker.ErrBusy
	}
	o.ops = append(o.ops, p)
	o.bytes += p.size()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// reserve counts an append that cannot be put yet.
func (o *outbox) reserve(p *op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return broker.ErrDown
	case o.bytes > 0 && o.bytes+p.size() > o.bound:
		return broker.ErrBusy
	}
	o.bytes += p.size()
	return nil
}

// putReserved appends what was reserved.
func (o *outbox) putReserved(p op) {
	o.mu.Lock()
	o.ops = append(o.ops, p)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// free gives back the bytes of what is written, or confirmed.
func (o *outbox) free(bytes int) {
	o.mu.Lock()
	o.bytes -= bytes
	o.mu.Unlock()
}

func (o *outbox) take(spare []op) []op {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.ops
	o.ops = spare[:0]
	return list
}

// end lets nothing more in.
func (o *outbox) end() {
	o.mu.Lock()
	list := o.ops
	o.ended, o.ops = true, nil
	o.mu.Unlock()
	for i := range list {
		if list[i].lost != nil {
			list[i].lost(broker.ErrDown)
		}
	}
}

// write is the goroutine.
func (c *conn) write() {
	var spare []op
	for {
		select {
		case <-c.closed:
			return
		case <-c.out.wake:
		}
		list := c.out.take(spare)
		for i := range list {
			p := &list[i]
			if p.written != nil {
				close(p.written)
			} else if err := c.publish(p); err != nil {
				c.rejected(p, err)
			}
			if !p.held {
				c.out.free(p.size())
			}
			*p = op{}
		}
		if spare = list; cap(spare) > maxSpare {
			spare = nil
		}
	}
}

func (c *conn) publish(p *op) error {
	if p.reply == "" {
		return c.nc.Publish(p.subject, p.data)
	}
	return c.nc.PublishRequest(p.subject, p.reply, p.data)
}

// maxSpare is the longest list that is kept for the next ops.
const maxSpare = 4096
