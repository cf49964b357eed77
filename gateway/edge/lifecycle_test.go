package edge

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"sluice/gateway/metrics"
)

// An address that is taken is an error with a name, and nothing stays open.
func TestListenErrors(t *testing.T) {
	r := newRig().start(t)
	taken := newRig()
	taken.options.Listeners = append(taken.options.Listeners, Listener{Address: r.Addresses()[0]})
	if err := taken.prepare(); !errors.Is(err, ErrAddress) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("an address that is taken: %v", err)
	}
	taken.h.Stop()
}

// Stopping right after the start ends the pollers, too: one that was told
// before its goroutine began would spin for ever.
func TestStopRightAfterStart(t *testing.T) {
	for range 50 {
		r := newRig()
		r.options.Pollers = 8
		if err := r.prepare(); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := r.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		r.h.Stop()
	}
	if r := newRig().start(t); len(stopFlags(r.engine)) != r.options.Pollers {
		t.Error("nbio's pollers have no stop flag any more: see whether shutdown is still needed")
	}
}

// Stop is idempotent, may come from several goroutines and without a Start,
// and closes what is open. After it nothing starts.
func TestStop(t *testing.T) {
	r := newRig().start(t)
	c := r.dial(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := r.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			if all, _ := r.Connections(); all != 0 {
				t.Errorf("Stop returned with %d connections", all)
			}
		})
	}
	wg.Wait()
	c.rest(t)

	idle := newRig()
	if err := idle.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := idle.Start(); !errors.Is(err, ErrStopped) {
		t.Errorf("Start after Stop: %v", err)
	}
	idle.h.Stop()
}

// A node that drains refuses new connections, answers upgrades that were on
// their way with 503, and leaves open connections alone.
func TestDrain(t *testing.T) {
	r := newRig().start(t)
	open, half := r.dial(t), r.connect(t)
	half.send(t, request("/")[:20])
	eventually(t, "the half request", func() bool { return r.set.Edge().BytesIn.Load() >= uint64(len(request("/"))+20) })
	r.Drain()
	if _, err := connect(r.Addresses()[0]); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	half.send(t, request("/")[20:])
	if status, _ := half.response(t); status != 503 {
		t.Errorf("an upgrade that was on its way: %d, want 503", status)
	}
	if n := r.failures(metrics.HandshakeDraining); n != 1 {
		t.Errorf("%d handshakes were refused for the drain, want 1", n)
	}
	open.send(t, masked(1, "still here"))
	open.expect(t, 1, "still here")
}
