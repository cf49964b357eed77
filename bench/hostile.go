package bench

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/bench/attack"
)

var hostileScenario = Scenario{
	Name:    "hostile",
	About:   "N subscribers beside attackers, one attack after the other: what the server does, and whether the subscribers notice",
	prepare: prepareHostile,
	check: func(p *Plan, bad func(string, ...any)) {
		if p.Window > 0 {
			bad("hostile has no window")
		}
		for _, name := range p.Attacks {
			if _, ok := attack.Named(name); !ok {
				bad("unknown attack %q: 'flood attacks' lists them", name)
			}
		}
		if p.MaxRatio < 0 || p.MaxRSS < 0 || p.AttackSockets < 1 {
			bad("hostile needs at least one attack socket, and limits that are not negative")
		}
		if _, err := parseURL(p.AttackURL); err != nil {
			bad("attack %v", err)
		}
		if _, err := p.attackSources(); err != nil {
			bad("attack %v", err)
		}
		if limits, err := Preflight(1, 1); err == nil && p.AttackSockets > limits.Files {
			bad("%d attack sockets: a process can open %d", p.AttackSockets, limits.Files)
		}
	},
	share: func(*Plan) string { return "hostile measures in one process, and attacks from another one" },
	start: func(r *run) executor { return newHostile(r) },
}

func prepareHostile(p *Plan) {
	setDefault(&p.Limit, 30*time.Second)
	setDefault(&p.PublishRate, 20)
	setDefault(&p.AttackSockets, 500)
	setDefault(&p.MaxRatio, 3)
	if p.Channels == 0 && !p.Dialect.NoChannels {
		p.Channels = 1 // attackers have others
	}
	if len(p.URLs) == 0 {
		return
	}
	setDefault(&p.AttackURL, p.URLs[0])
	if u, err := url.Parse(p.AttackURL); err == nil && strings.HasPrefix(u.Hostname(), "127.") {
		// Limits by address must tell one from the other, and each of many from the next.
		if len(p.Sources) == 0 {
			p.Sources, _ = ParseSources("127.0.1.1-127.0.1.50")
		}
		setDefault(&p.AttackSources, "127.0.2.1-127.0.5.250")
	}
}

// attackSources are the addresses that attackers come from; nil: the kernel chooses.
func (p *Plan) attackSources() ([]string, error) {
	if p.AttackSources == "" {
		return nil, nil
	}
	return ParseSources(p.AttackSources)
}

// hostile publishes to subscribers without a pause, first in quiet, then under
// one attack after the other, and waits after each until all is as it was.
type hostile struct {
	*stream
	quiet       counter
	quietMemory int64
	perMessage  float64 // deliveries in quiet
	rows        []*Attacked
	latencies   []*counter // by row
	idle        counter    // deliveries that count for nothing
}

func newHostile(r *run) *hostile {
	h := &hostile{stream: newStream(r, false)}
	r.each = &h.quiet
	return h
}

func (h *hostile) execute() error {
	origin, stop, err := h.begin(h, nil)
	defer stop()
	if err != nil {
		return err
	}
	h.result.Handshake, _ = h.handshakes.quantiles()
	from := origin + int64(h.plan.Warmup)
	h.spans = []span{{from, &h.quiet}}
	if err := h.goOn("warming up", from); err != nil {
		return err
	}
	if err := h.openWindow(from); err != nil {
		return err
	}
	waited := waitedForCPU()
	if err = h.goOn("quiet", from+int64(h.plan.Duration)); err == nil {
		h.quietMemory = h.watch.last
		h.perMessage = ratio(float64(h.quiet.n), float64(h.planned(from, from+int64(h.plan.Duration))))
		if busy := ratio(float64(waitedForCPU()-waited), float64(h.plan.Duration)); busy > maxWaited {
			h.result.problem("in quiet the measuring client waited for its core %.0f %% of the time: its own latency is not the server's", busy*100)
		}
		err = h.playAll()
	}
	if closing := h.closeWindow(0); err == nil {
		err = closing
	}
	if err == nil {
		err = h.finish()
	} else {
		h.settle(false)
	}
	h.tell()
	return firstOf(err, h.postFailure())
}

// goOn publishes until the time.
func (h *hostile) goOn(phase string, until int64) error {
	h.enter(phase, until)
	return h.loop(func(now int64) (bool, time.Duration) {
		return now >= until, min(h.publishDue(now), time.Duration(until-now))
	})
}

// playAll plays every attack that the plan names, and the URL allows.
func (h *hostile) playAll() error {
	for _, what := range attack.All() {
		if len(h.plan.Attacks) > 0 && !slices.Contains(h.plan.Attacks, what.Name) {
			continue
		}
		row := &Attacked{Name: what.Name, About: what.About, Wants: what.Wants, MemoryBack: never, LatencyBack: never}
		h.rows = append(h.rows, row)
		h.latencies = append(h.latencies, new(counter))
		switch {
		case what.TLS && !strings.HasPrefix(h.plan.AttackURL, "wss:"):
			row.Skipped = "needs a wss URL"
			continue
		case what.Auth && h.plan.AuthURL == "":
			row.Skipped = "needs --auth-url"
			continue
		}
		if err := h.suffer(what, row, h.latencies[len(h.latencies)-1]); err != nil {
			return fmt.Errorf("bench: %s: %w", what.Name, err)
		}
	}
	return nil
}

// suffer has an attacker play, and then waits until all is as it was.
func (h *hostile) suffer(what attack.Attack, row *Attacked, latency *counter) error {
	order := attack.Order{
		Attack: what.Name, URL: h.plan.AttackURL, Sockets: h.plan.AttackSockets, Duration: h.plan.Duration, CPUs: h.plan.AttackCPUs,
		Idle: sharesCPU(h.plan.AttackCPUs),
	}
	if what.Auth {
		order.URL = h.plan.AuthURL
	}
	if !h.plan.Dialect.NoChannels {
		order.Channel = "attack"
	}
	order.Sources, _ = h.plan.attackSources()
	h.spans = append(h.spans, span{h.clock.now(), &h.idle})
	h.each = &h.idle
	a, err := startAttacker(h.attacker, order)
	if err != nil {
		return err
	}
	defer a.end()
	h.watch.mark()
	h.enter("before "+what.Name, 0)
	overdue := h.clock.now() + int64(attackGrace)
	if err := h.loop(func(now int64) (bool, time.Duration) {
		return a.begun() || now > overdue, min(h.publishDue(now), time.Millisecond)
	}); err != nil {
		return err
	}
	if !a.begun() || a.over() {
		_, err := a.report()
		return err
	}

	begun, waited, before := h.clock.now(), waitedForCPU(), h.victims()
	server, err := h.usage()
	if err != nil {
		return err
	}
	h.mark(what.Name)
	h.each = latency
	h.spans = append(h.spans, span{begun, latency})
	h.enter(what.Name, begun+int64(h.plan.Duration))
	others := startNewcomers(h.plan)
	defer others.leave()
	overdue = begun + int64(h.plan.Duration+attackGrace)
	err = h.loop(func(now int64) (bool, time.Duration) {
		return a.over() || now > overdue, h.publishDue(now)
	})
	ended := h.clock.now()
	h.spans = append(h.spans, span{ended, &h.idle})
	if err != nil {
		return err
	}
	report, err := a.report()
	if err != nil {
		return err
	}
	row.Report = *report
	row.Took = time.Duration(ended - begun)
	row.Peak = h.watch.peak
	row.Waited = ratio(float64(waitedForCPU()-waited), float64(row.Took))
	if spent, err := h.usageSince(server); err == nil {
		row.ServerCPU = ratio(float64(spent.server), float64(row.Took))
	}
	row.AttackerCPU = ratio(float64(a.cpu()), float64(row.Took))
	others.leave()
	err = h.recover(row, ended)
	if err == nil {
		err = h.loop(func(now int64) (bool, time.Duration) { return others.gone(), h.publishDue(now) })
	}
	if err != nil {
		return err
	}
	row.Newcomers, row.NewcomerP99 = others.came, others.took.quantile(0.99)
	row.Rejected = others.failed
	after := h.victims()
	row.Lost, row.Cut = after.lost-before.lost, after.cut-before.cut
	h.judge(row, latency)
	return nil
}

// attackGrace is how much longer than its duration an attack may take to end.
const attackGrace = 10 * time.Second

// victims is what the subscribers have lost so far.
func (h *hostile) victims() struct{ lost, cut uint64 } {
	return struct{ lost, cut uint64 }{h.check.faults.Lost, uint64(h.result.Lost)} //nolint:gosec // a count
}

// recoveryWindow is what the latency is looked at over, when the attack has ended.
const recoveryWindow = 500 * time.Millisecond

// memorySlack is what a server's heap may have grown by without having failed to
// come back.
const memorySlack = 32 << 20

// recover waits until latency and memory are what they were in quiet, at most Plan.Limit.
func (h *hostile) recover(row *Attacked, ended int64) error {
	h.each = &h.idle
	h.enter("after "+row.Name, ended+int64(h.plan.Limit))
	most := max(h.quiet.quantile(0.99)*3/2, h.quiet.quantile(0.99)+5*time.Millisecond)
	memory := max(h.quietMemory*5/4, h.quietMemory+memorySlack)
	var window counter
	from := ended
	h.spans = append(h.spans, span{from, &window})
	err := h.loop(func(now int64) (bool, time.Duration) {
		wait := h.publishDue(now)
		if row.MemoryBack == never && h.watch.last <= memory {
			row.MemoryBack = time.Duration(now - ended)
		}
		until := from + int64(recoveryWindow)
		whole := window.n >= h.due(from, until)
		if now < until || !whole && now < until+int64(recoveryWindow) {
			return false, wait
		}
		if row.LatencyBack == never && whole && window.quantile(0.99) <= most {
			row.LatencyBack = time.Duration(from - ended)
		}
		done := row.LatencyBack != never && row.MemoryBack != never || now-ended > int64(h.plan.Limit)
		if !done {
			window.reset()
			from = now
			h.spans = append(h.spans[:len(h.spans)-1], span{from, &window})
		}
		return done, wait
	})
	h.spans = append(h.spans, span{h.clock.now(), &h.idle})
	return err
}

// due is how many deliveries are owed of what is planned within [from, until): as
// many of each message as in quiet, less what counting at the edges may miss.
func (h *hostile) due(from, until int64) uint64 {
	return uint64(0.99 * h.perMessage * float64(h.planned(from, until)))
}

// planned is how many messages are, within [from, until).
func (h *hostile) planned(from, until int64) uint64 {
	pacer := Pacer{Rate: h.plan.PublishRate}
	return pacer.Due(time.Duration(until-h.origin)) - pacer.Due(time.Duration(from-h.origin))
}

// judge says why the server has not held, if it has not.
func (h *hostile) judge(row *Attacked, latency *counter) {
	row.P50, row.P99 = latency.quantile(0.5), latency.quantile(0.99)
	row.Ratio = ratio(float64(row.P99), float64(h.quiet.quantile(0.99)))
	fail := func(format string, a ...any) { row.Failures = append(row.Failures, fmt.Sprintf(format, a...)) }
	if row.Ratio > h.plan.MaxRatio {
		why := ""
		if row.Waited > maxWaited { // which can but add to the latency
			why = fmt.Sprintf("; the measuring client waited for its core %.0f %% of the time, which is in it: give it one of its own", row.Waited*100)
		}
		fail("p99 is %.1f times that in quiet (limit %g)%s", row.Ratio, h.plan.MaxRatio, why)
	}
	for _, what := range sortedKeys(row.Breaches) {
		fail("%d times: %s", row.Breaches[what], what)
	}
	if row.Lost > 0 || row.Cut > 0 {
		fail("subscribers lost %d messages and %d connections", row.Lost, row.Cut)
	}
	for _, why := range sortedKeys(row.Rejected) {
		fail("%d of %d newcomers could not connect: %s", row.Rejected[why], row.Newcomers, why)
	}
	if h.plan.MaxRSS > 0 && row.Peak > h.plan.MaxRSS {
		fail("the server took %.1f MiB (limit %.1f)", float64(row.Peak)/(1<<20), float64(h.plan.MaxRSS)/(1<<20))
	}
	if row.LatencyBack == never {
		fail("p99 was not back within %v", h.plan.Limit)
	}
	if row.MemoryBack == never {
		fail("memory was not back within %v", h.plan.Limit)
	}
	if row.Attempts == 0 {
		fail("the attacker made no attempt: it had no CPU, or no sockets")
	}
	for _, why := range row.Failures {
		h.result.problem("%s: %s", row.Name, why)
	}
}

// maxWaited is the share of the time from which on it is told that the measuring
// client waited for a core: it wakes thousands of times a second, and may wait a
// little each time.
const maxWaited = 0.2

// tell puts what happened into the result.
func (h *hostile) tell() {
	r := h.result
	r.latency(quietLatency, &h.quiet)
	for i, row := range h.rows {
		r.Attacks = append(r.Attacks, *row)
		r.latency("under "+row.Name, h.latencies[i])
	}
	r.report(h.watch.section("before the last attack", "at the end"))
}

const quietLatency = "in quiet"
