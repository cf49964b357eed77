package bench

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A client that cannot connect waits for a random time of up to firstBackOff, twice
// as much with each failure in a row, and never above lastBackOff.
const (
	firstBackOff = 200 * time.Millisecond
	lastBackOff  = 5 * time.Second
)

// failureKind names why a dial failed, in a word or two.
func failureKind(err error) string {
	var status *statusError
	switch {
	case errors.As(err, &status):
		return "HTTP " + strings.Trim(status.status, "\x00 ")
	case errors.Is(err, errTimeout), errors.Is(err, unix.ETIMEDOUT):
		return "timeout"
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, errRefused):
		return "refused by the protocol"
	case errors.Is(err, errEnded), errors.Is(err, unix.ECONNRESET):
		return "ended by the server"
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "no port or file left here"
	default:
		return "other"
	}
}

// comeback dials again for connections that have ended, and tries again, with
// back-off, where that fails.
type comeback struct {
	// Static after construction.
	swarm    *swarm
	clock    clock
	patience time.Duration // of a handshake

	// Owned by the loop.
	rand       *rand.Rand
	returns    agenda
	tries      []uint8 // by index: failures in a row
	failures   map[string]uint64
	first      error
	dials      uint64
	nextExpiry int64
}

func newComeback(r *run) *comeback {
	return &comeback{
		swarm:    r.swarm,
		clock:    r.clock,
		patience: r.plan.DialTimeout,
		rand:     rand.New(rand.NewPCG(r.plan.Seed, uint64(r.share.part))),
		tries:    make([]uint8, len(r.swarm.conns)),
		failures: map[string]uint64{},
	}
}

// What is done between two looks at the sockets and the plan is bounded by number
// and by time: where most local ports are taken, the kernel looks for a free one for
// a millisecond.
const (
	dialsAtOnce = 32
	stepBudget  = 2 * time.Millisecond
)

// later has connection i dial at a random time within jitter; 0: at once.
func (c *comeback) later(i int, now int64, jitter time.Duration) {
	if jitter > 0 {
		now += c.rand.Int64N(int64(jitter))
	}
	c.returns.add(now, i)
}

// dial dials for those whose time has come, tells each of them to about, and says
// how long that will be nobody's.
func (c *comeback) dial(now int64, about func(i int)) time.Duration {
	if now >= c.nextExpiry {
		c.nextExpiry = now + int64(100*time.Millisecond)
		c.swarm.expire(now, int64(c.patience))
	}
	for range dialsAtOnce {
		next, ok := c.returns.due(now)
		if !ok {
			break
		}
		c.dials++
		about(next.index)
		if err := c.swarm.open(next.index); err != nil {
			c.failed(next.index, err)
		}
		if c.clock.now()-now > int64(stepBudget) {
			break
		}
	}
	return c.returns.wait(now)
}

// failed is for a dial of connection i that did not succeed.
func (c *comeback) failed(i int, err error) {
	c.failures[failureKind(err)]++
	if c.first == nil {
		c.first = err
	}
	c.tries[i] = min(c.tries[i]+1, 100)
	c.later(i, c.clock.now(), c.backOff(int(c.tries[i])))
}

// succeeded is for a dial of connection i that did.
func (c *comeback) succeeded(i int) { c.tries[i] = 0 }

// backOff is the longest wait after so many failures in a row.
func (c *comeback) backOff(failures int) time.Duration {
	return min(firstBackOff<<min(failures-1, 10), lastBackOff)
}

// tell adds what was tried to a section.
func (c *comeback) tell(s *section) {
	for _, kind := range slices.Sorted(maps.Keys(c.failures)) {
		s.count("failed dials: "+kind, c.failures[kind])
	}
	if c.first != nil {
		s.note("the first: %v", c.first)
	}
}
