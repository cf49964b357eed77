package bench

import (
	"container/heap"
	"time"
)

// agenda is what connections are to do at later times. The zero value is empty.
type agenda struct{ items appointments }

type appointment struct {
	at    int64 // CLOCK_MONOTONIC ns
	index int   // of the connection
}

func (a *agenda) add(at int64, index int) { heap.Push(&a.items, appointment{at, index}) }

// due takes the earliest appointment out when its time has come.
func (a *agenda) due(now int64) (d appointment, ok bool) {
	if len(a.items) == 0 || a.items[0].at > now {
		return appointment{}, false
	}
	return heap.Pop(&a.items).(appointment), true
}

// wait is how long nothing will be due, at most maxWait.
func (a *agenda) wait(now int64) time.Duration {
	if len(a.items) == 0 {
		return maxWait
	}
	return min(maxWait, time.Duration(a.items[0].at-now))
}

type appointments []appointment

func (h appointments) Len() int           { return len(h) }
func (h appointments) Less(i, j int) bool { return h[i].at < h[j].at }
func (h appointments) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *appointments) Push(x any)        { *h = append(*h, x.(appointment)) }
func (h *appointments) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
