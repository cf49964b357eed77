package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/attack"
)

// attacker is a process of this executable that plays one attack.
type attacker struct {
	*child
	said  chan attack.Word // closed when it says no more
	ended chan error       // why it says no more

	// Owned by the calling goroutine.
	began  bool
	last   *attack.Report
	gone   bool
	waited bool
}

// startAttacker starts the process, which then begins by itself.
func startAttacker(args []string, o attack.Order) (*attacker, error) {
	c, err := startChild(args)
	if err != nil {
		return nil, err
	}
	a := &attacker{child: c, said: make(chan attack.Word, 2), ended: make(chan error, 1)}
	if err := json.NewEncoder(c.in).Encode(o); err != nil {
		a.end()
		return nil, err
	}
	go a.hear()
	return a, nil
}

// hear passes on what the process says.
func (a *attacker) hear() {
	defer close(a.said)
	in := json.NewDecoder(a.out)
	for {
		var w attack.Word
		if err := in.Decode(&w); err != nil {
			a.ended <- err
			return
		}
		a.said <- w
	}
}

// begun says whether the attack has, or never will, without blocking.
func (a *attacker) begun() bool {
	a.look()
	return a.began || a.last != nil || a.gone
}

// over says whether the attack is, without blocking.
func (a *attacker) over() bool {
	a.look()
	return a.last != nil || a.gone
}

func (a *attacker) look() {
	select {
	case w, ok := <-a.said:
		a.began = a.began || w.Begun
		if w.Report != nil {
			a.last = w.Report
		}
		a.gone = a.gone || !ok && a.last == nil
	default:
	}
}

// report is what came of the attack.
func (a *attacker) report() (*attack.Report, error) {
	switch {
	case a.gone:
		return nil, fmt.Errorf("the attacker's process ended: %w", <-a.ended)
	case a.last == nil:
		return nil, errors.New("the attacker says nothing")
	case a.last.Error != "":
		return nil, errors.New(a.last.Error)
	}
	return a.last, nil
}

// cpu is what the process used, to its end.
func (a *attacker) cpu() time.Duration {
	a.end()
	state := a.cmd.ProcessState
	if state == nil {
		return 0
	}
	return state.UserTime() + state.SystemTime()
}

// end ends the process, if it has not ended yet.
func (a *attacker) end() {
	if a.waited {
		return
	}
	a.waited = true
	a.close()
	_ = a.cmd.Wait()
}

// sharesCPU says whether a process on these CPUs, or on any if there are none,
// takes turns with this one. Such an attacker gets what this one leaves
// (SCHED_IDLE), or the latency would be that of waiting for it.
func sharesCPU(cpus []int) bool {
	if len(cpus) == 0 {
		return true
	}
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return true
	}
	for _, cpu := range cpus {
		if own.IsSet(cpu) {
			return true
		}
	}
	return false
}

// waitedForCPU is how long the calling thread could have run and did not, since it
// began; 0 where the kernel does not say.
func waitedForCPU() time.Duration {
	b, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	ns, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}
