package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// Series is how a run went over time.
type Series struct {
	// Interval is the length of a sample. Sample k is of the time from k to k+1
	// intervals after the run's start; where nothing was sampled there is none.
	Interval time.Duration `json:"interval_ns"`
	Samples  []Sample      `json:"samples"`
	Marks    []Mark        `json:"marks,omitempty"`
}

// Sample is one interval of a run. Where it says so, a figure is of the server's
// processes, and 0 when none was given.
type Sample struct {
	Index      int           `json:"index"`
	Phase      string        `json:"phase"`
	Took       time.Duration `json:"took_ns"` // since the sample before
	Open       int           `json:"open"`    // connections, at its end
	Operations uint64        `json:"operations"`
	Errors     uint64        `json:"errors,omitempty"` // failed dials, lost connections
	P50        time.Duration `json:"p50_ns,omitempty"`
	P99        time.Duration `json:"p99_ns,omitempty"`
	ServerCPU  time.Duration `json:"server_cpu_ns,omitempty"`
	ClientCPU  time.Duration `json:"client_cpu_ns,omitempty"`
	Memory     int64         `json:"server_memory,omitempty"` // anonymous, resident, at its end

	// Latencies are the counts behind P50 and P99. They are dropped once nothing
	// is merged any more.
	Latencies counts `json:"latencies,omitempty"`
}

// Mark is a moment with a name, such as that of a cut.
type Mark struct {
	At   time.Duration `json:"at_ns"` // since the run's start
	Name string        `json:"name"`
}

const (
	sampleInterval = 250 * time.Millisecond // at first
	maxSamples     = 600                    // with one more, neighbours are joined
)

// sampler makes the series of a run, on the account of its loop.
type sampler struct {
	series Series
	next   int64    // when the next sample ends; CLOCK_MONOTONIC ns
	last   int64    // when the last one did
	each   *counter // whose latencies the last sample ended with
	seen   counter  // what it had counted by then
	used   usage
	done   uint64
	errors uint64
}

// sample takes a sample when its time has come. Reading the server's processes
// costs some 0.2 ms, which at four times a second is a thousandth of the loop.
func (r *run) sample(now int64) {
	s := &r.sampler
	if now < s.next {
		return
	}
	if s.series.Interval == 0 {
		s.series.Interval = sampleInterval
		s.last = r.started
		s.next = r.started + int64(sampleInterval)
		s.used, _ = r.usage()
		return
	}
	r.takeSample(now)
	s.next = r.started + (int64(s.series.last().Index)+2)*int64(s.series.Interval)
}

// takeSample ends the sample that is under way. Late ones count to the interval
// in which most of their time was spent.
func (r *run) takeSample(now int64) {
	s := &r.sampler
	took := now - s.last
	if s.series.Interval == 0 || took <= 0 {
		return
	}
	done, errors := r.operations(), uint64(r.result.Failed+r.result.Lost)
	x := Sample{
		Index:      int((now - took/2 - r.started) / int64(s.series.Interval)),
		Phase:      r.phase,
		Took:       time.Duration(took),
		Open:       r.swarm.count[open],
		Operations: done - min(s.done, done),
		Errors:     errors - min(s.errors, errors),
		Latencies:  s.fresh(r.each),
	}
	if used, err := r.usage(); err == nil { // else the server has ended
		x.ServerCPU, x.ClientCPU = used.server-s.used.server, used.client-s.used.client
		s.used = used
	}
	if len(r.plan.PIDs) > 0 {
		x.Memory, _ = rssAnon(r.plan.PIDs)
	}
	s.last, s.done, s.errors = now, done, errors
	s.series.add(x)
}

// operations is how many there were so far.
func (r *run) operations() uint64 {
	if r.result.Operation == "handshake" {
		return r.handshakes.n
	}
	return r.done
}

// mark gives this moment a name in the series.
func (r *run) mark(name string) {
	r.sampler.series.Marks = append(r.sampler.series.Marks, Mark{time.Duration(r.clock.now() - r.started), name})
}

// fresh is what each has counted since the sample before.
func (s *sampler) fresh(each *counter) counts {
	if each == nil {
		return nil
	}
	if each != s.each || each.n < s.seen.n { // another one, or it was reset
		s.each, s.seen = each, counter{}
	}
	out := countsBetween(&s.seen, each)
	if out != nil {
		s.seen = *each
	}
	return out
}

func (s *Series) last() *Sample {
	if len(s.Samples) == 0 {
		return &Sample{Index: -1}
	}
	return &s.Samples[len(s.Samples)-1]
}

// add appends a sample, and makes room when there are too many.
func (s *Series) add(x Sample) {
	if l := s.last(); l.Index >= x.Index {
		l.follow(x)
	} else {
		s.Samples = append(s.Samples, x)
	}
	for len(s.Samples) > maxSamples {
		s.coarsen()
	}
}

// coarsen doubles the interval.
func (s *Series) coarsen() {
	s.Interval *= 2
	old := s.Samples
	s.Samples = old[:0]
	for _, x := range old {
		x.Index /= 2
		if l := s.last(); len(s.Samples) > 0 && l.Index == x.Index {
			l.follow(x)
		} else {
			s.Samples = append(s.Samples, x)
		}
	}
}

// follow makes x, which came right after it, a part of the sample.
func (a *Sample) follow(x Sample) {
	a.Phase, a.Open = x.Phase, x.Open
	a.Took += x.Took
	a.Memory = max(a.Memory, x.Memory)
	a.sum(&x)
}

// beside makes x, of another process at the same time, a part of the sample.
func (a *Sample) beside(x Sample) {
	a.Open += x.Open
	a.Took = max(a.Took, x.Took)
	a.Memory += x.Memory // one process reads it
	a.sum(&x)
}

func (a *Sample) sum(x *Sample) {
	a.Operations += x.Operations
	a.Errors += x.Errors
	a.ServerCPU += x.ServerCPU
	a.ClientCPU += x.ClientCPU
	a.Latencies = a.Latencies.plus(x.Latencies)
}

// merge makes the series that of both processes. The marks are the first one's:
// all processes come to the same moments.
func (s *Series) merge(o *Series) *Series {
	if s == nil || o == nil {
		if s == nil {
			return o
		}
		return s
	}
	out := &Series{Interval: s.Interval, Samples: slices.Clone(s.Samples), Marks: s.Marks}
	other := &Series{Interval: o.Interval, Samples: slices.Clone(o.Samples)}
	for out.Interval < other.Interval {
		out.coarsen()
	}
	for other.Interval < out.Interval {
		other.coarsen()
	}
	for _, x := range other.Samples {
		k, found := slices.BinarySearchFunc(out.Samples, x.Index, func(y Sample, at int) int { return y.Index - at })
		if found {
			out.Samples[k].beside(x)
		} else {
			out.Samples = slices.Insert(out.Samples, k, x)
		}
	}
	return out
}

// settle computes the quantiles of each sample, and drops the counts behind them
// unless they are still to be merged.
func (s *Series) settle(keep bool) {
	for i := range s.Samples {
		x := &s.Samples[i]
		if c := x.Latencies.counter(); c.n > 0 {
			x.P50, x.P99 = c.quantile(0.50), c.quantile(0.99)
		}
		if !keep {
			x.Latencies = nil
		}
	}
}

// counts is a counter as the pairs (distance to the bucket before, count) of the
// buckets that are not empty, in varints.
type counts []byte

// countsBetween is what c has counted since it was as before; nil: nothing.
func countsBetween(before, c *counter) (out counts) {
	if c.n == before.n {
		return nil
	}
	at := 0
	for i, n := range &c.buckets {
		if n -= before.buckets[i]; n > 0 {
			out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(i-at)), n)
			at = i
		}
	}
	return out
}

// counter is the counter again. What is no such thing counts nothing.
func (b counts) counter() *counter {
	c := new(counter)
	at := uint64(0)
	for len(b) > 0 {
		distance, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		count, m := binary.Uvarint(b[n:])
		if at += distance; m <= 0 || at >= uint64(len(c.buckets)) {
			break
		}
		c.buckets[at] += count
		c.n += count
		c.max = max(c.max, bucketValue(int(at)))
		b = b[n+m:]
	}
	return c
}

func (b counts) plus(o counts) counts {
	if len(b) == 0 {
		return o
	}
	if len(o) == 0 {
		return b
	}
	c := b.counter()
	for i, n := range &o.counter().buckets {
		c.buckets[i] += n
		c.n += n
	}
	return countsBetween(new(counter), c)
}

// validate says what is wrong with a series that was read from a file.
func (s *Series) validate() error {
	if s.Interval <= 0 {
		return fmt.Errorf("bench: series: interval %v", s.Interval)
	}
	for i, x := range s.Samples {
		if i > 0 && x.Index <= s.Samples[i-1].Index || x.Index < 0 || x.Index > math.MaxInt32 {
			return fmt.Errorf("bench: series: sample %d is out of order", i)
		}
	}
	return nil
}

// At is when the sample ended, since the run's start.
func (s *Series) At(x *Sample) time.Duration { return time.Duration(x.Index+1) * s.Interval }
