package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuMeter reads the CPU time (user and system) of processes. It sums the
// nanoseconds that the scheduler keeps per thread, where the kernel shows them
// (/proc/PID/task/TID/schedstat), because utime and stime of /proc/PID/stat
// come in steps of 10 ms; what threads, and processes, had when they ended is
// remembered from the last reading.
type cpuMeter struct {
	pids    []int
	threads map[string]time.Duration // by schedstat path, or "stat" and the pid
}

func newCPUMeter(pids ...int) *cpuMeter {
	return &cpuMeter{pids: pids, threads: map[string]time.Duration{}}
}

// read is the time used since the processes started; only differences mean something.
func (m *cpuMeter) read() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range m.pids {
		paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(paths) == 0 {
			if err := m.readStat(pid); err != nil {
				return 0, err
			}
			continue
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				continue // the thread ended between the two calls
			}
			field, _, _ := bytes.Cut(b, []byte(" "))
			ns, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("bench: %s: %w", path, err)
			}
			m.threads[path] = time.Duration(ns)
		}
	}
	for _, d := range m.threads {
		sum += d
	}
	return sum, nil
}

// readStat is for a process without schedstat files: those of an older kernel,
// and those that have ended. It is an error only when the process was never read.
func (m *cpuMeter) readStat(pid int) error {
	whole, own := fmt.Sprintf("stat %d", pid), fmt.Sprintf("/proc/%d/", pid)
	for path := range m.threads {
		if strings.HasPrefix(path, own) {
			return nil // it has ended
		}
	}
	ticks, err := statTime(pid)
	if _, known := m.threads[whole]; err != nil && !known {
		return err
	}
	if err == nil {
		m.threads[whole] = ticks
	}
	return nil
}

// statTime is utime + stime of /proc/PID/stat, whose unit is 1/100 s on Linux.
func statTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("bench: cpu of %d: %w", pid, err)
	}
	// The name (field 2) may hold blanks and parentheses; state follows its last ')'.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("bench: cpu of %d: short stat", pid)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("bench: cpu of %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// rssAnon is the anonymous resident memory of the processes together, in bytes.
func rssAnon(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, fmt.Errorf("bench: memory of %d: %w", pid, err)
		}
		kib, err := statusKiB(b, "RssAnon:")
		if err != nil {
			return 0, fmt.Errorf("bench: memory of %d: %w", pid, err)
		}
		sum += kib << 10
	}
	return sum, nil
}

// statusKiB finds a line "NAME   123 kB".
func statusKiB(b []byte, name string) (int64, error) {
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == name {
			return strconv.ParseInt(string(f[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("no line %s", name)
}

// collectGarbage asks the server to, so that memory is compared without garbage.
func collectGarbage(url string) error {
	if url == "" {
		return nil
	}
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("bench: gc: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("bench: gc: %s: %s", url, res.Status)
	}
	return nil
}
