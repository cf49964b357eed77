package broker

import (
	"errors"
	"fmt"
	"sync"

	"sluice/gateway/hub"
)

// outcome is what becomes of a publication on channels without a history, whose
// publisher waits to be told. Whatever went wrong, it may have been delivered: this
// node's own subscribers have got it.
type outcome struct {
	// Static.
	b        *Broker
	channels []string
	done     func(hub.Receipt, error)

	// Guarded by mu.
	mu   sync.Mutex
	left int   // channels of which nothing is known yet
	err  error // the first
}

// taken is told by the link of each message that the engine has.
func (o *outcome) taken() { o.told(nil) }

// lost is told by the link of each message that the engine did not take, or may not have.
func (o *outcome) lost(err error) {
	o.b.publishLost(err)
	o.told(err)
}

// told takes the outcome for one channel, and tells the publisher after the last.
func (o *outcome) told(err error) {
	o.mu.Lock()
	if o.err == nil {
		o.err = err
	}
	o.left--
	left, err := o.left, o.err
	o.mu.Unlock()
	switch {
	case left > 0:
	case err != nil && !(o.b.o.LocalWhenDown && (errors.Is(err, ErrDown) || errors.Is(err, ErrUnconfirmed))):
		if !errors.Is(err, ErrUnconfirmed) {
			err = fmt.Errorf("the broker did not take it: %w", err)
		}
		o.done(hub.Receipt{}, err)
	default:
		r := hub.Receipt{Nodes: -1}
		if len(o.channels) == 1 && err == nil {
			if n, known := o.b.link.Nodes(o.channels[0]); known {
				r.Nodes = n
			}
		}
		o.done(r, nil)
	}
}
