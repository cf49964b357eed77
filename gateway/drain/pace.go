package drain

import (
	"math"
	"time"
)

// Limit is what holds a drain back.
type Limit string

// Limits.
const (
	NoLimit     Limit = ""             // nothing: it goes by its plan's time
	MaxRate     Limit = "max_rate"     // Plan.MaxRate
	NoRoom      Limit = "room"         // what the other nodes can take
	NoSurvivors Limit = "no_survivors" // no other node takes connections
)

// pace says how many connections are told to leave by when.
type pace struct {
	plan  Plan
	begun time.Time

	even   float64   // connections a second by the plan; 0: not known yet
	last   time.Time // of next
	others bool      // there were some: when they have gone, or are not heard, it is not as if there were none
	credit float64   // connections that may be told now
	recent [10]told  // what was told lately, a tenth of a second each
}

// told is how many were told within one tenth of a second.
type told struct {
	at int64 // tenths since begun
	n  int
}

func newPace(p Plan, now time.Time) *pace {
	return &pace{plan: p, begun: now, last: now, credit: 1} // the first one need not wait
}

// maxCredit bounds what may be made up for after the process stood still, in seconds of the rate.
const maxCredit = 0.25

// hurry is how much faster than by its plan a drain may go to make up for what it
// missed: others are to take its clients as they were told. It takes longer then.
const hurry = 1.2

// slow is how many a second are never too many.
const slow = 10

// next is how many of the open connections are to be told now, and what allows no more.
func (p *pace) next(now time.Time, open int, room Room) (n int, limit Limit) {
	elapsed := now.Sub(p.last).Seconds()
	p.last = now
	if !p.plan.Deadline.IsZero() && !now.Before(p.plan.Deadline) {
		return open, NoLimit
	}
	rate := math.Inf(1)
	// All have been told a step before the end: one alone need not wait. Who is open now
	// leaves from the last step on: else too many would, after the process stood still.
	if left := p.plan.Over - now.Sub(p.begun) - step; left > 0 {
		rate = float64(open) / (left.Seconds() + elapsed)
	}
	if p.plan.Over > 0 {
		if p.even == 0 {
			p.even = float64(open) / p.plan.Over.Seconds()
		}
		most := hurry * max(p.even, slow)
		if !p.plan.Deadline.IsZero() { // who is left then goes all at once
			most = max(most, float64(open)/p.plan.Deadline.Sub(now).Seconds())
		}
		rate = min(rate, most)
	}
	if bound := float64(p.plan.MaxRate); p.plan.MaxRate > 0 && rate > bound {
		rate, limit = bound, MaxRate
	}
	p.others = p.others || !room.Alone
	spared := p.others && (room.Nodes > 0 || p.plan.Deadline.IsZero() && !p.plan.Force)
	if spared && rate > room.Rate {
		rate, limit = room.Rate, NoRoom
	}
	if spared && room.Nodes == 0 {
		rate, limit = 0, NoSurvivors
	}
	if math.IsInf(rate, 1) {
		return open, limit
	}
	p.credit = min(p.credit+rate*elapsed, max(1, rate*maxCredit))
	if rate == 0 {
		p.credit = 0
	}
	n = min(int(p.credit), open)
	if spared {
		// Who was told within the last second is not yet in the others' figures.
		if places := room.Places - p.rate(now); n > places {
			n, limit = max(0, places), NoRoom
		}
	}
	return n, limit
}

// told notes that n were told.
func (p *pace) told(now time.Time, n int) {
	p.credit = max(0, p.credit-float64(n))
	at := int64(now.Sub(p.begun) / (100 * time.Millisecond))
	r := &p.recent[at%int64(len(p.recent))]
	if r.at != at {
		*r = told{at: at}
	}
	r.n += n
}

// rate is how many were told in the last second.
func (p *pace) rate(now time.Time) (n int) {
	at := int64(now.Sub(p.begun) / (100 * time.Millisecond))
	for _, r := range p.recent {
		if at-r.at < int64(len(p.recent)) {
			n += r.n
		}
	}
	return n
}
