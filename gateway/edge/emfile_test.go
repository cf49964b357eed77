package edge

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/metrics"
)

// childEnv makes the test binary the node of TestDescriptorsRunOut.
const childEnv = "SLUICE_EDGE_TEST_CHILD"

// child runs a node, prints its address, and then a line of figures for each
// line of its standard input.
func child() int {
	r := newRig()
	r.options.Settings.HandshakeTimeout = time.Minute
	err := r.prepare()
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(r.Addresses()[0])
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			fmt.Println(err)
			return 1
		}
		all, _ := r.Connections()
		fmt.Println(time.Duration(u.Utime.Nano()+u.Stime.Nano()).Milliseconds(), r.log.count(), all, r.failures(metrics.HandshakeDescriptors))
	}
	return 0
}

// L4: with all descriptors in use the acceptor tells those who wait, with the
// one that it had kept, and pauses. It does not spin, it does not fill the log,
// and it goes on by itself when connections have ended. (nbio's own acceptor
// spins at a whole core.)
func TestDescriptorsRunOut(t *testing.T) {
	const limit, dials = 300, 600
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" -test.run '^$'`, limit), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node did not end well: %v", err)
		}
	})
	out := bufio.NewScanner(stdout)
	if !out.Scan() {
		t.Fatalf("no address: %v", out.Err())
	}
	address := out.Text()
	refused := 0
	figures := func() (cpu time.Duration, logged, open int) {
		var ms int64
		if _, err := io.WriteString(stdin, "\n"); err != nil || !out.Scan() {
			t.Fatalf("the node is gone: %v, %v", err, out.Err())
		}
		if _, err := fmt.Sscan(out.Text(), &ms, &logged, &open, &refused); err != nil {
			t.Fatalf("%q: %v", out.Text(), err)
		}
		return time.Duration(ms) * time.Millisecond, logged, open
	}

	clients := make([]*client, dials)
	for i := range clients {
		if clients[i], err = connect(address); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
		if _, err := clients[i].Write(request("/")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first failed accept", func() bool { _, logged, _ := figures(); return logged > 0 })
	cpu0, _, open := figures()
	if open < limit/2 || open >= limit {
		t.Errorf("%d connections are open under a limit of %d descriptors", open, limit)
	}
	const watch = 2 * time.Second
	time.Sleep(watch) // the measure: how much is burnt while nothing can be done
	cpu1, logged, _ := figures()
	if spent := cpu1 - cpu0; spent > watch/20 {
		t.Errorf("%v of CPU in %v without free descriptors, want less than a twentieth", spent, watch)
	}
	if open+refused < dials*9/10 {
		t.Errorf("%d connections are open and %d were refused, of %d", open, refused, dials)
	}
	if logged > 20 {
		t.Errorf("%d lines were logged", logged)
	}

	for _, c := range clients[:dials*3/4] {
		c.reset()
	}
	freed := time.Now()
	c, err := connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(freed); took > 2*time.Second {
		t.Errorf("a new client was let in %v after descriptors were free, want less than 2 s", took)
	}
	cpu2, logged, open := figures()
	t.Logf("cpu %v, lines %d, open %d", cpu2, logged, open)
}
