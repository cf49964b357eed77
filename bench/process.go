package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// processEnd is what can be known of the end of a process that is not our child.
type processEnd struct {
	gone  bool
	known bool // its parent has not taken note of its end yet, so that the status can be read
	// Where known: the exit code, or the signal that ended it.
	code   int
	signal unix.Signal
}

// endingOf looks whether the process has ended.
func endingOf(pid int) processEnd {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processEnd{gone: true}
	}
	// The name (field 2) may hold blanks and parentheses; state (field 3) follows its last ')'.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) == 0 || (fields[0][0] != 'Z' && fields[0][0] != 'X') {
		return processEnd{}
	}
	e := processEnd{gone: true}
	if len(fields) >= 50 { // exit_code is field 52, a wait status
		if n, err := strconv.Atoi(string(fields[49])); err == nil {
			status := unix.WaitStatus(n)
			e.known = true
			if status.Signaled() {
				e.signal = status.Signal()
			} else {
				e.code = status.ExitStatus()
			}
		}
	}
	return e
}
