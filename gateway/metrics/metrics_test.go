package metrics

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write the golden file anew")

func gather(t *testing.T, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily, len(list))
	for _, f := range list {
		families[f.GetName()] = f
	}
	return families
}

func labels(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.GetLabel() {
		fmt.Fprintf(&b, "{%s=%q}", l.GetName(), l.GetValue())
	}
	return b.String()
}

// TestNamesGolden holds names, types and label values to testdata/names.golden:
// they are a contract with dashboards and alerts.
func TestNamesGolden(t *testing.T) {
	families := gather(t, NewRegistry(NewSet(2), Options{
		Version: "v1.2.3",
		Gauges: func() Gauges {
			return Gauges{InboxDepth: make([]int, 2), KeySetAge: time.Second, GuardUsed: 0.5, Draining: true, TLS: new(TLSGauges), Broker: new(BrokerFigures)}
		},
	}))
	var lines []string
	for name, f := range families {
		if !strings.HasPrefix(name, "sluice_") {
			continue
		}
		if f.GetHelp() == "" {
			t.Errorf("%s has no help text", name)
		}
		if counter := f.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s: a name ends in _total if and only if it is a counter's, this is a %v", name, f.GetType())
		}
		for _, m := range f.GetMetric() {
			lines = append(lines, fmt.Sprintf("%s%s %s\n", name, labels(m), strings.ToLower(f.GetType().String())))
		}
	}
	sort.Strings(lines)
	got := strings.Join(lines, "")
	const golden = "testdata/names.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("names differ from %s (-update writes it anew):\n%s", golden, diff)
	}
}

func TestRegistryHasRuntimeMetrics(t *testing.T) {
	families := gather(t, NewRegistry(NewSet(1), Options{}))
	for _, name := range []string{"go_goroutines", "go_gc_duration_seconds", "process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestReasonNames: each reason has one name, and no two share it.
func TestReasonNames(t *testing.T) {
	tables := map[string][]string{
		"drop":      dropReasons[:],
		"close":     closeReasons[:],
		"handshake": handshakeFailures[:],
		"token":     tokenRefusals[:],
		"guard":     guardSteps[:],
	}
	for table, names := range tables {
		seen := map[string]bool{"unknown": true}
		for i, name := range names {
			if name == "" || seen[name] {
				t.Errorf("%s reason %d: name %q is empty or taken", table, i, name)
			}
			seen[name] = true
		}
	}
	if got := []string{NumDropReasons.String(), NumCloseReasons.String(), HandshakeFailure(255).String()}; !cmp.Equal(got, []string{"unknown", "unknown", "unknown"}) {
		t.Errorf("outside the tables: %q", got)
	}
}

func TestCellsOfASet(t *testing.T) {
	s := NewSet(3)
	if s.Shards() != 3 {
		t.Errorf("Shards() = %d, want 3", s.Shards())
	}
	seen := map[*Cell]bool{s.Edge(): true}
	for i := range 3 {
		if c := s.Cell(i); seen[c] || c != s.Cell(i) {
			t.Errorf("cell %d is another's, or not always the same", i)
		} else {
			seen[c] = true
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Cell(3) of 3 shards is the edge's cell; want a panic")
		}
	}()
	s.Cell(3)
}

// TestSums: each figure is the sum over all cells, the edge's among them.
func TestSums(t *testing.T) {
	s := NewSet(2)
	for i, c := range []*Cell{s.Cell(0), s.Cell(1), s.Edge()} {
		n := uint64(1) << (8 * i)
		c.Accepted.Add(n)
		c.Handshakes.Add(2 * n)
		c.HandshakeFailures[HandshakeOrigin].Add(3 * n)
		c.Pages.Add(4 * n)
		c.BytesIn.Add(5 * n)
		c.BytesOut.Add(6 * n)
		c.Closed[CloseIdle].Add(7 * n)
		c.MessagesIn.Add(8 * n)
		c.Published.Add(9 * n)
		c.Deliveries.Add(10 * n)
		c.Writes.Add(11 * n)
		c.Drops[DropOldest].Add(12 * n)
		c.Panics.Add(13 * n)
	}
	r := NewRegistry(s, Options{Version: "v1", Gauges: func() Gauges {
		return Gauges{Handshaking: 1, Open: 2, Closing: 3, InboxDepth: []int{4, 5}, QueuedBytes: 6, Channels: 7}
	}})
	got := map[string]float64{}
	for name, f := range gather(t, r) {
		if !strings.HasPrefix(name, "sluice_") || name == "sluice_node_anonymous_memory_bytes" {
			continue
		}
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				got[name+labels(m)] = v
			}
		}
	}
	const each = 1 + 1<<8 + 1<<16
	want := map[string]float64{
		"sluice_edge_accepted_connections_total":                 1 * each,
		"sluice_edge_handshakes_total":                           2 * each,
		`sluice_edge_handshake_failures_total{reason="origin"}`:  3 * each,
		"sluice_edge_pages_total":                                4 * each,
		"sluice_edge_read_bytes_total":                           5 * each,
		"sluice_edge_written_bytes_total":                        6 * each,
		`sluice_session_closed_connections_total{reason="idle"}`: 7 * each,
		"sluice_session_received_messages_total":                 8 * each,
		"sluice_hub_publications_total":                          9 * each,
		"sluice_hub_deliveries_total":                            10 * each,
		"sluice_hub_writes_total":                                11 * each,
		`sluice_hub_dropped_messages_total{reason="oldest"}`:     12 * each,
		"sluice_node_panics_total":                               13 * each,
		`sluice_session_connections{state="handshaking"}`:        1,
		`sluice_session_connections{state="open"}`:               2,
		`sluice_session_connections{state="closing"}`:            3,
		`sluice_hub_inbox_publications{shard="0"}`:               4,
		`sluice_hub_inbox_publications{shard="1"}`:               5,
		"sluice_hub_queued_bytes":                                6,
		"sluice_hub_channels":                                    7,
		`sluice_node_info{version="v1"}`:                         1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestObserveFanout(t *testing.T) {
	bounds := FanoutBounds()
	for i, d := range bounds {
		if i > 0 && d <= bounds[i-1] {
			t.Fatalf("bound %d is not above the one before", i)
		}
		for _, v := range []struct {
			d  time.Duration
			in int
		}{{d - 1, i}, {d, i}, {d + 1, i + 1}} {
			var c Cell
			c.ObserveFanout(v.d, 3)
			if got := c.FanoutSeconds[v.in].Load(); got != 3 {
				t.Errorf("ObserveFanout(%v, 3): bucket %d has %d", v.d, v.in, got)
			}
			if got, want := c.FanoutNanos.Load(), 3*uint64(v.d); got != want {
				t.Errorf("ObserveFanout(%v, 3): sum %d, want %d", v.d, got, want)
			}
		}
	}
	var c Cell
	c.ObserveFanout(-time.Second, 1)
	c.ObserveFanout(time.Second, 0)
	c.ObserveFanout(time.Second, -1)
	if c.FanoutSeconds[0].Load() != 1 || c.FanoutNanos.Load() != 0 {
		t.Error("a negative time is not 0, or no batches counted as some")
	}
}

func TestObserveBatch(t *testing.T) {
	tests := map[int]int{1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 8: 3, 1023: 10, 1024: 10, 1025: 11, 1 << 30: 11}
	for frames, in := range tests {
		var c Cell
		c.ObserveBatch(frames)
		if c.FramesPerSend[in].Load() != 1 || c.FramesSent.Load() != uint64(frames) {
			t.Errorf("ObserveBatch(%d): not in bucket %d", frames, in)
		}
	}
	var c Cell
	c.ObserveBatch(0)
	c.ObserveBatch(-1)
	if c.FramesPerSend[0].Load()+c.FramesPerSend[NumBatchBuckets-1].Load() != 0 {
		t.Error("no frames counted as a batch")
	}
}

func TestHistograms(t *testing.T) {
	s := NewSet(1)
	s.Cell(0).ObserveFanout(300*time.Microsecond, 2)
	s.Edge().ObserveFanout(time.Minute, 1)
	s.Cell(0).ObserveBatch(1)
	s.Cell(0).ObserveBatch(5000)
	families := gather(t, NewRegistry(s, Options{}))

	h := families["sluice_hub_fanout_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 3 || h.GetSampleSum() != 60.0006 {
		t.Errorf("fan-out: count %d sum %v, want 3 and 60.0006", h.GetSampleCount(), h.GetSampleSum())
	}
	var got []uint64
	for _, b := range h.GetBucket() {
		got = append(got, b.GetCumulativeCount())
	}
	if want := []uint64{0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}; !cmp.Equal(want, got) {
		t.Errorf("fan-out buckets %v, want %v", got, want)
	}

	h = families["sluice_hub_batch_frames"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 2 || h.GetSampleSum() != 5001 {
		t.Errorf("batches: count %d sum %v, want 2 and 5001", h.GetSampleCount(), h.GetSampleSum())
	}
	if b := h.GetBucket(); len(b) != NumBatchBuckets-1 || b[0].GetUpperBound() != 1 || b[10].GetUpperBound() != 1024 || b[10].GetCumulativeCount() != 1 {
		t.Errorf("batch buckets: %v", b)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := NewSet(1).Cell(0)
	if n := testing.AllocsPerRun(100, func() {
		c.ObserveFanout(3*time.Millisecond, 7)
		c.ObserveBatch(12)
		c.Drops[DropOldest].Add(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestScrapeWhileCounting: a histogram's buckets and count agree in each scrape.
func TestScrapeWhileCounting(t *testing.T) {
	s := NewSet(1)
	r := NewRegistry(s, Options{})
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.Cell(0).ObserveFanout(time.Hour, 1)
				s.Cell(0).ObserveFanout(time.Millisecond, 1)
			}
		}
	})
	for range 20 {
		h := gather(t, r)["sluice_hub_fanout_seconds"].GetMetric()[0].GetHistogram()
		if last := h.GetBucket()[len(fanoutBounds)-1].GetCumulativeCount(); last > h.GetSampleCount() {
			t.Fatalf("%d in the buckets, count %d", last, h.GetSampleCount())
		}
	}
	close(done)
	wg.Wait()
}

// TestTwoRegistries: nothing is shared between two gateways of one process.
func TestTwoRegistries(t *testing.T) {
	a, b := NewSet(1), NewSet(1)
	a.Edge().Accepted.Add(1)
	ra, rb := NewRegistry(a, Options{}), NewRegistry(b, Options{})
	for r, want := range map[*prometheus.Registry]float64{ra: 1, rb: 0} {
		if got := gather(t, r)["sluice_edge_accepted_connections_total"].GetMetric()[0].GetCounter().GetValue(); got != want {
			t.Errorf("accepted = %v, want %v", got, want)
		}
	}
}

func TestRSSAnon(t *testing.T) {
	tests := []struct {
		status string
		want   uint64
		ok     bool
	}{
		{"VmRSS:\t  99 kB\nRssAnon:\t    1234 kB\nRssFile:\t 5 kB\n", 1234 << 10, true},
		{"RssAnon:\t0 kB", 0, true},
		{"VmRSS:\t99 kB\n", 0, false},
		{"RssAnon:\t12\n", 0, false},
		{"RssAnon:\tmuch kB\n", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		got, ok := rssAnon([]byte(tt.status))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %d, %v; want %d, %v", tt.status, got, ok, tt.want, tt.ok)
		}
	}
}
