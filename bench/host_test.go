package bench

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCPUMeter(t *testing.T) {
	m := newCPUMeter(pid())
	before, err := m.read()
	if err != nil {
		t.Fatal(err)
	}
	for begun, x := used(t), uint64(1); used(t)-begun < 30*time.Millisecond; { // however long it takes to get so much
		x = checksum(putLetters16(x))
	}
	after, err := m.read()
	if err != nil {
		t.Fatal(err)
	}
	if got := after - before; got < time.Millisecond || got > 30*time.Second {
		t.Errorf("%v of CPU in 30 ms of work", got)
	}
	if ticks, err := statTime(pid()); err != nil || ticks < 0 || ticks > after+time.Second {
		t.Errorf("stat says %v (%v), the scheduler %v", ticks, err, after)
	}
	if _, err := newCPUMeter(1 << 30).read(); err == nil {
		t.Error("no error for a process that is not there")
	}
}

// used is the CPU time of this process, as another source has it.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func putLetters16(x uint64) []byte {
	b := make([]byte, 16)
	putLetters(b, x)
	return b
}

func TestRSSAnon(t *testing.T) {
	n, err := rssAnon([]int{pid()})
	if err != nil || n < 100<<10 || n > 10<<30 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := statusKiB([]byte("Name:\tx\nRssAnon:\t  12 kB\n"), "RssFile:"); err == nil {
		t.Error("no error for a line that is not there")
	}
	if n, err := statusKiB([]byte("Name:\tx\nRssAnon:\t  12 kB\n"), "RssAnon:"); n != 12 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestCollectGarbage(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/gc" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	if err := collectGarbage(""); err != nil {
		t.Error(err)
	}
	if err := collectGarbage(s.URL + "/gc"); err != nil {
		t.Error(err)
	}
	if err := collectGarbage(s.URL + "/other"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
}

func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		c    Capacity
		n    int
		says string
	}{
		{Capacity{Files: 100, Ports: 200, Memory: 300}, 100, "file limit"},
		{Capacity{Files: 300, Ports: 200, Memory: 300}, 200, "--sources"},
		{Capacity{Files: 300, Ports: 200, Memory: 150}, 150, "memory"},
	} {
		if n := tt.c.Connections(); n != tt.n || !strings.Contains(tt.c.Binds(), tt.says) {
			t.Errorf("%+v: %d, %s", tt.c, n, tt.c.Binds())
		}
	}
	if c := (Capacity{Ports: 200}); c.Crowded(100) || !c.Crowded(101) {
		t.Error("half of the ports are what connects fast")
	}
	one, err := Preflight(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	many, err := Preflight(2, 32)
	if err != nil {
		t.Fatal(err)
	}
	if many.Ports != 64*one.Ports || one.Files < 1 || one.Memory < 1 {
		t.Errorf("%+v and %+v", one, many)
	}
}
