package bench

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A run leaves samples that add up to it, and they survive a file.
func TestSeriesOfARun(t *testing.T) {
	url, _ := (&faulty{}).start(t)
	p := hundred(url)
	p.Duration = 1200 * time.Millisecond // 300 messages to 5
	p.PIDs = []int{pid()}
	r := mustRun(t, p)
	if r.Series == nil || len(r.Series.Samples) < 2 {
		t.Fatalf("%+v", r.Series)
	}
	var sum Sample
	last := -1
	for _, x := range r.Series.Samples {
		if x.Index <= last {
			t.Errorf("sample %d follows %d", x.Index, last)
		}
		last = x.Index
		sum.Operations += x.Operations
		sum.Took += x.Took
		sum.ClientCPU += x.ClientCPU
		if x.Memory == 0 || x.Open > 5 || x.Phase == "" || x.Latencies != nil {
			t.Errorf("%+v", x)
		}
		if x.P99 < x.P50 {
			t.Errorf("p50 %v, p99 %v", x.P50, x.P99)
		}
	}
	if sum.Operations != 1500 || sum.Took < p.Duration || sum.ClientCPU <= 0 {
		t.Errorf("together %+v, want 1500 operations in %v or more", sum, p.Duration)
	}
	path := filepath.Join(t.TempDir(), "run.json")
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Series, back.Series); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, path := range []string{"no such file", "series.go", "testdata"} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

// Counts are the counter, whatever is in it.
func TestCounts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var before, c counter
	for range 1000 {
		before.add(rng.Int64N(1e9))
	}
	c = before
	want := new(counter)
	for range 5000 {
		ns := int64(rng.ExpFloat64() * 1e6)
		c.add(ns)
		want.add(ns)
	}
	got := countsBetween(&before, &c).counter()
	if got.n != want.n || got.buckets != want.buckets {
		t.Errorf("%d counts, want %d", got.n, want.n)
	}
	if countsBetween(&c, &c) != nil || counts(nil).plus(nil) != nil {
		t.Error("nothing is something")
	}
	two := countsBetween(&before, &c).plus(countsBetween(&before, &c)).counter()
	if two.n != 2*want.n {
		t.Errorf("%d counts, want %d", two.n, 2*want.n)
	}
	for _, bad := range []counts{{0x80}, {1}, {0xff, 0xff, 0xff, 0x7f, 1}} {
		if c := bad.counter(); c.n != 0 {
			t.Errorf("%v: %d counts", bad, c.n)
		}
	}
}

// A long run has as many samples as a short one, and loses none of its sums.
func TestSeriesIsBounded(t *testing.T) {
	s := Series{Interval: time.Second}
	for i := range 5000 {
		s.add(Sample{Index: i, Took: time.Second, Operations: 2, Errors: 1, Memory: int64(i)})
		if s.Interval > time.Second { // as the sampler does: an index is of the interval
			break
		}
	}
	if s.Interval != 2*time.Second || len(s.Samples) > maxSamples/2+1 {
		t.Fatalf("%d samples of %v", len(s.Samples), s.Interval)
	}
	var sum uint64
	for _, x := range s.Samples {
		sum += x.Operations
	}
	if sum != 2*(maxSamples+1) {
		t.Errorf("%d operations, want %d", sum, 2*(maxSamples+1))
	}
}

// Series of two processes become one, also where one was sampled more coarsely
// or not at all.
func TestSeriesMerge(t *testing.T) {
	one := new(counter)
	one.add(int64(time.Millisecond))
	c := countsBetween(new(counter), one)
	a := &Series{Interval: time.Second, Marks: []Mark{{5, "cut"}}, Samples: []Sample{
		{Index: 0, Open: 1, Operations: 1, Memory: 7, Latencies: c}, {Index: 1, Open: 2, Operations: 1, Latencies: c}, {Index: 3, Open: 3},
	}}
	b := &Series{Interval: 2 * time.Second, Samples: []Sample{{Index: 0, Open: 10, Operations: 10, Latencies: c}, {Index: 2, Open: 20}}}
	got := a.merge(b)
	got.settle(false)
	want := &Series{Interval: 2 * time.Second, Marks: a.Marks, Samples: []Sample{
		{Index: 0, Open: 12, Operations: 12, Memory: 7, P50: got.Samples[0].P50, P99: got.Samples[0].P99},
		{Index: 1, Open: 3},
		{Index: 2, Open: 20},
	}}
	if diff := cmp.Diff(want, got); diff != "" || got.Samples[0].P50.Round(10*time.Microsecond) != time.Millisecond {
		t.Errorf("%v %s", got.Samples[0].P50, diff)
	}
	if a.Interval != time.Second || len(a.Samples) != 3 || (*Series)(nil).merge(a) != a || a.merge(nil) != a {
		t.Error("merge changes what it is given")
	}
}
