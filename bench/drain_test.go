package bench

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ended starts a process that ends well on SIGTERM, and calls then when it has.
func ended(t *testing.T, then func()) (pid int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `trap "exit 0" TERM; echo up; while :; do sleep 0.02; done`)
	up, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Read(make([]byte, 3)); err != nil { // its trap is set
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the process that stands for the server: %v", err)
		}
		then()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
	})
	return cmd.Process.Pid
}

func drainOf(url string, pid int) Plan {
	return Plan{
		Scenario: "drain", URLs: []string{url + "?n={index}"}, Connections: 10, PublishRate: 100, PIDs: []int{pid},
		Duration: 300 * time.Millisecond, Limit: 20 * time.Second,
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	s := &faulty{}
	url, _ := s.start(t)
	r := mustRun(t, drainOf(url, ended(t, func() {
		for i := range 11 { // the publisher is the last one
			time.Sleep(10 * time.Millisecond)
			s.end(i, 1001)
		}
	})))
	if !r.OK() && r.Invalid == "" {
		t.Errorf("%d lost, %d failed, %+v, %q", r.Lost, r.Failed, r.Faults, r.Problems)
	}
	wantFacts(t, r, map[string]float64{
		"closed with 1001": 10, "connections of publishers that ended": 1, "messages lost": 0, "still connected at the end": -1,
	})
	if q := latencyOf(r, "client's end after"); q == nil || q.Count != 10 || q.Max < 100*time.Millisecond {
		t.Errorf("the clients' ends: %+v", q)
	}
	sum := 0.0
	for _, section := range r.Sections {
		if section.Title == "clients' ends over time" {
			for _, f := range section.Facts {
				sum += f.Value
			}
		}
	}
	if sum != 10 {
		t.Errorf("%v ends over time, want 10", sum)
	}
}

// What a drain should not do is a problem.
func TestDrainThatGoesWrong(t *testing.T) {
	t.Parallel()
	s := &faulty{mangle: func(client, n int, p []byte) [][]byte {
		if client == 3 && (n == 2 || n == 3) {
			return nil
		}
		return [][]byte{p}
	}}
	url, api := s.start(t)
	p := drainOf(url, ended(t, func() {
		// What is lost has to be well before the ends, however late the publisher is.
		for end := time.Now().Add(10 * time.Second); s.messages() < 40 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		s.closed.Store(true) // publishes are refused from now on
		for i := range 9 {
			s.end(i, 1001)
		}
	}))
	p.API, p.APIKey = api, "secret"
	r := mustRun(t, p)
	wantFacts(t, r, map[string]float64{"closed with 1001": 9, "still connected at the end": 1, "messages lost": 2})
	if n, _ := factOf(r, "publishes that were not accepted"); n == 0 {
		t.Error("publishes after SIGTERM were accepted")
	}
	if diff := cmp.Diff([]string{"1 clients were still connected at the end"}, r.Problems); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Faults{Lost: 2}, r.Faults); diff != "" {
		t.Error(diff)
	}
}

func TestDrainWithoutGoodbye(t *testing.T) {
	t.Parallel()
	s := &faulty{}
	url, _ := s.start(t)
	r := mustRun(t, drainOf(url, ended(t, func() {
		for i := range 11 {
			if i < 7 {
				s.end(i, 1001)
			} else {
				s.end(i, 0)
			}
		}
	})))
	wantFacts(t, r, map[string]float64{"closed with 1001": 7, "closed with no close frame": 3})
	if diff := cmp.Diff([]string{"3 clients got no close frame"}, r.Problems); diff != "" {
		t.Error(diff)
	}
}

// A server that ignores SIGTERM is waited for, but not for ever.
func TestDrainThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `trap "" TERM; echo up; read x`)
	in, _ := cmd.StdinPipe()
	up, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if _, err := up.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	url, _ := (&faulty{}).start(t)
	p := drainOf(url, cmd.Process.Pid)
	p.Limit = 300 * time.Millisecond
	r := mustRun(t, p)
	wantFacts(t, r, map[string]float64{"still connected at the end": 10})
	if len(r.Problems) != 2 || !strings.Contains(strings.Join(r.Problems, "\n"), "had not gone 300ms after SIGTERM") {
		t.Errorf("%q", r.Problems)
	}
}

// What was accepted well before a client's end, and did not come, is lost; what
// was accepted about then may have been meant for it or not.
func TestDrainTellsTheTail(t *testing.T) {
	p := Plan{Scenario: "drain", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 2, PublishRate: 1, PIDs: []int{pid()}}
	d := newDrain(bareRun(t, &p))
	d.before.add(int64(100 * time.Millisecond)) // the slowest delivery
	ms := int64(time.Millisecond)
	d.ledgers[0].accepted = []int64{100 * ms, 500 * ms, 800 * ms, 900 * ms, 0, 1100 * ms}
	d.check.see(1, 1)
	d.ends = []end{{index: 1, at: 1000 * ms, code: 1001}}
	if lost, untold := d.missed(); lost != 2 || untold != 1 {
		t.Errorf("%d lost and %d untold, want 2 and 1", lost, untold)
	}
}

func TestEndingOf(t *testing.T) {
	if e := endingOf(pid()); e.gone {
		t.Error("this process has gone")
	}
	for script, want := range map[string]processEnd{
		"exit 3":     {gone: true, known: true, code: 3},
		"kill -9 $$": {gone: true, known: true, signal: 9},
		"exit 0":     {gone: true, known: true},
	} {
		cmd := exec.Command("sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = out.Read(make([]byte, 1)) // its end
		var got processEnd
		for deadline := time.Now().Add(time.Minute); !got.gone && time.Now().Before(deadline); {
			got = endingOf(cmd.Process.Pid)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(processEnd{})); diff != "" {
			t.Errorf("%s: %s", script, diff)
		}
		_ = cmd.Wait()
		if e := endingOf(cmd.Process.Pid); !e.gone || e.known {
			t.Errorf("%s, taken note of: %+v", script, e)
		}
	}
}

// The meter keeps what a process had used when it is gone.
func TestCPUMeterSurvives(t *testing.T) {
	cmd := exec.Command("sh", "-c", `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo up; read x`)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	m := newCPUMeter(cmd.Process.Pid)
	before, err := m.read()
	if err != nil || before <= 0 {
		t.Fatalf("%v, %v", before, err)
	}
	in.Close()
	_ = cmd.Wait()
	after, err := m.read()
	if err != nil || after != before {
		t.Errorf("%v before its end and %v after it: %v", before, after, err)
	}
	if _, err := newCPUMeter(cmd.Process.Pid).read(); err == nil {
		t.Error("a process that was never there has used time")
	}
}
