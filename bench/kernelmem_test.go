package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKernelMemory(t *testing.T) {
	if k := readKernelMemory(); k.Used < 1<<20 {
		t.Errorf("%+v: this process alone has more", k)
	}
	self := fmt.Sprintf("/proc/%d/smaps_rollup", pid())
	if _, err := os.ReadFile(self); err == nil {
		if n := pss([]int{pid()}); n < 100<<10 || n > 10<<30 {
			t.Errorf("%d bytes of proportional memory", n)
		}
	}
	if n := pss([]int{pid(), 1 << 30}); n != 0 {
		t.Errorf("%d bytes with a process that is not there", n)
	}
}

func TestTCPPages(t *testing.T) {
	for in, want := range map[string]int64{
		"sockets: used 7\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 12\nUDP: inuse 1 mem 99\n": 12,
		"UDP: inuse 1 mem 99\n": 0,
		"TCP: inuse 5\n":        0,
		"":                      0,
	} {
		if got := tcpPages([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestSlabCaches(t *testing.T) {
	const slabinfo = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                  26     26   2432   13    8 : tunables    0    0    0 : slabdata      2    2      0
filp             163840 163840    256   16    1 : tunables    0    0    0 : slabdata  10240  10240      0
short line
`
	want := map[string]int64{"filp": 10240 * 4096}
	if diff := cmp.Diff(want, slabCaches([]byte(slabinfo), 4096, 1<<20)); diff != "" {
		t.Error(diff)
	}
}

// What a connection costs is between the first and the last step.
func TestSlope(t *testing.T) {
	r := &Result{Memory: []MemoryStep{
		{Connections: 100, Bytes: 5000, Kernel: KernelMemory{Slab: 1000}},
		{Connections: 150, Bytes: 1},
		{Connections: 200, Bytes: 55000, Kernel: KernelMemory{Slab: 3000}},
	}}
	if got := r.BytesPerConnection(); got != 500 {
		t.Errorf("%v bytes of the server, want 500", got)
	}
	if got := r.Slope(func(m MemoryStep) int64 { return m.Kernel.Slab }); got != 20 {
		t.Errorf("%v bytes of the kernel, want 20", got)
	}
	if got := (&Result{Memory: r.Memory[:1]}).BytesPerConnection(); got != 0 {
		t.Errorf("%v with one step", got)
	}
}
