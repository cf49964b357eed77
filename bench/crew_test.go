package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bench/attack"
	"sluice/gateway/ws"
)

// workArg makes the test binary one of the processes of a run.
const workArg = "work-for-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == attackArg {
		if err := attack.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == workArg {
		if err := Work(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inThree are the options of a run in three processes.
func inThree() Options { return Options{Procs: 3, Worker: []string{os.Args[0], workArg}} }

// workers are the processes that a run of this test has started, in the order of
// their pids. Tests that ask for them run alone.
func workers(t *testing.T) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

// Each process sees a part of the connections; together they see everything once.
func TestThreeProcessesAreOneRun(t *testing.T) {
	url, _ := (&faulty{}).start(t)
	p := Plan{
		Scenario: "fanout", URLs: []string{url}, Connections: 20, Channels: 4, Publishers: 5,
		PublishRate: 250, Duration: 400 * time.Millisecond, PIDs: []int{pid()},
	}
	o := inThree()
	var mu sync.Mutex
	most := Progress{}
	o.Interval = 10 * time.Millisecond
	o.Progress = func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Open >= most.Open && p.Done >= most.Done {
			most = p
		}
	}
	r, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	// Channels 0 to 3 have five subscribers each; publisher 4 is of channel 0 too.
	if r.Opened != 20 || r.Published != 100 || r.Operations != 500 || r.Undelivered != 0 || r.Faults.Any() || r.Processes != 3 {
		t.Errorf("%d opened, %d published, %d deliveries, %d undelivered, %+v, in %d processes",
			r.Opened, r.Published, r.Operations, r.Undelivered, r.Faults, r.Processes)
	}
	if r.Handshake.Count != 20 || r.Delivery.Count != 500 || r.Last.Count != 100 || r.SendLag.Count != 100 {
		t.Errorf("%d handshakes, %d deliveries, %d last ones, %d sends were timed, want 20, 500, 100, 100",
			r.Handshake.Count, r.Delivery.Count, r.Last.Count, r.SendLag.Count)
	}
	if r.Last.Max != r.Delivery.Max || r.Last.P50 < r.Delivery.P50 {
		t.Errorf("the last subscriber has %+v, each has %+v", r.Last, r.Delivery)
	}
	if r.ServerCPU == 0 || r.ClientCPU == 0 || r.Window <= 0 {
		t.Errorf("server CPU %v, client CPU %v in %v", r.ServerCPU, r.ClientCPU, r.Window)
	}
	mu.Lock()
	defer mu.Unlock()
	if most.Open != 20 || most.Want != 20 || most.Phase == "" {
		t.Errorf("the best glance was %+v", most)
	}
}

// Each fault counts once, whichever process sees it.
func TestFaultsOfThreeProcesses(t *testing.T) {
	t.Parallel()
	var held []byte
	server := &faulty{mangle: func(client, n int, p []byte) [][]byte {
		switch {
		case client == 2 && n%10 == 0: // 10 lost
			return nil
		case n == 55: // 1 lost by each of 5
			return nil
		case client == 0 && n%25 == 0: // 4 doubled
			return [][]byte{p, p}
		case client == 4 && n == 30:
			held = slices.Clone(p)
			return nil
		case client == 4 && n == 33: // 1 reordered
			return [][]byte{p, held}
		case client == 1 && n > 97: // 3 corrupt, and so lost
			p = slices.Clone(p)
			p[len(p)-1] ^= 1
		}
		return [][]byte{p}
	}}
	url, _ := server.start(t)
	r, err := Run(t.Context(), hundred(url), inThree())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Faults{Lost: 18, Duplicated: 4, Reordered: 1, Corrupt: 3}, r.Faults); diff != "" {
		t.Error(diff)
	}
	// Ten messages did not reach one subscriber, three another, one of them the same; one reached nobody.
	if r.Published != 100 || r.Undelivered != 0 || r.Last.Count != 100-14+1 || r.OK() {
		t.Errorf("%d published, %d undelivered, %d with a last subscriber", r.Published, r.Undelivered, r.Last.Count)
	}
}

func TestConnectAndChurnInThreeProcesses(t *testing.T) {
	url, _ := (&faulty{}).start(t)
	r, err := Run(t.Context(), Plan{
		Scenario: "connect", URLs: []string{url, url}, Connections: 40, ConnectRate: 400, Steps: []int{10, 30},
		Sources: []string{"127.0.0.1", "127.0.0.2"}, Hold: 50 * time.Millisecond, PIDs: []int{pid()},
	}, inThree())
	if err != nil {
		t.Fatal(err)
	}
	if r.Opened != 40 || r.Operations != 40 || r.Handshake.Count != 40 || r.ServerCPU == 0 {
		t.Errorf("%+v", r)
	}
	if r.Window < 90*time.Millisecond {
		t.Errorf("40 connections at 400/s took %v", r.Window)
	}
	var at []int
	for _, m := range r.Memory {
		at = append(at, m.Connections)
	}
	if diff := cmp.Diff([]int{10, 30, 40}, at); diff != "" {
		t.Error(diff)
	}

	r, err = Run(t.Context(), Plan{
		Scenario: "churn", URLs: []string{url}, Connections: 6, Channels: 2, PublishRate: 400, Messages: 2, Duration: 400 * time.Millisecond,
	}, inThree())
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.Operations == 0 || r.Cycle.Count != r.Operations || r.Published < 160 {
		t.Errorf("%+v", r)
	}

	// One process has nothing to do.
	r, err = Run(t.Context(), Plan{Scenario: "connect", URLs: []string{url}, Connections: 2}, inThree())
	if err != nil || r.Opened != 2 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Publishers are shared out as connections are, also those that post, and those
// that do not hear themselves.
func TestPublishersOfThreeProcesses(t *testing.T) {
	url, api := (&faulty{}).start(t)
	p := hundred(url)
	p.Channels, p.Publishers, p.API, p.APIKey = 2, 7, api, "secret"
	r, err := Run(t.Context(), p, inThree())
	if err != nil {
		t.Fatal(err)
	}
	if r.Published != 100 || r.Faults.Any() || r.Last.Count != 100 {
		t.Errorf("over the API: %d published, %d completed, %+v", r.Published, r.Last.Count, r.Faults)
	}

	silent := &faulty{mangle: func(client, _ int, p []byte) [][]byte {
		if s, ok := openPayload(p); ok && s.publisher == client {
			return nil
		}
		return [][]byte{p}
	}}
	url, _ = silent.start(t)
	p = hundred(url + "?n={index}")
	p.Publishers, p.Dialect.NoEcho = 3, true
	if r, err = Run(t.Context(), p, inThree()); err != nil {
		t.Fatal(err)
	}
	if r.Operations != 400 || r.Faults.Any() || r.Last.Count != 100 {
		t.Errorf("without an echo: %d deliveries, %d completed, %+v", r.Operations, r.Last.Count, r.Faults)
	}
}

// What was measured until then is reported, of all processes.
func TestInterruptedCrew(t *testing.T) {
	url, _ := (&faulty{}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := inThree()
	o.Interval = time.Millisecond
	o.Progress = func(p Progress) {
		if p.Phase == "measuring" && p.Done >= 300 {
			cancel()
		}
	}
	p := Plan{Scenario: "fanout", URLs: []string{url}, Connections: 10, PublishRate: 200, Duration: time.Hour}
	r, err := Run(ctx, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Opened != 10 || r.Operations < 300 || r.Published < 30 || r.Faults.Any() {
		t.Errorf("%+v", r)
	}
	// Every message that is not counted as undelivered has its last subscriber.
	if r.Last == nil || r.Last.Count+r.Undelivered != r.Published {
		t.Errorf("%d published, %d undelivered, last %+v", r.Published, r.Undelivered, r.Last)
	}
	if n := workers(t); len(n) > 0 {
		t.Errorf("processes %v are left", n)
	}
}

// onMessage does something to one of the workers when the server has its nth message.
func onMessage(t *testing.T, n int, act func(pids []int)) *faulty {
	var once sync.Once
	return &faulty{mangle: func(_, got int, p []byte) [][]byte {
		if got == n {
			once.Do(func() { act(workers(t)) })
		}
		return [][]byte{p}
	}}
}

func TestKilledWorkerEndsTheRun(t *testing.T) {
	killed := 0
	url, _ := onMessage(t, 20, func(pids []int) {
		if len(pids) == 3 {
			killed = pids[1]
			_ = syscall.Kill(killed, syscall.SIGKILL)
		}
	}).start(t)
	r, err := Run(t.Context(), hundred(url), inThree())
	if want := fmt.Sprintf("of 3: the process (pid %d) ended: signal: killed", killed); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if r != nil {
		t.Errorf("there are figures without it: %+v", r)
	}
	if n := workers(t); len(n) > 0 {
		t.Errorf("processes %v are left", n)
	}
}

// A process that stands still makes the run invalid, whether it publishes or not.
func TestStalledWorkerIsInvalid(t *testing.T) {
	for part := range 3 {
		url, _ := onMessage(t, 20, func(pids []int) {
			if len(pids) != 3 {
				t.Errorf("the workers are %v", pids)
				return
			}
			_ = syscall.Kill(pids[part], syscall.SIGSTOP)
			time.AfterFunc(200*time.Millisecond, func() { _ = syscall.Kill(pids[part], syscall.SIGCONT) })
		}).start(t)
		r, err := Run(t.Context(), hundred(url), inThree())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Invalid, "of 3: the generator sent late") {
			t.Errorf("process %d stood still: invalid is %q", part+1, r.Invalid)
		}
	}
}

// The reason of the first process that fails is the one that counts.
func TestFailingWorkers(t *testing.T) {
	_, err := Run(t.Context(), Plan{Scenario: "fanout", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 3, PublishRate: 1}, inThree())
	if err == nil || !strings.Contains(err.Error(), "of 3: 1 of ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	s := &faulty{cut: func(client, n int) ws.CloseCode {
		if client == 1 && n == 20 {
			return 1013
		}
		return 0
	}}
	url, _ := s.start(t)
	p := hundred(url + "?n={index}")
	p.Publishers = 5
	r, err := Run(t.Context(), p, inThree())
	if err == nil || !strings.Contains(err.Error(), "process 2 of 3: the connection of publisher 1 was closed") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(map[uint16]int{1013: 1}, r.Codes); diff != "" || r.Lost != 1 || r.Interrupted {
		t.Errorf("%d lost, interrupted: %v %s", r.Lost, r.Interrupted, diff)
	}
	if r.Last == nil || r.Last.Count+r.Undelivered > r.Published {
		t.Errorf("%d published, %d undelivered, last %+v", r.Published, r.Undelivered, r.Last)
	}
}

func TestWhatOneProcessMustDo(t *testing.T) {
	p := Plan{Scenario: "fanout", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 3, Window: 1}
	_, err := Run(t.Context(), p, inThree())
	if !errors.Is(err, ErrIndivisible) || !strings.Contains(err.Error(), "--window") {
		t.Errorf("%v", err)
	}
	_, err = Run(t.Context(), Plan{Scenario: "connect", URLs: p.URLs, Connections: 1}, Options{Procs: 2})
	if err == nil || !strings.Contains(err.Error(), "no arguments") {
		t.Errorf("%v", err)
	}
}

// Processes that say nothing, and those that do not end, end the run.
func TestSilentWorkers(t *testing.T) {
	for _, tt := range []struct {
		want string
		act  func(c *coordinator)
	}{
		{"process 2 of 3: the process (pid %d) has said nothing for 2m0s", func(c *coordinator) {
			c.workers[1].last = time.Now().Add(-2 * time.Minute)
			c.watch()
			c.listen(t.Context())
		}},
		{"process 2 of 3: the process (pid %d) did not end within 50ms", func(c *coordinator) {
			c.workers[0].ending = &ending{Result: &Result{}} // as if it had said so
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			c.listen(ctx)
		}},
	} {
		url, _ := (&faulty{}).start(t)
		p := Plan{Scenario: "connect", URLs: []string{url}, Connections: 2, Hold: time.Hour}
		if err := p.normalise(); err != nil {
			t.Fatal(err)
		}
		o := inThree()
		c := newCoordinator(&p, o)
		if err := c.launch(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(c.workers[1].pid(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		c.patience = 50 * time.Millisecond
		tt.act(c)
		r, err := c.result(t.Context())
		if want := fmt.Sprintf(tt.want, c.workers[1].pid()); err == nil || !strings.Contains(err.Error(), want) || r != nil {
			t.Errorf("%v, want %q", err, want)
		}
		c.end()
		if n := workers(t); len(n) > 0 {
			t.Errorf("processes %v are left", n)
		}
	}
}

// A process that is no worker of this generator is an error, and is not left behind.
func TestStrangeWorkers(t *testing.T) {
	p := Plan{Scenario: "connect", URLs: []string{"ws://127.0.0.1:1/"}, Connections: 1}
	for _, args := range [][]string{{os.Args[0], "-test.list=^$"}, {os.Args[0], "-test.list=^TestStrange"}} {
		_, err := Run(t.Context(), p, Options{Procs: 2, Worker: args})
		if err == nil || !strings.Contains(err.Error(), "of 2: the process (pid ") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if n := workers(t); len(n) > 0 {
		t.Errorf("processes %v are left", n)
	}
}
