package bench

import (
	"math"
	"time"
)

// share is the part of a plan that one of several processes runs. The zero
// value is all of it.
//
// All processes mean the same connection by a number, so that which channel,
// address and URL it has does not depend on how many processes there are: number
// n belongs to process n mod parts, which knows it by the index n / parts. So is
// it with publishers and with events of a pacer. A swarm, and what a scenario
// keeps by connection, goes by index.
type share struct {
	part   int // which process this is, from 0
	others int // how many more there are
}

func (s share) parts() int { return s.others + 1 }

// alone says that there is one process.
func (s share) alone() bool { return s.others == 0 }

// leads is true in one of the processes: the one that measures what is there
// once, such as the server's memory.
func (s share) leads() bool { return s.part == 0 }

// owns says whether number n is of this share.
func (s share) owns(n int) bool { return n%(s.others+1) == s.part }

// index of number n, which the share owns; -1 when it does not.
func (s share) index(n int) int {
	if !s.owns(n) {
		return -1
	}
	return n / (s.others + 1)
}

// number is what index i is called by all.
//
// hot: once per received message.
func (s share) number(i int) int { return i*(s.others+1) + s.part }

// count is how many of the numbers below n the share owns, which are the indexes below it.
func (s share) count(n int) int { return max(0, n-s.part+s.others) / (s.others + 1) }

// due is how many of the share's events are due, and planned when its event k is.
func (s share) due(p Pacer, elapsed time.Duration) uint64 {
	n := p.Due(elapsed)
	if n > math.MaxInt64/2 {
		return n // all at once
	}
	return uint64(s.count(int(n)))
}

func (s share) planned(p Pacer, k uint64) time.Duration {
	return p.Planned(uint64(s.number(int(k))))
}
