package bench

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sluice/gateway/ws"
)

// received is what one connection reads when n messages come at once, and a
// fan-out of subscribers that waits for them.
func received(tb testing.TB, n, size, subscribers int) (*fanout, []byte) {
	tb.Helper()
	plan := &Plan{Scenario: "fanout", URLs: []string{"ws://127.0.0.1:1/"}, Connections: subscribers, Size: size, Window: 1}
	if err := plan.normalise(); err != nil {
		tb.Fatal(err)
	}
	f := newFanout(&run{plan: plan, clock: newClock(), result: &Result{}})
	f.from, f.to = 0, 1<<62
	var err error
	if f.swarm, err = newSwarm(plan, f.clock, subscribers, f); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(f.swarm.epoll) })
	for i := range f.swarm.conns {
		f.swarm.conns[i].state = open
	}
	var b []byte
	for range n {
		f.scratch = f.publishers[0].publish(plan, f.scratch, f.clock.now(), 0, 1<<30)
		b = ws.AppendFrame(b, ws.Text, f.scratch)
	}
	return f, b
}

func TestReceiveAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const runs = 200
	f, b := received(t, 64, 128, runs+2)
	i := 0
	allocs := testing.AllocsPerRun(runs, func() {
		if left := f.swarm.take(i, b, f.clock.now()); len(left) != 0 {
			t.Fatalf("%d bytes were left", len(left))
		}
		i++
	})
	if allocs > 0 {
		t.Errorf("%v allocations per turn, want none", allocs)
	}
	if got, want := f.deliveries, uint64(64*(runs+1)); got != want || f.check.faults.Any() {
		t.Errorf("%d deliveries with %+v, want %d without faults", got, f.check.faults, want)
	}
}

// The same with payloads in an envelope, which is taken apart once and compared
// from then on; each connection gets other bytes, so that no read is repeated.
func TestUnwrapAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const runs, batch = 100, 16
	f, _ := received(t, 0, 128, runs+2)
	f.swarm.talk = newDialogue(&Presets[2].Dialect, 128)
	var ins [2][]byte
	for k := range batch {
		f.scratch = f.publishers[0].publish(f.plan, f.scratch, f.clock.now(), 0, 1<<30)
		for tail := range ins {
			text := append([]byte(`{"push":{"channel":"flood-0","pub":{"data":"`), f.scratch...)
			text = fmt.Appendf(text, `","offset":%d}}}`, tail*1000+k/8)
			ins[tail] = ws.AppendFrame(ins[tail], ws.Text, text)
		}
	}
	f.swarm.take(0, ins[0], f.clock.now())
	f.swarm.take(1, ins[1], f.clock.now())
	i := 1
	allocs := testing.AllocsPerRun(runs-2, func() {
		i++
		f.swarm.take(i, ins[i%2], f.clock.now())
	})
	if allocs > 0 {
		t.Errorf("%v allocations per read, want none", allocs)
	}
	if got, want := f.deliveries, uint64(batch*(i+1)); got != want || f.check.faults.Any() {
		t.Errorf("%d deliveries with %+v, want %d without faults", got, f.check.faults, want)
	}
}

// What is read from a socket and sent to one costs no memory either, without TLS.
func TestSocketsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f, b := received(t, 64, 128, 1)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	defer unix.Close(fds[0])
	f.swarm.conns[0].fd = int32(fds[0])
	back := make([]byte, 64)
	const runs = 100
	allocs := testing.AllocsPerRun(runs, func() {
		f.check.next[0] = 1
		if _, err := unix.Write(fds[1], b); err != nil {
			t.Fatal(err)
		}
		f.swarm.readable(0, false)
		f.swarm.send(0, back[:32])
		if n, err := unix.Read(fds[1], back); n != 32 || err != nil {
			t.Fatal(n, err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations per turn, want none", allocs)
	}
	if got, want := f.deliveries, uint64(64*(runs+1)); got != want {
		t.Errorf("%d deliveries, want %d", got, want)
	}
}

// A connection stays as small as it is.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 32 {
		t.Errorf("a connection takes %d bytes, want at most 32", n)
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{128, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			const batch, subscribers = 64, 1000
			f, in := received(b, batch, size, subscribers)
			for b.Loop() {
				clear(f.check.next)
				for i := range subscribers {
					f.check.next[i] = 1
					f.swarm.take(i, in, f.clock.now())
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(time.Nanosecond)/float64(f.deliveries), "ns/message")
		})
	}
}
