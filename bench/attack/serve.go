package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Word is what Serve says: that it begins, then what came of it.
type Word struct {
	Begun  bool    `json:"begun,omitempty"`
	Report *Report `json:"report,omitempty"`
}

// Serve is an attacker's process: it plays the one order that comes on in, as a
// line of JSON, and says on out how that goes. It ends early when in ends.
func Serve(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	var o Order
	if err := decoder.Decode(&o); err != nil {
		return fmt.Errorf("attack: no order: this is for 'flood run hostile': %w", err)
	}
	if err := settle(o); err != nil {
		return encoder.Encode(Word{Report: &Report{Error: err.Error()}})
	}
	if err := encoder.Encode(Word{Begun: true}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in) // nothing more is said: it ends with who started this
		cancel()
	}()
	r, err := Play(ctx, o)
	if err != nil {
		r = &Report{Error: err.Error()}
	}
	return encoder.Encode(Word{Report: r})
}

// settle has every thread of the process, and those that it will start, run where
// the order says, and no more than it says.
func settle(o Order) error {
	runtime.LockOSThread() // no thread is started meanwhile that is not one of ours
	defer runtime.UnlockOSThread()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("attack: threads: %w", err)
	}
	var cpus unix.CPUSet
	for _, cpu := range o.CPUs {
		cpus.Set(cpu)
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if len(o.CPUs) > 0 {
			if err := unix.SchedSetaffinity(tid, &cpus); err != nil {
				return fmt.Errorf("attack: cpus %v: %w", o.CPUs, err)
			}
		}
		if o.Idle {
			if err := unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
				return fmt.Errorf("attack: SCHED_IDLE: %w", err)
			}
		}
	}
	if len(o.CPUs) > 0 {
		runtime.GOMAXPROCS(len(o.CPUs))
	}
	return nil
}
