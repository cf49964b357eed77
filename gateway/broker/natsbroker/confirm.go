package natsbroker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/gateway/broker"
)

// confirmTimeout is how long the server may take to confirm what it was sent.
const confirmTimeout = 5 * time.Second

// confirms are messages that are written, and whose publishers want to hear that
// the server has them. It confirms nothing that is published, but answers a PING when it
// has what came before: all who wait share one.
type confirms struct {
	// Guarded by mu.
	mu      sync.Mutex
	waiting []op

	wake chan struct{}
}

func (f *confirms) init() { f.wake = make(chan struct{}, 1) }

func (f *confirms) add(p op) {
	f.mu.Lock()
	f.waiting = append(f.waiting, p)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *confirms) take() []op {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.waiting
	f.waiting = nil
	return list
}

// confirm is the goroutine.
func (c *conn) confirm() {
	for {
		select {
		case <-c.closed:
			return
		case <-c.confirms.wake:
		}
		list := c.confirms.take()
		if len(list) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), confirmTimeout)
		err := c.nc.FlushWithContext(ctx)
		cancel()
		settle(list, err)
	}
}

// settle tells the publishers of messages that were written.
func settle(list []op, err error) {
	if err != nil {
		err = fmt.Errorf("%w: %w", broker.ErrUnconfirmed, err)
	}
	for _, p := range list {
		switch {
		case err == nil:
			p.taken()
		case p.lost != nil:
			p.lost(err)
		}
	}
}
