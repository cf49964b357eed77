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

	"sluice/gateway/internal/sampled"
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
		all, handshaking := r.Connections()
		pauses, longest := r.log.paused()
		fmt.Println(time.Duration(u.Utime.Nano()+u.Stime.Nano()).Milliseconds(), r.log.count(), pauses, longest, all, handshaking, r.failures(metrics.HandshakeDescriptors))
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
	type figure struct {
		cpu                        time.Duration
		logged, pauses             int
		longest                    float64 // of the pauses, in milliseconds
		open, handshaking, refused int
	}
	figures := func() (f figure) {
		var ms int64
		if _, err := io.WriteString(stdin, "\n"); err != nil || !out.Scan() {
			t.Fatalf("the node is gone: %v, %v", err, out.Err())
		}
		if _, err := fmt.Sscan(out.Text(), &ms, &f.logged, &f.pauses, &f.longest, &f.open, &f.handshaking, &f.refused); err != nil {
			t.Fatalf("%q: %v", out.Text(), err)
		}
		f.cpu = time.Duration(ms) * time.Millisecond
		return f
	}

	begun := time.Now()
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
	var full figure
	eventually(t, "each to be let in or refused", func() bool {
		full = figures()
		return full.pauses > 0 && full.open+full.refused >= dials*9/10 && full.handshaking == 0
	})
	busy := time.Since(begun)
	if full.open < limit/2 || full.open >= limit {
		t.Errorf("%d connections are open under a limit of %d descriptors", full.open, limit)
	}
	const watch = 2 * time.Second
	time.Sleep(watch) // the measure: how much is burnt while nothing can be done
	after := figures()
	if spent := after.cpu - full.cpu; spent > watch/20 {
		t.Errorf("%v of CPU in %v without free descriptors, want less than a twentieth", spent, watch)
	}
	// Some refusals in each second of the clock that had any, and each pause, which is
	// twice as long as the one before until it is a second.
	if n := after.logged - after.pauses; n > (int(busy.Seconds())+2)*sampled.PerSecond {
		t.Errorf("%d lines about refusals were logged in %v", n, busy)
	}
	if all := time.Since(begun); after.pauses > 8+int(all.Seconds()) || after.longest > float64(maxBackoff.Milliseconds()) {
		t.Errorf("%d pauses in %v, the longest of %v ms", after.pauses, all, after.longest)
	}

	for _, c := range clients[:dials*3/4] {
		c.reset()
	}
	eventually(t, "free descriptors", func() bool { return figures().open < limit/2 })
	freed := figures()
	c, err := connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.upgrade("/"); err != nil {
		t.Fatal(err)
	}
	end := figures()
	if n := end.pauses - freed.pauses; n > 0 {
		t.Errorf("a new client was let in %d pauses after descriptors were free, want no other than the one under way", n)
	}
	t.Logf("%+v", end)
}
