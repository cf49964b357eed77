package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Unlimited is the value of a limit that the kernel does not apply.
const Unlimited = math.MaxInt64

// Host holds the limits of one Linux host, as the running process sees them.
// A limit that could not be read is nil, and one that is switched off is
// Unlimited.
type Host struct {
	FilesSoft *int64 // RLIMIT_NOFILE, soft: descriptors
	FilesHard *int64 // RLIMIT_NOFILE, hard: descriptors

	NrOpen   *int64 // fs.nr_open: the most that RLIMIT_NOFILE may be set to
	FileMax  *int64 // fs.file-max: open files of all processes
	FileUsed *int64 // fs.file-nr: open files of all processes now

	Conntrack     *int64 // nf_conntrack_max: tracked flows; nil = module not loaded
	ConntrackUsed *int64 // nf_conntrack_count

	Memory       *int64 // physical memory, bytes
	CgroupMemory *int64 // the tightest memory limit on the process's cgroup path, bytes

	Somaxconn *int64 // net.core.somaxconn: the longest accept queue
	PortLow   *int64 // net.ipv4.ip_local_port_range, first port
	PortHigh  *int64 // net.ipv4.ip_local_port_range, last port
	TCPMem    *int64 // net.ipv4.tcp_mem, pressure: pages of queued TCP data

	// khugepaged/max_ptes_none: how many of the 512 pages of a transparent huge
	// page the kernel may make up; nil = it makes none for whoever does not ask.
	HugeFill *int64
}

// ReadHost reads the limits below root, which is the root directory of the
// host (os.DirFS("/")) or a test's fixture. It fails only when nothing at all
// could be read: then this is no Linux, or /proc is not mounted.
func ReadHost(root fs.FS) (Host, error) {
	var h Host
	h.FilesSoft, h.FilesHard = readFileLimit(root)

	const sys = "proc/sys/"
	h.NrOpen = readField(root, sys+"fs/nr_open", 0)
	h.FileMax = readField(root, sys+"fs/file-max", 0)
	h.FileUsed = readField(root, sys+"fs/file-nr", 0)
	h.Conntrack = readField(root, sys+"net/netfilter/nf_conntrack_max", 0)
	h.ConntrackUsed = readField(root, sys+"net/netfilter/nf_conntrack_count", 0)
	h.Somaxconn = readField(root, sys+"net/core/somaxconn", 0)
	h.PortLow = readField(root, sys+"net/ipv4/ip_local_port_range", 0)
	h.PortHigh = readField(root, sys+"net/ipv4/ip_local_port_range", 1)
	h.TCPMem = readField(root, sys+"net/ipv4/tcp_mem", 1)

	h.HugeFill = readHugeFill(root)

	h.Memory = readMemTotal(root)
	h.CgroupMemory = readCgroupMemory(root)

	if h.FilesHard == nil && h.NrOpen == nil && h.FileMax == nil && h.Memory == nil {
		return h, fmt.Errorf("doctor: no limit is readable under /proc")
	}
	return h, nil
}

// readFileLimit finds the descriptor limits in proc/self/limits, whose columns
// are a name with spaces, soft, hard and unit.
func readFileLimit(root fs.FS) (soft, hard *int64) {
	b, err := fs.ReadFile(root, "proc/self/limits")
	if err != nil {
		return nil, nil
	}
	for line := range bytes.Lines(b) {
		rest, ok := strings.CutPrefix(string(line), "Max open files")
		if !ok {
			continue
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			return parseLimit(f[0]), parseLimit(f[1])
		}
	}
	return nil, nil
}

// readHugeFill returns khugepaged's max_ptes_none where transparent huge pages
// are for every process. The one that is chosen stands in brackets.
func readHugeFill(root fs.FS) *int64 {
	const thp = "sys/kernel/mm/transparent_hugepage/"
	b, err := fs.ReadFile(root, thp+"enabled")
	if err != nil || !bytes.Contains(b, []byte("[always]")) {
		return nil
	}
	return readField(root, thp+"khugepaged/max_ptes_none", 0)
}

// readMemTotal returns the physical memory in bytes.
func readMemTotal(root fs.FS) *int64 {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(b) {
		rest, ok := strings.CutPrefix(string(line), "MemTotal:")
		if !ok {
			continue
		}
		if f := strings.Fields(rest); len(f) >= 1 {
			if kib := parseLimit(f[0]); kib != nil {
				n := *kib * 1024
				return &n
			}
		}
	}
	return nil
}

// readCgroupMemory returns the lowest memory limit between the process's
// cgroup and the root of its hierarchy, for version 2 and for version 1. A
// path that is not visible, as in a container that sees only its own part of
// the tree, falls back to the directories above it, down to the mount itself.
func readCgroupMemory(root fs.FS) *int64 {
	f, err := root.Open("proc/self/cgroup")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()

	var lowest *int64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		part := strings.SplitN(lines.Text(), ":", 3) // hierarchy:controllers:path
		if len(part) != 3 {
			continue
		}
		var mount, file string
		switch {
		case part[0] == "0" && part[1] == "":
			mount, file = "sys/fs/cgroup", "memory.max"
		case hasController(part[1], "memory"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + part[2]); ; dir = path.Dir(dir) {
			n := readField(root, path.Join(mount, dir, file), 0)
			if n != nil && (lowest == nil || *n < *lowest) {
				lowest = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return lowest
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// readField returns the i-th number in a file, or nil.
func readField(root fs.FS, name string, i int) *int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil
	}
	f := strings.Fields(string(b))
	if i >= len(f) {
		return nil
	}
	return parseLimit(f[i])
}

// parseLimit reads a number as the kernel prints it. The words for no limit,
// and numbers so large that they mean it (cgroup version 1 prints 2^63 less a
// page; fs.file-max defaults to 2^63-1 on newer kernels), are Unlimited.
func parseLimit(s string) *int64 {
	unlimited := int64(Unlimited)
	if s == "max" || s == "unlimited" {
		return &unlimited
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return nil
	}
	if n >= 1<<60 {
		return &unlimited
	}
	v := int64(n)
	return &v
}
