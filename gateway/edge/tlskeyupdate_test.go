package edge

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"sluice/gateway/metrics"
)

// A foreign is OpenSSL's client, whose lines K and k update its keys and, with
// K, ask for ours to be updated too.
type foreign struct {
	*client
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	updates chan struct{} // one for each update that it has sent; closed when it ends
}

func (r *tlsRig) foreign(t *testing.T) *foreign {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), openssl(t), "s_client", "-brief", "-tls1_3", "-connect", r.Addresses()[0])
	f := &foreign{cmd: cmd, updates: make(chan struct{}, 4096)}
	var err error
	if f.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(f.updates)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.Contains(lines.Text(), "KEYUPDATE") {
				f.updates <- struct{}{}
			}
		}
	})
	t.Cleanup(func() {
		_ = f.stdin.Close()
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait()
	})
	f.client = &client{nil, bufio.NewReaderSize(out, 64<<10), f.stdin}
	return f
}

// update sends K or k and waits until OpenSSL has done it; false when it has ended.
func (f *foreign) update(letter string) bool {
	if _, err := io.WriteString(f.stdin, letter+"\n"); err != nil {
		return false
	}
	_, ok := <-f.updates
	return ok
}

// T6: keys are updated in both directions in the middle of a broadcast, which
// is written by the shard while the poller answers, and no message is lost.
func TestT6KeyUpdate(t *testing.T) {
	const messages, size, updates = 10_000, 256, 15 // crypto/tls ends a connection after 16 in a row without data
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.hub.Settings.WriteQueue = 64 << 20
		r.start(t)
		f := r.foreign(t)
		if err := f.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		r.tlsConns(t, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range messages {
				r.publish(t, numbered(i, size))
			}
		})
		wg.Go(func() {
			for i := range updates {
				letter := "K"
				if i%3 == 2 {
					letter = "k"
				}
				if !f.update(letter) {
					t.Errorf("it ended after %d updates", i)
					return
				}
			}
		})
		for i := range messages {
			f.expectNumbered(t, i, size)
		}
		wg.Wait()
		r.publish(t, numbered(messages, size))
		f.expectNumbered(t, messages, size)
	})
}

// T7: a flood of key updates is ended.
func TestT7KeyUpdateFlood(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		f := r.foreign(t)
		if err := f.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		sent := 0
		for sent < 1000 && f.update("k") {
			sent++
		}
		if sent == 1000 {
			t.Error("a thousand were taken")
		}
		eventually(t, "the end", func() bool { return r.closed(metrics.CloseLost) == 1 })
		r.dial(t)
	})
}
