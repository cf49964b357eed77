package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/ws"
)

// Connections come and go as fast as they can, politely or not, some with full
// queues, while others just listen: their descriptors are used again at once.
// Nobody is cut who did not leave, nobody gets bytes of a predecessor, and the
// listeners miss nothing. An event that hit the next owner of a descriptor
// would show as any of these.
func TestDescriptorsAreUsedAgain(t *testing.T) {
	visits := 300
	if raceEnabled {
		visits = 100
	}
	r := newRig().start(t)
	const listeners, visitors, slow = 10, 6, 2
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range listeners {
		c := r.dial(t)
		wg.Go(func() {
			if err := c.sequence(1 << 62); !errors.Is(err, errLast) {
				t.Errorf("a listener: %v", err)
			}
		})
	}
	r.conns(t, listeners)

	var comeAndGo sync.WaitGroup
	for v := range visitors {
		comeAndGo.Go(func() {
			for i := range visits {
				if err := r.visit((v + i) % 3); err != nil {
					t.Errorf("visitor %d, visit %d: %v", v, i, err)
					return
				}
			}
		})
	}
	for range slow { // the hub cuts them for being slow
		comeAndGo.Go(func() {
			for range visits / 20 {
				c, err := connectNarrow(r.Addresses()[0])
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.upgrade("/?channel=heavy"); err != nil {
					t.Error(err)
				}
				for range 64 {
					_, _ = r.h.Publish([]string{"heavy"}, hub.Publication{Payload: make([]byte, 64<<10), Binary: true})
				}
				c.reset()
			}
		})
	}
	published := make(chan uint64)
	go func() {
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				published <- i
				return
			case <-tick.C:
			}
			_, _ = r.h.Publish([]string{"c"}, hub.Publication{Payload: binary.BigEndian.AppendUint64(nil, i), Binary: true})
		}
	}()
	comeAndGo.Wait()
	close(stop)
	n := <-published
	r.publish(t, []byte("last"))
	wg.Wait()
	t.Logf("%d messages, %d connections", n, r.set.Edge().Accepted.Load())
	eventually(t, "the visitors to be gone", func() bool {
		all, handshaking := r.Connections()
		return all == listeners && handshaking == 0
	})
}

// visit joins, reads a few messages and leaves in one of three ways.
func (r *rig) visit(way int) error {
	c, err := connect(r.Addresses()[0])
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.upgrade("/"); err != nil {
		return err
	}
	if err := c.sequence(3); err != nil {
		return err
	}
	switch way {
	case 0:
		c.reset()
	case 1:
		if _, err := c.Write(closing(ws.NormalClosure)); err != nil {
			return err
		}
		for {
			op, _, err := c.frame()
			if err != nil {
				return fmt.Errorf("after our close frame: %w", err)
			}
			if op == ws.Close {
				return nil
			}
		}
	}
	return nil
}

// errLast: the publisher said that this was all.
var errLast = errors.New("the last message")

// sequence reads n messages, of which each is the successor of the one before.
func (c *client) sequence(n int) error {
	var next uint64
	for i := range n {
		op, p, err := c.frame()
		switch {
		case err != nil:
			return err
		case string(p) == "last":
			return errLast
		case op != ws.Binary || len(p) != 8:
			return fmt.Errorf("got %v %q", op, p)
		}
		got := binary.BigEndian.Uint64(p)
		if i > 0 && got != next {
			return fmt.Errorf("message %d came where %d was due", got, next)
		}
		next = got + 1
	}
	return nil
}
