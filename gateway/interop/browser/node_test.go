//go:build browser

package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// build compiles the command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// A node is a running `sluice serve`.
type node struct {
	// Static after serve.
	cmd    *exec.Cmd
	listen string // host:port
	admin  string // host:port
}

// serve starts the binary and waits until it is ready.
func serve(t *testing.T, binary string, arguments ...string) *node {
	t.Helper()
	n := &node{cmd: exec.Command(binary, append([]string{"serve", "--set", "drain.period=0s"}, arguments...)...)}
	log, err := n.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
	ready := make(chan struct{})
	go n.follow(bufio.NewScanner(log), ready)
	select {
	case <-ready:
	case <-time.After(15 * time.Second):
		t.Fatal("the node did not become ready")
	}
	return n
}

// follow reads the log to its end and notes the addresses from the ready line.
func (n *node) follow(log *bufio.Scanner, ready chan<- struct{}) {
	for log.Scan() {
		var line struct {
			Message string
			Listen  []string
			Admin   string
		}
		if json.Unmarshal(log.Bytes(), &line) == nil && line.Message == "ready" {
			n.listen, n.admin = line.Listen[0], line.Admin
			close(ready)
		}
	}
}

// stop drains the node; it may be called twice.
func (n *node) stop(t *testing.T) {
	t.Helper()
	if n.cmd.ProcessState != nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	end := time.AfterFunc(20*time.Second, func() { _ = n.cmd.Process.Kill() })
	defer end.Stop()
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("sluice serve: %v", err)
	}
}

// publish is what the page's curl line does.
func (n *node) publish(t *testing.T, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/api/publish", n.admin), bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("publish %s: %s", body, resp.Status)
	}
}
