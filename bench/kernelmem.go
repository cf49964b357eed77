package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// KernelMemory is what this host holds, in bytes, whoever it is for: with the
// server on the same host, both ends of every connection. Only differences
// between steps of an otherwise idle host mean something. What the host does not
// show to us is 0.
type KernelMemory struct {
	Slab    int64 `json:"slab"`    // the kernel's objects: sockets, files, epoll items
	Sockets int64 `json:"sockets"` // in the buffers of TCP
	Used    int64 `json:"used"`    // all that is neither free nor a copy of a file, processes included
	// Caches are the slab caches of at least 1 MiB, which are shown to root alone.
	Caches map[string]int64 `json:"caches,omitempty"`
}

func readKernelMemory() (k KernelMemory) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		kib := func(name string) int64 { n, _ := statusKiB(b, name); return n }
		k.Slab = kib("Slab:") << 10
		// Not by MemAvailable, which counts the inodes of open sockets by half.
		k.Used = (kib("MemTotal:") - kib("MemFree:") - kib("Buffers:") - kib("Cached:")) << 10
	}
	if b, err := os.ReadFile("/proc/net/sockstat"); err == nil {
		k.Sockets = tcpPages(b) * int64(os.Getpagesize())
	}
	if b, err := os.ReadFile("/proc/slabinfo"); err == nil {
		k.Caches = slabCaches(b, os.Getpagesize(), 1<<20)
	}
	return k
}

// tcpPages finds "TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 1", whose mem is in pages.
func tcpPages(sockstat []byte) int64 {
	for line := range bytes.Lines(sockstat) {
		if f := bytes.Fields(line); len(f) > 2 && string(f[0]) == "TCP:" && string(f[len(f)-2]) == "mem" {
			pages, _ := strconv.ParseInt(string(f[len(f)-1]), 10, 64)
			return pages
		}
	}
	return 0
}

// slabCaches reads /proc/slabinfo, version 2.1: "NAME ACTIVE OBJECTS SIZE
// PERSLAB PAGES : tunables A B C : slabdata ACTIVE SLABS SHARED".
func slabCaches(b []byte, page int, least int64) map[string]int64 {
	caches := map[string]int64{}
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 16 || f[0][0] == '#' {
			continue
		}
		pages, err1 := strconv.ParseInt(string(f[5]), 10, 64)
		slabs, err2 := strconv.ParseInt(string(f[14]), 10, 64)
		if n := pages * slabs * int64(page); err1 == nil && err2 == nil && n >= least {
			caches[string(f[0])] = n
		}
	}
	return caches
}

// pss is the proportional resident memory of the processes together, in bytes;
// 0 where the kernel does not show it to us.
func pss(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0
		}
		kib, err := statusKiB(b, "Pss:")
		if err != nil {
			return 0
		}
		sum += kib << 10
	}
	return sum
}
