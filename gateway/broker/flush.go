package broker

import (
	"context"
	"sync"
	"time"
)

// flushTimeout is how long the engine may take to confirm what it was sent.
const flushTimeout = 5 * time.Second

// flushes are publishers that want to hear that the engine has what they
// published. All who wait share one flush.
type flushes struct {
	// Guarded by mu.
	mu      sync.Mutex
	waiting []func(error)

	wake chan struct{}
}

func (f *flushes) init() { f.wake = make(chan struct{}, 1) }

func (f *flushes) add(done func(error)) {
	f.mu.Lock()
	f.waiting = append(f.waiting, done)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flushes) take() []func(error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.waiting
	f.waiting = nil
	return list
}

// flush is the goroutine.
func (b *Broker) flush() {
	for {
		select {
		case <-b.ctx.Done():
			for _, done := range b.flushes.take() {
				done(ErrDown)
			}
			return
		case <-b.flushes.wake:
		}
		list := b.flushes.take()
		if len(list) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(b.ctx, flushTimeout)
		err := b.link.Flush(ctx)
		cancel()
		for _, done := range list {
			done(err)
		}
	}
}
