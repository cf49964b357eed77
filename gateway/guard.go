package gateway

import (
	"context"
	"math"
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
)

// memoryGuard keeps a node within the Go runtime's memory limit by giving up
// what costs least first: new connections, then the longest queues and the
// largest histories, then the newest connections.
//
// It looks once a second, and ten times when more than half is in use. Under a memory limit
// the heap may come close to it and be mostly garbage, so it judges by what the
// last collection found alive, and asks for a collection before it does
// anything that its figure may be too old for.
type memoryGuard struct {
	// Static after construction.
	log     zerolog.Logger
	cell    *metrics.Cell
	read    func() memory
	collect func()
	node    relief

	used atomic.Uint64 // a float64: the last figure, for the metric; 0: no limit

	// Owned by run.
	step  int    // how many of the steps are taken
	cycle uint64 // the last collection that was judged by
	looks int    // since then
	pause int    // looks until what was shed has left
}

// relief is what the guard can do about it.
type relief interface {
	setFull(full bool)
	setBusy(busy bool)
	shedQueues(bytes int64) (closed int, freed int64)
	shedHistories(bytes int64) (freed int64)
	shedNewest(share float64) (closed int)
}

// memory is what the runtime says, in bytes.
type memory struct {
	limit uint64 // math.MaxInt64: none
	held  uint64 // in use, garbage included
	alive uint64 // in use, as the last collection found it
	cycle uint64 // how many collections there were
}

const (
	guardInterval = time.Second
	guardActive   = 100 * time.Millisecond
	// guardAlert is the share of the limit, garbage included, from which it looks more often.
	guardAlert = 0.5
	// guardSettle is how many looks it takes until the memory of connections that
	// were shed is free: their pollers close them, and pools let go of buffers.
	guardSettle = 3
	// guardStale is after how many looks without a collection it asks for one, to
	// see that there is room again.
	guardStale = 10
	// guardSlack is how far below a step the figure has to fall before the step
	// is taken back, so that the guard does not switch to and fro.
	guardSlack = 0.05
)

// run guards until ctx is done.
func (m *memoryGuard) run(ctx context.Context, shares func() config.Guard) {
	t := time.NewTimer(guardActive)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Reset(m.look(shares()))
		}
	}
}

// look samples the memory, takes the steps that it asks for, and says when to look again.
func (m *memoryGuard) look(shares config.Guard) (next time.Duration) {
	steps := [metrics.NumGuardSteps]float64{float64(shares.StopAccepting), float64(shares.ShedQueues), float64(shares.ShedNewest)}
	now := m.read()
	if now.limit == math.MaxInt64 || now.limit == 0 {
		m.set(0, 0, 0)
		m.used.Store(0)
		return guardInterval
	}
	step := m.wanted(steps, now.share(now.alive))
	if m.looks++; now.cycle != m.cycle {
		m.looks = 0
	}
	garbage := m.looks > 0 && m.wanted(steps, now.share(now.held)) > step
	shed := step > int(metrics.GuardShedQueues) && m.pause <= 1
	if garbage || shed || m.step > 0 && m.looks >= guardStale {
		m.collect()
		now = m.read()
		m.looks, step = 0, m.wanted(steps, now.share(now.alive))
	}
	m.cycle = now.cycle
	used := now.share(now.alive)
	m.used.Store(math.Float64bits(used))
	m.set(step, used, steps[max(step-1, 0)])
	next = guardInterval
	if step > 0 || now.share(now.held) > guardAlert {
		next = guardActive
	}
	if m.pause > 0 {
		m.pause--
	}
	if step <= int(metrics.GuardShedQueues) || m.pause > 0 {
		return next
	}
	m.pause = guardSettle
	if at := steps[metrics.GuardShedQueues]; at > 0 {
		over := int64(math.Round((used - at + guardSlack) * float64(now.limit)))
		n, freed := m.node.shedQueues(over)
		if n > 0 {
			m.log.Warn().Str("step", metrics.GuardShedQueues.String()).Int("closed", n).Float64("used", used).Msg("memory is short: closed slow clients")
		}
		if freed < over {
			if freed = m.node.shedHistories(over - freed); freed > 0 {
				m.log.Warn().Str("step", metrics.GuardShedQueues.String()).Int64("bytes", freed).Float64("used", used).Msg("memory is short: let go of histories")
			}
		}
	}
	if step > int(metrics.GuardShedNewest) {
		// If all of it were the connections' memory, closing this share of them would do.
		over := used - steps[metrics.GuardShedNewest] + guardSlack
		if n := m.node.shedNewest(over / used); n > 0 {
			m.log.Warn().Str("step", metrics.GuardShedNewest.String()).Int("closed", n).Float64("used", used).Msg("memory is short: closed the newest clients")
		}
	}
	return next
}

// share is n bytes as a part of the limit.
func (m memory) share(n uint64) float64 { return float64(n) / float64(m.limit) }

// wanted is how many steps there are for a share of the limit. Steps that are
// taken count until the share is guardSlack below them.
func (m *memoryGuard) wanted(steps [metrics.NumGuardSteps]float64, used float64) (n int) {
	for i, at := range steps {
		if i < m.step {
			at -= guardSlack
		}
		if steps[i] > 0 && used >= at {
			n = i + 1
		}
	}
	return n
}

// set takes steps, or takes them back.
func (m *memoryGuard) set(step int, used, at float64) {
	for s := m.step; s < step; s++ {
		m.cell.GuardSteps[s].Add(1)
	}
	if step != m.step {
		e := m.log.Warn()
		if step == 0 {
			e = m.log.Info()
		}
		name := "none"
		if step > 0 {
			name = metrics.GuardStep(step - 1).String()
		}
		e.Str("step", name).Float64("used", used).Float64("at", at).Msg("memory guard")
	}
	m.step = step
	m.node.setFull(step > int(metrics.GuardStopAccepting))
	m.node.setBusy(step > int(metrics.GuardShedQueues))
}

// share is the last figure, 0 without a limit. Any goroutine may call it.
func (m *memoryGuard) share() float64 { return math.Float64frombits(m.used.Load()) }

// readMemory asks the runtime. What is alive is the heap's objects as the last
// collection left them, the stacks, and what the runtime keeps books with;
// not free pages, nor the gaps between objects, which the next ones fill.
func readMemory() memory {
	samples := []runtimemetrics.Sample{
		{Name: "/gc/gomemlimit:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/profiling/buckets:bytes"},
		{Name: "/memory/classes/other:bytes"},
	}
	runtimemetrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != runtimemetrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	var rest uint64
	for i := 4; i < len(samples); i++ {
		rest += value(i)
	}
	return memory{limit: value(0), alive: value(1) + rest, held: value(2) + rest, cycle: value(3)}
}

// newGuard guards g.
func (g *Gateway) newGuard(log zerolog.Logger) *memoryGuard {
	return &memoryGuard{log: log, cell: g.metrics.Edge(), read: readMemory, collect: g.collect, node: parts{g}}
}

// collect collects twice: buffers that wait in a pool survive the first time.
func (g *Gateway) collect() {
	g.edge.Forget()
	runtime.GC()
	runtime.GC()
}

// parts is the gateway as the guard sees it.
type parts struct{ g *Gateway }

func (p parts) setFull(full bool) {
	p.g.edge.SetFull(full)
	p.g.full.Store(full)
}

func (p parts) setBusy(busy bool) { p.g.hub.SetBusy(busy) }

func (p parts) shedQueues(bytes int64) (closed int, freed int64) { return p.g.hub.ShedQueues(bytes) }

func (p parts) shedHistories(bytes int64) (freed int64) { return p.g.hub.ShedHistories(bytes) }

// shedNewest closes a share of the connections, and one at least.
func (p parts) shedNewest(share float64) int {
	return p.g.hub.ShedNewest(int(share*float64(p.g.hub.Stats().Connections)) + 1)
}
