// Package doctor says how many connections a host can hold, which limit binds,
// and how to raise it. It reads /proc and /sys/fs/cgroup below a root that a
// test may replace, and changes nothing.
package doctor

import "io/fs"

// What one connection costs, and what is kept back. Every figure of the
// report follows from these.
const (
	// FileReserve are the descriptors kept back for everything that is not a
	// client's connection: listeners, epoll instances, log files, the admin
	// listener's clients. At the limit an operator must still get in.
	FileReserve = 256

	// ProcessBytes is what the process itself spends on an idle connection
	// that joined one channel.
	ProcessBytes = 800

	// KernelBytes is what the kernel spends on it: the TCP socket, its inode
	// and directory entry, the file, the descriptor's slot and the epoll item.
	// About 4 KiB were measured with a million connections; the rest is room
	// for a message on its way.
	KernelBytes = 5 << 10

	// BaseBytes is what a node spends before its first connection.
	BaseBytes = 64 << 20

	// MemoryPercent is the share of the memory that is planned with. The rest
	// is left to the operating system and to the collector's headroom.
	MemoryPercent = 90

	// Backlog is the accept queue that a listener asks for by default; the
	// kernel cuts it to net.core.somaxconn.
	Backlog = 4096
)

// A Report says what a host can hold.
type Report struct {
	Connections int64   `json:"connections"`       // how many fit; the lowest of Limits
	Binds       string  `json:"binds"`             // the name of the limit that says so; "" = none is known
	Wanted      int64   `json:"wanted,omitempty"`  // how many were asked for; 0 = not asked
	Limits      []Limit `json:"limits"`            // what bounds the number of connections
	Advice      []Limit `json:"advice"`            // what bounds how fast they come and what they carry
	Remedies    []Fix   `json:"remedies,omitzero"` // how to change what binds, or all below Wanted, and what costs memory
}

// A Limit is one bound of the host.
type Limit struct {
	Name        string `json:"name"`
	Value       *int64 `json:"value"`       // as the kernel gives it; null = not there
	Connections *int64 `json:"connections"` // how many it allows; null = any number
	Note        string `json:"note,omitempty"`

	unit  unit
	raise func(connections int64) []string // the commands that make room for so many
}

// A Fix is a way to change one limit: shell commands, in order, and lines that
// begin with # to say what the next one is for.
type Fix struct {
	Name     string   `json:"name"`
	Lower    bool     `json:"lower,omitempty"` // it is too high, where others are too low
	Commands []string `json:"commands"`
}

// Enough reports whether the wanted connections fit.
func (r *Report) Enough() bool { return r.Wanted <= r.Connections || r.Binds == "" }

// Examine reads the host below root and works out what it can hold. wanted is
// the number of connections somebody asks for, or 0. The error says that
// nothing could be read.
func Examine(root fs.FS, wanted int64) (*Report, error) {
	h, err := ReadHost(root)
	if err != nil {
		return nil, err
	}
	return Judge(h, wanted), nil
}

// Judge is Examine for a host that was read before.
func Judge(h Host, wanted int64) *Report {
	r := &Report{Connections: Unlimited, Wanted: wanted, Limits: h.limits(), Advice: h.advice()}
	for _, l := range r.Limits {
		// Of two that allow as many, the later one is named: RLIMIT_NOFILE
		// rather than fs.nr_open, which bounds it.
		if l.Connections != nil && *l.Connections <= r.Connections {
			r.Connections, r.Binds = *l.Connections, l.Name
		}
	}
	if r.Binds == "" {
		r.Connections = 0
		return r
	}

	target := wanted
	if target == 0 {
		target = r.nextStep()
	}
	for _, l := range r.Limits {
		if l.Connections != nil && *l.Connections < target {
			r.Remedies = append(r.Remedies, Fix{Name: l.Name, Commands: l.raise(target)})
		}
	}
	if h.Somaxconn != nil && *h.Somaxconn < Backlog {
		r.Remedies = append(r.Remedies, Fix{Name: somaxconn, Commands: sysctl(somaxconn, Backlog)})
	}
	if value(h.HugeFill) > 0 {
		r.Remedies = append(r.Remedies, Fix{Name: hugeFill, Lower: true, Commands: lowerHugeFill()})
	}
	return r
}

// nextStep is the number of connections worth raising the binding limit to
// when nobody asked for one: as many as the next limit allows, but no more
// than a million or twice of what fits now.
func (r *Report) nextStep() int64 {
	next := max(1_000_000, 2*r.Connections)
	for _, l := range r.Limits {
		if l.Connections != nil && *l.Connections > r.Connections {
			next = min(next, *l.Connections)
		}
	}
	return next
}
