package bench

import (
	"fmt"
	"time"
)

// When an open loop is not to be believed.
const (
	maxSendLag = 20 * time.Millisecond // p99 from the planned time to the send
	maxBusy    = 0.90                  // of one core
)

// openLoop publishes by the plan. The window begins with the first publish
// after the warm-up; its CPU figures end when the last message has arrived, so
// that they are of whole messages.
func (f *fanout) openLoop() error {
	begun, err := f.meetStart()
	if err != nil {
		return err
	}
	var (
		pacer = Pacer{Rate: f.plan.PublishRate}
		total = f.total()
		sent  uint64
		fail  error
	)
	f.enter("warming up", f.from)
	err = f.loop(func(now int64) (bool, time.Duration) {
		f.done = f.deliveries
		if f.windowAt == 0 && now >= f.from {
			if fail = f.begin(now); fail != nil {
				return true, 0
			}
		}
		for due := min(pacer.Due(time.Duration(now-begun)), total); sent < due; sent++ {
			planned := begun + int64(pacer.Planned(sent))
			lag := &f.idleLag
			if p := int(sent % uint64(len(f.publishers))); f.publishers[p].own {
				lag = &f.sendLag
				f.publish(p, planned)
			}
			if planned >= f.from {
				lag.add(f.clock.now() - planned)
			}
		}
		f.flush()
		if fail = f.broken; fail != nil {
			return true, 0
		}
		return now >= f.to, time.Duration(min(begun+int64(pacer.Planned(sent)), f.to) - now)
	})
	if fail != nil || (err != nil && f.windowAt == 0) {
		f.settle(true)
		return firstOf(fail, err)
	}
	used, readErr := f.usageSince(f.before)
	if readErr != nil {
		return readErr
	}
	publishing := time.Duration(f.clock.now() - f.windowAt)
	f.result.Invalid = f.invalid(ratio(float64(used.client), float64(publishing)))
	if err != nil { // interrupted: nothing more is waited for
		f.settle(true)
		return firstOf(f.figures(f.clock.now()), err)
	}
	err = f.drain()
	if figErr := f.figures(max(f.arrived, f.to)); figErr != nil {
		return figErr
	}
	return firstOf(err, f.postFailure())
}

// meetStart is when the plan of all processes begins; the window is set by it.
func (f *fanout) meetStart() (begun int64, err error) {
	const soon = 10 * time.Millisecond
	if begun, err = f.meetTime("start"); err != nil {
		return 0, err
	}
	begun += int64(soon)
	if !f.share.alone() {
		begun += int64(10 * soon) // for the next meeting
	}
	f.from = begun + int64(f.plan.Warmup)
	f.to = f.from + int64(f.plan.Duration)
	_, err = meet(f.run, "ready", struct{}{}) // nothing comes before all know their window
	return begun, err
}

// total is how many messages the open loop publishes.
func (f *fanout) total() uint64 {
	return Pacer{Rate: f.plan.PublishRate}.Due(f.plan.Warmup + f.plan.Duration - 1)
}

// invalid says why the generator was the limit; "" when it was not. A process
// that has nothing to send at a time is held to the plan as well: when it comes
// late, so do the messages that it reads.
func (f *fanout) invalid(busy float64) string {
	return generatorLimit(max(f.sendLag.quantile(0.99), f.idleLag.quantile(0.99)), busy)
}

// generatorLimit says why the generator was the limit; "" when it was not. lag is
// the p99 of the sends behind the plan, busy the share of a core that it used.
func generatorLimit(lag time.Duration, busy float64) string {
	if lag > maxSendLag {
		return fmt.Sprintf("the generator sent late: p99 of the lag behind the plan is %v (limit %v)", lag.Round(time.Millisecond), maxSendLag)
	}
	if busy > maxBusy {
		return fmt.Sprintf("the generator used %.0f %% of a core (limit %.0f %%)", busy*100, maxBusy*100)
	}
	return ""
}

// closedLoop keeps Window messages on the way. Messages that complete in one
// turn of the loop are followed by as many, in one write per publisher.
func (f *fanout) closedLoop() error {
	var (
		begun = f.clock.now()
		sent  uint64
		fail  error
	)
	f.from = begun + int64(f.plan.Warmup)
	f.to = f.from + int64(f.plan.Duration)
	f.completed, f.arrived = f.plan.Window, begun
	f.enter("warming up", f.from)
	err := f.loop(func(now int64) (bool, time.Duration) {
		f.done = f.deliveries
		if f.windowAt == 0 && now >= f.from {
			if fail = f.begin(now); fail != nil {
				return true, 0
			}
		}
		if now >= f.to {
			return true, 0
		}
		for ; f.completed > 0; f.completed-- {
			f.publish(int(sent%uint64(len(f.publishers))), now)
			sent++
		}
		f.flush()
		if fail = f.broken; fail == nil && now-f.arrived > int64(stall) {
			fail = fmt.Errorf("bench: nothing arrived for %v with %d messages on the way", stall, f.flying())
		}
		return fail != nil, min(maxWait, time.Duration(f.to-now))
	})
	if f.windowAt != 0 {
		if figErr := f.figures(f.clock.now()); figErr != nil {
			return figErr
		}
	}
	if err != nil {
		f.settle(true)
		return err
	}
	err = f.drain()
	return firstOf(fail, firstOf(err, f.postFailure()))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
