package million

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sluice/bench"
)

// held is a proof of 1,000,000 connections that holds.
func held() *Proof {
	return &Proof{
		Connections: 1_000_000, About: "a guest", Command: "make million",
		Result: &bench.Result{
			Plan: bench.Plan{Hold: 10 * time.Second, Settle: 20 * time.Second}, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Opened: 1_000_000, IdleCPU: time.Second,
			Memory: []bench.MemoryStep{
				{Connections: 500_000, ConnectRate: 2500, Bytes: 270 << 20},
				{Connections: 1_000_000, ConnectRate: 2400, Bytes: 515 << 20, Generator: 40 << 20, Kernel: bench.KernelMemory{Slab: 8000 << 20}},
			},
			RollCall: &bench.RollCall{Channels: 1000, Messages: 1, Expected: 1_000_000, Delivered: 1_000_000, Took: 60 * time.Second},
		},
	}
}

func TestProof(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Proof)
		why    string // within the only reason; "": it holds
	}{
		{"holds", func(*Proof) {}, ""},
		{"ended early", func(p *Proof) { p.Result.Interrupted = true }, "early"},
		{"invalid", func(p *Proof) { p.Result.Invalid = "late" }, "invalid: late"},
		{"too few", func(p *Proof) { p.Result.Opened-- }, "999999 of 1000000"},
		{"one failed", func(p *Proof) { p.Result.Failed = 1; p.Result.FirstFail = "refused" }, "1 failed: refused"},
		{"one lost", func(p *Proof) { p.Result.Lost = 1 }, "1 connections were lost"},
		{"a fault", func(p *Proof) { p.Result.Faults.Duplicated = 1 }, "Duplicated:1"},
		{"no roll call", func(p *Proof) { p.Result.RollCall = nil }, "no roll call"},
		{"one silent", func(p *Proof) { p.Result.RollCall.Delivered-- }, "999999 deliveries"},
		{"one not called", func(p *Proof) { p.Result.RollCall.Expected--; p.Result.RollCall.Delivered-- }, "999999 deliveries"},
		{"memory not read", func(p *Proof) { p.Result.Memory = p.Result.Memory[:1] }, "not read"},
		{"memory", func(p *Proof) { p.Result.Memory[1].Bytes = 751_000_000 }, "751 bytes"},
		{"few: its own memory does not count", func(p *Proof) {
			p.Connections, p.Result.Opened = 20_000, 20_000
			p.Result.RollCall.Expected, p.Result.RollCall.Delivered = 20_000, 20_000
			p.Result.Memory = []bench.MemoryStep{{Connections: 5000, Bytes: 20_000_000}, {Connections: 20_000, Bytes: 30_000_000}}
		}, ""},
		{"few, but a connection costs much", func(p *Proof) {
			p.Connections, p.Result.Opened = 20_000, 20_000
			p.Result.RollCall.Expected, p.Result.RollCall.Delivered = 20_000, 20_000
			p.Result.Memory = []bench.MemoryStep{{Connections: 5000, Bytes: 0}, {Connections: 20_000, Bytes: 12_000_000}}
		}, "800 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := held()
			tt.change(p)
			why := p.Failures()
			if tt.why == "" && len(why) > 0 || tt.why != "" && (len(why) != 1 || !strings.Contains(why[0], tt.why)) {
				t.Errorf("%q, want %q", why, tt.why)
			}
			if err := p.Write(&bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := held().Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## 1,000,000 connections on one process\n",
		"Made by `make million` on 2026-01-02: ",
		"| 1,000,000 | 2,400 | 515 MiB | 540 B | 40 MiB | 41 B | 8,000 MiB | 8,555 MiB |\n",
		"held for 10s, in which the server used 10.0 % of its core",
		"a message to each of 1,000 channels: 1,000,000 of 1,000,000 deliveries in 1m0s; 0 lost",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
