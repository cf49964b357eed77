package doctor

import "fmt"

const (
	somaxconn = "net.core.somaxconn"
	hugeFill  = "max_ptes_none"
)

// limits are the bounds on the number of connections, in the order in which a
// new descriptor meets them.
func (h Host) limits() []Limit {
	nofile := Limit{
		Name: "RLIMIT_NOFILE", Value: h.FilesHard, Connections: files(h.FilesHard, nil),
		raise: raiseNofile,
	}
	if h.FilesSoft != nil && h.FilesHard != nil && *h.FilesSoft != *h.FilesHard {
		nofile.Note = fmt.Sprintf("soft %s, raised at start", count(*h.FilesSoft))
	}

	nrOpen := Limit{
		Name: "fs.nr_open", Value: h.NrOpen, Connections: files(h.NrOpen, nil),
		Note: "the most RLIMIT_NOFILE can be",
		raise: func(n int64) []string {
			return sysctl("fs.nr_open", n+FileReserve)
		},
	}

	fileMax := Limit{
		Name: "fs.file-max", Value: h.FileMax, Connections: files(h.FileMax, h.FileUsed),
		raise: func(n int64) []string {
			return sysctl("fs.file-max", n+FileReserve+value(h.FileUsed))
		},
	}
	if h.FileUsed != nil {
		fileMax.Note = count(*h.FileUsed) + " open now, host-wide"
	}

	conntrack := Limit{
		Name: "nf_conntrack_max", Value: h.Conntrack, Connections: less(h.Conntrack, value(h.ConntrackUsed)),
		Note: "not loaded",
		raise: func(n int64) []string {
			return sysctl("net.netfilter.nf_conntrack_max", n+value(h.ConntrackUsed))
		},
	}
	if h.Conntrack != nil {
		conntrack.Note = count(value(h.ConntrackUsed)) + " flows tracked now"
	}

	return []Limit{
		nrOpen, nofile, fileMax, conntrack,
		{
			Name: "cgroup memory", Value: h.CgroupMemory, Connections: memory(h.CgroupMemory),
			unit: inBytes, raise: raiseCgroup, Note: note(h.CgroupMemory, "no limit"),
		},
		{
			Name: "physical memory", Value: h.Memory, Connections: memory(h.Memory),
			unit: inBytes, raise: addMemory,
			Note: fmt.Sprintf("%d %% of it, %s each", MemoryPercent, size(ProcessBytes+KernelBytes)),
		},
	}
}

// advice are the settings that do not bound how many connections a host holds,
// only how they come and what they carry.
func (h Host) advice() []Limit {
	backlog := Limit{Name: somaxconn, Value: h.Somaxconn, Note: "connections that may wait for accept"}
	if h.Somaxconn != nil && *h.Somaxconn < Backlog {
		backlog.Note = fmt.Sprintf("cuts the default backlog of %s", count(Backlog))
	}

	ports := Limit{Name: "ip_local_port_range", Note: "ports from one address to one listener"}
	if h.PortLow != nil && h.PortHigh != nil && *h.PortHigh >= *h.PortLow {
		n := *h.PortHigh - *h.PortLow + 1
		ports.Value = &n
	}

	tcp := Limit{Name: "tcp_mem (pressure)", Value: h.TCPMem, Note: "pages of queued data before it is squeezed"}

	fill := Limit{Name: hugeFill, Value: h.HugeFill, Note: "memory that was given back stays so"}
	if value(h.HugeFill) > 0 {
		fill.Note = "huge pages take back what was released"
	}
	return []Limit{backlog, ports, tcp, fill}
}

// files is how many connections a number of descriptors allows beside those
// already in use.
func files(limit, used *int64) *int64 { return less(limit, FileReserve+value(used)) }

// less subtracts what is taken from a limit; no limit stays none.
func less(limit *int64, taken int64) *int64 {
	if limit == nil || *limit == Unlimited {
		return nil
	}
	n := max(0, *limit-taken)
	return &n
}

// memory is how many connections fit in so many bytes.
func memory(limit *int64) *int64 {
	if limit == nil || *limit == Unlimited {
		return nil
	}
	n := max(0, (*limit/100*MemoryPercent-BaseBytes)/(ProcessBytes+KernelBytes))
	return &n
}

// memoryFor is the inverse of memory, rounded up to whole MiB.
func memoryFor(connections int64) int64 {
	const mib = 1 << 20
	b := (connections*(ProcessBytes+KernelBytes) + BaseBytes) / MemoryPercent * 100
	return b/mib + 1
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// note returns s when the limit does not exist or is switched off.
func note(p *int64, s string) string {
	if p == nil || *p == Unlimited {
		return s
	}
	return ""
}
