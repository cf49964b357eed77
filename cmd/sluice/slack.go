package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// prctl's options, which package syscall does not name.
const (
	prSetTimerSlack = 29
	prGetTimerSlack = 30
)

// relaxTimers lets the kernel be late by up to slack with this process's
// timers, where its own default is 50 us. It is meant for one timer: Go's
// monitor thread wakes every 20 us for a while whenever a processor went idle
// and came back, as it does for each message at a low rate, and on a busy core
// each wake preempts the sender. At 1,000 subscribers and 50 messages a second
// that was a tenth of the CPU per delivery.
//
// The value belongs to a thread, and new threads inherit it. The monitor is
// older than main, so the only way to reach it is to execute the program once
// more: same process, same arguments. If that is not possible, everything stays
// as it is; on success it does not return.
func relaxTimers(slack time.Duration) {
	now, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prGetTimerSlack, 0, 0)
	if slack <= 0 || errno != 0 || int64(now) == slack.Nanoseconds() {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	path, err := os.Executable()
	if err != nil {
		return
	}
	// Exec keeps the calling thread's value.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, uintptr(slack.Nanoseconds()), 0); errno != 0 {
		return
	}
	_ = syscall.Exec(path, os.Args, os.Environ())
}
