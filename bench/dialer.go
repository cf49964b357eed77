package bench

import (
	"errors"
	"fmt"
	"time"
)

// maxDialing bounds the handshakes under way, in all processes, well below a
// listener's backlog.
const maxDialing = 256

// dialAll opens the connections numbered [from, to) at the plan's rate and waits
// for them, in all processes. That some fail is not an error here: they are counted.
func (r *run) dialAll(from, to int) error {
	r.enter("connecting", 0)
	begun, err := r.meetTime("dial")
	if err != nil {
		return err
	}
	if err := r.dialShare(begun, from, to); err != nil {
		return err
	}
	_, err = meet(r, "connected", struct{}{})
	return err
}

// dialShare is dialAll for this process: connection n is due n - from events after begun.
func (r *run) dialShare(begun int64, number, end int) error {
	from, to := r.share.count(number), r.share.count(end)
	r.want = to
	var (
		pacer    = Pacer{Rate: r.plan.ConnectRate}
		progress = r.clock.now()
		next     = from
		seen     = -1
		failure  error
		at       = func(i int) uint64 { return uint64(r.share.number(i) - number) } // index i's place in the plan
		limit    = max(8, maxDialing/r.share.parts())
	)
	settled := func() int { return r.result.Opened + r.result.Failed }
	before := settled()
	err := r.loop(func(now int64) (bool, time.Duration) {
		if settled() != seen || r.swarm.dialing() == 0 {
			seen, progress = settled(), now
		}
		if now-progress > int64(r.plan.Patience) {
			failure = fmt.Errorf("bench: %d of %d connections, and none more within %v", r.swarm.count[open], to, r.plan.Patience)
			return true, 0
		}
		due := pacer.Due(time.Duration(now - begun))
		for next < to && at(next) < due && r.swarm.dialing() < limit {
			if err := r.swarm.open(next); err != nil {
				r.failed(err)
			}
			next++
		}
		if next == to {
			return settled()-before >= to-from, maxWait
		}
		if at(next) < due {
			return false, maxWait // a handshake must end first
		}
		return false, time.Duration(begun + int64(pacer.Planned(at(next))) - now)
	})
	if err != nil {
		return err
	}
	return failure
}

// mustDialAll is dialAll where the scenario makes no sense with fewer.
func (r *run) mustDialAll(from, to int) error {
	if err := r.dialAll(from, to); err != nil {
		return err
	}
	if r.result.Failed > 0 {
		return fmt.Errorf("bench: %d of %d connections failed: %s", r.result.Failed, to, r.result.FirstFail)
	}
	return nil
}

func (r *run) failed(err error) {
	r.result.Failed++
	if r.result.FirstFail == "" && err != nil {
		r.result.FirstFail = err.Error()
	}
}

// opened and closed count; scenarios that do more call them too.
func (r *run) opened(_ int, _, took int64) {
	r.result.Opened++
	r.handshakes.add(took)
}

func (r *run) closed(_ int, was state, code uint16, err error) {
	if was < open {
		r.failed(err)
		return
	}
	r.result.Lost++
	if r.result.FirstFail == "" && errors.Is(err, errRefused) {
		r.result.FirstFail = err.Error()
	}
	if r.result.Codes == nil {
		r.result.Codes = map[uint16]int{}
	}
	r.result.Codes[code]++
}
