package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a result with something in every place.
func sample() *Result {
	q := &Quantiles{
		Count: 4_500_000, P50: 71234567, P90: 130 * time.Millisecond, P99: 188776655, P999: 12345678901, Max: 61 * time.Second,
		HDR: []byte("histogram"),
	}
	return &Result{
		Plan: Plan{
			Scenario: "fanout", URLs: []string{"ws://127.0.0.1:8080/"}, Connections: 15000, PublishRate: 3, Size: 128,
			Duration: 100 * time.Second, Hold: time.Second, APIKey: "secret", PIDs: []int{1},
		},
		Opened: 15000, Failed: 2, Lost: 12, FirstFail: "bench: connect: connection refused", Codes: map[uint16]int{0: 2, 1013: 10},
		Window: 100 * time.Second, Operation: "delivery", Operations: 4_500_000, Published: 300, Undelivered: 1,
		Faults:    Faults{Lost: 1, Duplicated: 2, Reordered: 3, Corrupt: 4, Misrouted: 5},
		ServerCPU: 35 * time.Second, ClientCPU: 20 * time.Second, IdleCPU: time.Millisecond,
		Handshake: q, Delivery: q, Last: q, Cycle: q, SendLag: &Quantiles{Count: 1, P50: 12345, P90: 999, P99: 1500, P999: 1500, Max: 1500},
		Memory: []MemoryStep{
			{Connections: 2000, ConnectRate: 12345, Bytes: 5 << 20, PSS: 15 << 20, Generator: 2 << 20, Kernel: KernelMemory{
				Slab: 100 << 20, Used: 200 << 20, Caches: map[string]int64{"filp": 1 << 20},
			}},
			{Connections: 15000, ConnectRate: 9876, Bytes: 11 << 20, PSS: 21 << 20, Generator: 3 << 20, Kernel: KernelMemory{
				Slab: 200 << 20, Sockets: 1 << 20, Used: 320 << 20, Caches: map[string]int64{"filp": 4 << 20, "TCP": 60 << 20, "dentry": 1 << 10},
			}},
		},
		RollCall: &RollCall{Channels: 10, Messages: 2, Expected: 30000, Delivered: 29999, Took: 1500 * time.Millisecond},
	}
}

const sampleText = `scenario       fanout, open loop, 3 publishes/s, 128 B
connections    15000 opened, 2 failed, 12 lost (no close frame: 2, 1013: 10)
first failure  bench: connect: connection refused
messages       300 published; 1 lost, 2 duplicated, 3 reordered, 4 corrupt, 5 misrouted
               1 were still on the way when the run ended
rate           4.5 M deliveries in 1m40s, 45,000/s
server CPU     7.78 us per delivery, 35 % of a core
client CPU     4.44 us per delivery, 20 % of a core
roll call      2 to each of 10 channels: 29999 of 30000 deliveries in 1.5s
server idle    0.10 % of a core while 15000 connections were held

           latency      p50    p90     p99  p99.9   max
         handshake  71.23ms  130ms   189ms  12.3s  1m1s
   each subscriber  71.23ms  130ms   189ms  12.3s  1m1s
   last subscriber  71.23ms  130ms   189ms  12.3s  1m1s
             cycle  71.23ms  130ms   189ms  12.3s  1m1s
  send behind plan   12.3µs  1µs   1.5µs  1.5µs  1.5µs

  memory, MiB  connects/s  server  server, PSS  flood  kernel slab  TCP buffers  all in use
         2000      12,345     5.0         15.0    2.0        100.0          0.0       200.0
        15000        9876    11.0         21.0    3.0        200.0          1.0       320.0
       B each                 484          484     81         8066           81        9679
B each: between the first and the last line. Server and flood: anonymous resident memory.
The kernel's is the whole host's: both ends of each connection when the server runs here.
Its slab caches, B each: TCP 4840, filp 242
`

func TestTextReport(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	squeeze := func(s string) []string { // the columns' widths are not the point
		var out []string
		for line := range strings.Lines(s) {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
		return out
	}
	if diff := cmp.Diff(squeeze(sampleText), squeeze(b.String())); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(line)); n > 101 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestJSONReport(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want one", n)
	}
	if strings.Contains(b.String(), "secret") || strings.Contains(b.String(), "hdr") {
		t.Errorf("the line has a secret or a histogram: %s", b.String())
	}
	var got Result
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.PerSecond() != 45_000 || got.Delivery.P99 != sample().Delivery.P99 || got.Codes[1013] != 10 {
		t.Errorf("the line does not carry the result: %+v", got)
	}
}

func TestSaveKeepsHistograms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	want := sample()
	want.Plan.APIKey, want.Plan.PIDs = "", nil
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Error(diff)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 7.777: "7.78", 99.96: "100", 123.4: "123", 9994: "9994", 9999: "9,999", 10000: "10,000",
		123456: "123,456", 999_499: "999,499", 8_630_000: "8.63 M",
	} {
		if got := short(v); got != want {
			t.Errorf("%v is shown as %q, want %q", v, got, want)
		}
	}
}

func TestLive(t *testing.T) {
	p := Progress{
		Phase: "measuring", Elapsed: 61 * time.Second, Phased: time.Second, Left: 3 * time.Second, Open: 10, Want: 20,
		Done: 5, PerSecond: 1e6, P50: time.Millisecond, P99: time.Second, Errors: 2,
	}
	var b bytes.Buffer
	Live{W: &b}.Show(p)
	Live{W: &b}.Clear()
	if want := "  1m1s  measuring  25 %  10/20 connections  1 M/s  p50 1ms p99 1s  2 errors  3s left\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	l := Live{W: &b, Terminal: true}
	l.Show(Progress{Phase: "x"})
	l.Clear()
	if strings.Contains(b.String(), "\n") || strings.Count(b.String(), "\r\x1b[K") != 2 {
		t.Errorf("the repainted line is %q", b.String())
	}
	for width, want := range map[int]string{
		0:  "\r\x1b[K  1m1s  measuring  [###.........]  10/20 connections  1 M/s  p50 1ms p99 1s  2 ",
		20: "\r\x1b[K  1m1s  measuring  ",
	} {
		b.Reset()
		Live{W: &b, Terminal: true, Width: func() int { return width }}.Show(p)
		if got := b.String(); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}

// How far a phase is, is shown by its time, or by what it opens; else not at all.
func TestShareOfAPhase(t *testing.T) {
	for _, tt := range []struct {
		p     Progress
		share float64
		known bool
	}{
		{Progress{Phased: time.Second, Left: 3 * time.Second, Open: 1, Want: 1}, 0.25, true},
		{Progress{Phased: time.Second, Open: 3, Want: 4}, 0.75, true},
		{Progress{Phased: time.Second, Open: 4, Want: 4}, 0, false},
	} {
		if share, known := tt.p.share(); share != tt.share || known != tt.known {
			t.Errorf("%+v: %v, %v", tt.p, share, known)
		}
	}
}
