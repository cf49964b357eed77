package gateway

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
)

// A fakeNode is a guard's node whose memory a test sets.
type fakeNode struct {
	memory
	garbage   uint64 // in held; a collection frees it
	histories int64  // of what is to be shed, what is not in queues
	did       []string
}

func (f *fakeNode) setFull(full bool) { f.note(full, "full") }
func (f *fakeNode) setBusy(busy bool) { f.note(busy, "busy") }

func (f *fakeNode) note(on bool, what string) {
	if on {
		f.did = append(f.did, what)
	}
}

func (f *fakeNode) shedQueues(bytes int64) (int, int64) {
	f.did = append(f.did, fmt.Sprint("queues ", bytes))
	return 1, bytes - f.histories
}

func (f *fakeNode) shedHistories(bytes int64) int64 {
	f.did = append(f.did, fmt.Sprint("histories ", bytes))
	return bytes
}

func (f *fakeNode) shedNewest(share float64) int {
	f.did = append(f.did, fmt.Sprintf("newest %.3f", share))
	return 1
}

func (f *fakeNode) guard() (*memoryGuard, *metrics.Cell, *bytes.Buffer) {
	cell, log := metrics.NewSet(0).Edge(), new(bytes.Buffer)
	return &memoryGuard{
		log: zerolog.New(log), cell: cell, node: f,
		read: func() memory {
			m := f.memory
			m.held = m.alive + f.garbage
			return m
		},
		collect: func() { f.cycle++; f.garbage = 0; f.did = append(f.did, "collect") },
	}, cell, log
}

// L7: each step comes at its share of the limit, goes on with those before it,
// and is taken back a twentieth below; garbage is collected, never acted upon.
func TestL7Steps(t *testing.T) {
	f := &fakeNode{memory: memory{limit: 1000}}
	m, cell, log := f.guard()
	shares := config.Guard{StopAccepting: 0.85, ShedQueues: 0.92, ShedNewest: 0.97}
	for i, s := range []struct {
		alive, garbage uint64
		want           []string
	}{
		{500, 0, nil},
		{840, 0, nil},
		{600, 400, []string{"collect"}},
		{860, 0, []string{"full"}},
		{810, 0, []string{"full"}},
		{799, 0, nil},
		{930, 0, []string{"collect", "full", "busy", "queues 60"}},
		{980, 0, []string{"full", "busy"}}, // what was shed is on its way
		{980, 0, []string{"full", "busy"}},
		{980, 0, []string{"collect", "full", "busy", "queues 110", "newest 0.061"}},
		{860, 0, []string{"full"}},
		{100, 0, nil},
	} {
		f.did, f.alive, f.garbage = nil, s.alive, s.garbage
		f.cycle++ // one came by itself, as under a limit it does
		if i == 2 {
			f.cycle-- // and here none
		}
		m.look(shares)
		if d := cmp.Diff(s.want, f.did); d != "" {
			t.Errorf("look %d, %d alive and %d garbage (-want +got):\n%s", i, s.alive, s.garbage, d)
		}
	}
	for s := range metrics.NumGuardSteps {
		want := uint64(1)
		if s == metrics.GuardStopAccepting {
			want = 2
		}
		if n := cell.GuardSteps[s].Load(); n != want {
			t.Errorf("step %v was counted %d times, want %d", s, n, want)
		}
	}
	if n := bytes.Count(log.Bytes(), []byte(`"message":"memory guard"`)); n != 6 {
		t.Errorf("%d changes were logged, want 6:\n%s", n, log)
	}
}

// L7: what is not in queues is in histories: those go then, and nobody is closed for them.
func TestL7Histories(t *testing.T) {
	f := &fakeNode{memory: memory{limit: 1000, alive: 930}, histories: 25}
	m, _, log := f.guard()
	m.look(config.Guard{StopAccepting: 0.85, ShedQueues: 0.92, ShedNewest: 0.97})
	if d := cmp.Diff([]string{"collect", "full", "busy", "queues 60", "histories 25"}, f.did); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !bytes.Contains(log.Bytes(), []byte(`"message":"memory is short: let go of histories"`)) {
		t.Errorf("the log does not say so:\n%s", log)
	}
}

// L7: without a memory limit, or with all steps at 0, the guard does nothing.
func TestL7Off(t *testing.T) {
	f := &fakeNode{memory: memory{limit: math.MaxInt64, alive: 1 << 40}}
	m, _, _ := f.guard()
	m.look(config.Guard{StopAccepting: 0.85})
	f.limit = 1000
	m.look(config.Guard{})
	if len(f.did) != 0 {
		t.Errorf("it did %q", f.did)
	}
}

// L7: what the runtime says is sound: a collection counts, what is alive is held.
func TestL7ReadMemory(t *testing.T) {
	before := readMemory()
	runtime.GC()
	runtime.GC()
	now := readMemory()
	if now.cycle < before.cycle+2 || now.alive == 0 || now.held == 0 || now.limit == 0 {
		t.Errorf("before %+v, after two collections %+v", before, now)
	}
}
