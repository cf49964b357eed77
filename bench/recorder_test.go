package bench

import (
	"math"
	"testing"
	"time"
)

func TestBucketsAreNarrow(t *testing.T) {
	last := -1
	for ns := int64(0); ns < 1<<42; ns += 1 + ns/300 {
		i := bucket(ns)
		if i < last {
			t.Fatalf("%d ns is in bucket %d, after %d", ns, i, last)
		}
		last = i
		if d := math.Abs(float64(bucketValue(i) - ns)); d > float64(ns)*0.004+0.5 {
			t.Fatalf("%d ns is shown as %d", ns, bucketValue(i))
		}
	}
	for _, ns := range []int64{-1, math.MinInt64} {
		if bucket(ns) != 0 {
			t.Errorf("%d ns is not in the first bucket", ns)
		}
	}
	if i := bucket(math.MaxInt64); i != len(counter{}.buckets)-1 {
		t.Errorf("the largest value is in bucket %d", i)
	}
}

func TestQuantiles(t *testing.T) {
	var c counter
	if q, err := c.quantiles(); q != nil || err != nil {
		t.Fatalf("quantiles of nothing: %v, %v", q, err)
	}
	for ms := range 1000 {
		c.add(int64(ms+1) * int64(time.Millisecond))
	}
	q, err := c.quantiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want time.Duration
	}{
		{"p50", q.P50, 500 * time.Millisecond},
		{"p90", q.P90, 900 * time.Millisecond},
		{"p99", q.P99, 990 * time.Millisecond},
		{"p99.9", q.P999, 999 * time.Millisecond},
		{"max", q.Max, time.Second},
		{"live p99", c.quantile(0.99), 990 * time.Millisecond},
	} {
		if d := (tt.got - tt.want).Abs(); d > tt.want/100 {
			t.Errorf("%s is %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if q.Count != 1000 || len(q.HDR) == 0 {
		t.Errorf("count %d, %d bytes of histogram", q.Count, len(q.HDR))
	}
}

func TestCounterAllocatesNothing(t *testing.T) {
	var c counter
	if n := testing.AllocsPerRun(1000, func() { c.add(12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
