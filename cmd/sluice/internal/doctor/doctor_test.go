package doctor

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestJudge holds the arithmetic and the choice of the binding limit. The
// fixtures are hosts as one meets them.
func TestJudge(t *testing.T) {
	tests := []struct {
		host        string
		wanted      int64
		connections int64
		binds       string
		enough      bool
		remedies    []string
	}{
		{"proc-login", 0, 1_048_576 - FileReserve, "RLIMIT_NOFILE", true, []string{"fs.nr_open", "RLIMIT_NOFILE"}},
		{"proc-service", 0, 524_288 - FileReserve, "RLIMIT_NOFILE", true, []string{"RLIMIT_NOFILE", somaxconn}},
		{"proc-service", 500_000, 524_288 - FileReserve, "RLIMIT_NOFILE", true, []string{somaxconn}},
		{"proc-service", 524_032, 524_288 - FileReserve, "RLIMIT_NOFILE", true, []string{somaxconn}},
		{"proc-service", 524_033, 524_288 - FileReserve, "RLIMIT_NOFILE", false, []string{"RLIMIT_NOFILE", somaxconn}},
		{"proc-container", 0, 70_282, "cgroup memory", true, []string{"cgroup memory"}},
		{"proc-container", 2_000_000, 70_282, "cgroup memory", false, []string{"fs.nr_open", "RLIMIT_NOFILE", "cgroup memory"}},
		{"proc-firewall", 0, 262_144 - 812, "nf_conntrack_max", true, []string{"nf_conntrack_max"}},
		{"proc-cgroup1", 0, 4_605, "cgroup memory", true, []string{"cgroup memory"}},
		{"proc-old", 0, 65_536 - 64_800 - FileReserve, "fs.file-max", true, []string{"fs.file-max", somaxconn, hugeFill}},
		{"proc-old", 1_000_000, 480, "fs.file-max", false, []string{"RLIMIT_NOFILE", "fs.file-max", "physical memory", somaxconn, hugeFill}},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			r, err := Examine(os.DirFS(filepath.Join("testdata", tt.host)), tt.wanted)
			if err != nil {
				t.Fatal(err)
			}
			if r.Connections != tt.connections || r.Binds != tt.binds || r.Enough() != tt.enough {
				t.Errorf("got %d connections, %q binds, enough %v; want %d, %q, %v",
					r.Connections, r.Binds, r.Enough(), tt.connections, tt.binds, tt.enough)
			}
			var remedies []string
			for _, f := range r.Remedies {
				remedies = append(remedies, f.Name)
			}
			if d := cmp.Diff(tt.remedies, remedies); d != "" {
				t.Errorf("remedies (-want +got):\n%s", d)
			}
		})
	}
}

// TestRemediesSuffice: who does what a remedy says has room for what was asked.
func TestRemediesSuffice(t *testing.T) {
	for _, wanted := range []int64{1, 1_000, 100_000, 1_000_000, 10_000_000} {
		if got := *memory(ptr(memoryFor(wanted) << 20)); got < wanted {
			t.Errorf("memory for %d connections holds %d", wanted, got)
		}
	}
	raised := Judge(Host{FileMax: ptr(5000), FileUsed: ptr(700)}, 1_000_000).Remedies[0].Commands[0]
	if raised != "sysctl -w fs.file-max=1000956" {
		t.Errorf("leaves out the reserve or the files in use: %s", raised)
	}
}

func TestWriteText(t *testing.T) {
	hosts, err := filepath.Glob("testdata/proc-*")
	if err != nil || len(hosts) == 0 {
		t.Fatal(hosts, err)
	}
	for _, host := range hosts {
		if info, err := os.Stat(host); err != nil || !info.IsDir() {
			continue
		}
		t.Run(filepath.Base(host), func(t *testing.T) {
			r, err := Examine(os.DirFS(host), 0)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := r.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(got.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			golden := host + ".txt"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	r, err := Examine(os.DirFS("testdata/proc-firewall"), 300_000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Connections int64
		Binds       string
		Wanted      int64
		Limits      []struct {
			Name        string
			Value       *int64
			Connections *int64
		}
		Remedies []Fix
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Connections != 261_332 || got.Binds != "nf_conntrack_max" || got.Wanted != 300_000 ||
		len(got.Limits) != 6 || len(got.Remedies) != 1 {
		t.Errorf("got %s", b)
	}
}

func TestReadHost(t *testing.T) {
	t.Run("nothing readable", func(t *testing.T) {
		if _, err := ReadHost(fstest.MapFS{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("garbage is not a limit", func(t *testing.T) {
		h, err := ReadHost(fstest.MapFS{
			"proc/self/limits":    file("Max open files  lots  -5 files\n"),
			"proc/meminfo":        file("MemTotal:\n"),
			"proc/sys/fs/nr_open": file("1000\n"),
			"proc/self/cgroup":    file("no colons here\n0::/../../etc\n"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(Host{NrOpen: ptr(1000)}, h); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if r := Judge(h, 0); r.Binds != "fs.nr_open" || r.Connections != 1000-FileReserve {
			t.Errorf("got %d, %s", r.Connections, r.Binds)
		}
	})
	t.Run("nothing binds", func(t *testing.T) {
		r := Judge(Host{FilesHard: ptr(Unlimited)}, 10)
		if r.Binds != "" || !r.Enough() {
			t.Errorf("got %q, enough %v", r.Binds, r.Enough())
		}
	})
	t.Run("the tightest of the path", func(t *testing.T) {
		h, err := ReadHost(fstest.MapFS{
			"proc/sys/fs/nr_open":            file("1000"),
			"proc/self/cgroup":               file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max":   file("300\n"),
			"sys/fs/cgroup/a/memory.max":     file("200\n"),
			"sys/fs/cgroup/memory.max":       file("max\n"),
			"sys/fs/cgroup/other/memory.max": file("100\n"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if h.CgroupMemory == nil || *h.CgroupMemory != 200 {
			t.Errorf("got %v", h.CgroupMemory)
		}
	})
}

// TestThisHost reads the machine that the test runs on.
func TestThisHost(t *testing.T) {
	r, err := Examine(os.DirFS("/"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Binds == "" || r.Connections <= 0 {
		t.Errorf("got %d connections, %q binds", r.Connections, r.Binds)
	}
}

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func ptr(n int64) *int64 { return &n }
