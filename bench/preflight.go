package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Capacity is what this host lets a generator open.
type Capacity struct {
	Files  int   // RLIMIT_NOFILE, after it was raised to the hard limit, less what the process needs
	Ports  int   // local ports x source addresses x targets
	Memory int64 // connections that fit into the available memory, both socket ends on this host
	Procs  int   // processes that share the connections; 0: one
}

const (
	// reservedFiles stay free for the process itself.
	reservedFiles = 64
	// kernelBytes is what the kernel keeps for both ends of an idle connection,
	// and the generator for one; measured with both on one host.
	kernelBytes = 10 << 10
)

// Preflight raises the file limit and reads the others. targets and sources
// count addresses; 0 sources means one.
func Preflight(targets, sources int) (Capacity, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return Capacity{}, fmt.Errorf("bench: file limit: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return Capacity{}, fmt.Errorf("bench: file limit: %w", err)
		}
	}
	c := Capacity{Files: int(min(limit.Cur, 1<<30)) - reservedFiles}

	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return Capacity{}, fmt.Errorf("bench: ports: %w", err)
	}
	var lowest, highest int
	if _, err := fmt.Sscan(string(bytes.TrimSpace(b)), &lowest, &highest); err != nil {
		return Capacity{}, fmt.Errorf("bench: ports: %w", err)
	}
	c.Ports = (highest - lowest + 1) * max(1, targets) * max(1, sources)

	b, err = os.ReadFile("/proc/meminfo")
	if err != nil {
		return Capacity{}, fmt.Errorf("bench: memory: %w", err)
	}
	kib, err := statusKiB(b, "MemAvailable:")
	if err != nil {
		return Capacity{}, fmt.Errorf("bench: memory: %w", err)
	}
	c.Memory = kib << 10 / kernelBytes
	return c, nil
}

// Connections is how many can be opened.
func (c Capacity) Connections() int { return int(min(int64(c.files()), int64(c.Ports), c.Memory)) }

// String says what can be opened, and which limit binds.
func (c Capacity) String() string {
	in := ""
	if c.Procs > 1 {
		in = fmt.Sprintf(" with %d processes", c.Procs)
	}
	return fmt.Sprintf("this host can open %d connections%s: %s", c.Connections(), in, c.Binds())
}

// files is what all processes together may open.
func (c Capacity) files() int { return c.Files * max(1, c.Procs) }

// ProcsFor is how many processes the plan asks for, by the file limit of each.
func (c Capacity) ProcsFor(p *Plan) int {
	sockets := p.Connections
	if p.API != "" || p.PublishRate > 0 {
		sockets += max(p.Publishers, p.Channels, 1) // churn's come on top, as do connections to an HTTP API
	}
	return max(1, (sockets+c.Files-1)/max(1, c.Files))
}

// Crowded says that connecting will become slow. Linux tries every second local
// port first, and each connect walks through all of them once an address has
// used them up: from 20,000 a second the rate fell to 1,200 (Linux 6.18).
func (c Capacity) Crowded(connections int) bool { return connections > c.Ports/2 }

// Binds says which limit it is, and what raises it.
func (c Capacity) Binds() string {
	switch n := c.Connections(); n {
	case c.files():
		each := ""
		if c.Procs > 1 {
			each = " in each"
		}
		return "the file limit binds (ulimit -n " + strconv.Itoa(c.Files+reservedFiles) + each +
			"): use more processes (--procs), or raise it, as root, with ulimit -n or fs.nr_open"
	case c.Ports:
		return "the local ports bind: give more source addresses (--sources 127.0.0.1-127.0.0.32) or more --url"
	default:
		return "the available memory binds"
	}
}
