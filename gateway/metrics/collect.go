package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Describe implements prometheus.Collector.
func (s *Set) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.names.ofSet() {
		ch <- d
	}
}

// Collect implements prometheus.Collector: it sums the cells, without stopping
// those who add to them. Each figure is right for some moment of the call, and
// a histogram's count is always the sum of its buckets. Any goroutine may call it.
func (s *Set) Collect(ch chan<- prometheus.Metric) {
	n := &s.names
	counter := func(d *prometheus.Desc, of func(*Cell) *atomic.Uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(s.sum(of)), labels...)
	}
	counter(n.accepted, func(c *Cell) *atomic.Uint64 { return &c.Accepted })
	counter(n.handshakes, func(c *Cell) *atomic.Uint64 { return &c.Handshakes })
	for f := range NumHandshakeFailures {
		counter(n.handshakeFailures, func(c *Cell) *atomic.Uint64 { return &c.HandshakeFailures[f] }, f.String())
	}
	counter(n.tlsHandshakes, func(c *Cell) *atomic.Uint64 { return &c.TLSHandshakes })
	for e := range NumTLSErrors {
		counter(n.tlsErrors, func(c *Cell) *atomic.Uint64 { return &c.TLSErrors[e] }, e.String())
	}
	counter(n.tlsReloads, func(c *Cell) *atomic.Uint64 { return &c.TLSReloads }, "ok")
	counter(n.tlsReloads, func(c *Cell) *atomic.Uint64 { return &c.TLSReloadFailures }, "failed")
	for r := range NumTokenRefusals {
		counter(n.tokenRefusals, func(c *Cell) *atomic.Uint64 { return &c.TokenRefusals[r] }, r.String())
	}
	counter(n.keySetFetches, func(c *Cell) *atomic.Uint64 { return &c.KeySetFetches }, "ok")
	counter(n.keySetFetches, func(c *Cell) *atomic.Uint64 { return &c.KeySetFailures }, "failed")
	counter(n.pages, func(c *Cell) *atomic.Uint64 { return &c.Pages })
	counter(n.bytesIn, func(c *Cell) *atomic.Uint64 { return &c.BytesIn })
	counter(n.bytesOut, func(c *Cell) *atomic.Uint64 { return &c.BytesOut })
	for r := range NumCloseReasons {
		counter(n.closed, func(c *Cell) *atomic.Uint64 { return &c.Closed[r] }, r.String())
	}
	counter(n.messagesIn, func(c *Cell) *atomic.Uint64 { return &c.MessagesIn })
	counter(n.published, func(c *Cell) *atomic.Uint64 { return &c.Published })
	counter(n.compressed, func(c *Cell) *atomic.Uint64 { return &c.Compressed })
	counter(n.compressedBytes, func(c *Cell) *atomic.Uint64 { return &c.CompressedFrom }, "before")
	counter(n.compressedBytes, func(c *Cell) *atomic.Uint64 { return &c.CompressedTo }, "after")
	counter(n.deliveries, func(c *Cell) *atomic.Uint64 { return &c.Deliveries })
	counter(n.writes, func(c *Cell) *atomic.Uint64 { return &c.Writes })
	for r := range NumDropReasons {
		counter(n.drops, func(c *Cell) *atomic.Uint64 { return &c.Drops[r] }, r.String())
	}
	counter(n.gaps, func(c *Cell) *atomic.Uint64 { return &c.Gaps })
	for st := range NumGuardSteps {
		counter(n.guardSteps, func(c *Cell) *atomic.Uint64 { return &c.GuardSteps[st] }, st.String())
	}
	counter(n.panics, func(c *Cell) *atomic.Uint64 { return &c.Panics })

	fanout, count := cumulative(len(fanoutBounds),
		func(i int) float64 { return fanoutBounds[i].Seconds() },
		func(i int) uint64 { return s.sum(func(c *Cell) *atomic.Uint64 { return &c.FanoutSeconds[i] }) })
	nanos := s.sum(func(c *Cell) *atomic.Uint64 { return &c.FanoutNanos })
	ch <- prometheus.MustNewConstHistogram(n.fanout, count, time.Duration(nanos).Seconds(), fanout)

	batch, count := cumulative(NumBatchBuckets-1,
		func(i int) float64 { return float64(uint(1) << i) },
		func(i int) uint64 { return s.sum(func(c *Cell) *atomic.Uint64 { return &c.FramesPerSend[i] }) })
	frames := s.sum(func(c *Cell) *atomic.Uint64 { return &c.FramesSent })
	ch <- prometheus.MustNewConstHistogram(n.batch, count, float64(frames), batch)
}

func (s *Set) sum(of func(*Cell) *atomic.Uint64) uint64 {
	var total uint64
	for i := range s.cells {
		total += of(&s.cells[i]).Load()
	}
	return total
}

// cumulative turns bounds buckets and the one above them, each counted by
// itself, into Prometheus' form, where a bucket includes those below it.
func cumulative(bounds int, bound func(i int) float64, in func(i int) uint64) (buckets map[float64]uint64, count uint64) {
	buckets = make(map[float64]uint64, bounds)
	for i := range bounds {
		count += in(i)
		buckets[bound(i)] = count
	}
	return buckets, count + in(bounds)
}
