//go:build fleet

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/broker/enginetest"
)

// patience bounds each test.
const patience = 100 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// binary is the server, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sluice-fleet-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "sluice")
	build := exec.Command("go", "build", "-o", binary, "sluice/cmd/sluice")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the server:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A member is one node, a process.
type member struct {
	name          string
	config        string   // its file
	log           string   // and what it says
	public, admin string   // addresses
	key           string   // of the server API; "": none is needed
	prefix        []string // of the command: what it runs in
	cmd           *exec.Cmd
	exited        chan error
}

// broker writes the broker's part of a node's configuration.
type broker func(i int, name string) string

// members are n nodes that are not started.
func members(t testing.TB, n int, b broker) (list []*member) {
	t.Helper()
	ports := enginetest.FreeAddresses(t, 2*n)
	for i := range n {
		name := fmt.Sprint("node-", i)
		list = append(list, newMember(t, name, ports[2*i], ports[2*i+1], "", b(i, name)))
	}
	return list
}

// newMember is a node that is not started. Its server API needs a key where its address is not of the loopback.
func newMember(t testing.TB, name, public, admin, key, broker string) *member {
	t.Helper()
	dir := t.TempDir()
	m := &member{name: name, config: filepath.Join(dir, "sluice.yaml"), log: filepath.Join(dir, "log"), public: public, admin: admin, key: key}
	text := fmt.Sprintf(`listeners:
  - address: %s
    endpoints:
      - {path: /, allow_channels: ["*"], page: fleet}
admin: {address: %s, api_key: %q}
%s
namespaces:
  - {match: "news.*", history: {size: 5000, ttl: 1h}}
  - {match: "room.*", presence: true}
  - {match: "*"}
drain: {period: 300ms, timeout: 10s}
`, m.public, m.admin, key, broker)
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// embedded is a broker of servers inside the nodes, whose histories outlive them.
func embedded(t testing.TB, n int) broker {
	return embeddedIn(t, n, func() string { return t.TempDir() })
}

// embeddedIn has its histories in directories; "": in memory.
func embeddedIn(t testing.TB, n int, directory func() string) broker {
	routes := enginetest.FreeAddresses(t, n)
	return func(i int, name string) string {
		return fmt.Sprintf("broker: {type: nats, embedded: true, node: %s, store_dir: %q, cluster: {listen: %q, routes: [%s]}}",
			name, directory(), routes[i], strings.Join(routes, ", "))
	}
}

// start starts the node. The end of the test ends it.
func (m *member) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := append(slices.Clone(m.prefix), binary, "serve", "-c", m.config)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	m.cmd, m.exited = cmd, exited
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			text, _ := os.ReadFile(m.log)
			t.Logf("%s:\n%s", m.name, text[max(0, len(text)-4000):])
		}
	})
}

// kill is kill -9.
func (m *member) kill() {
	_ = m.cmd.Process.Kill()
	<-m.exited
}

// stop is SIGTERM, and fails the test when the node does not end well.
func (m *member) stop(ctx context.Context, t testing.TB) {
	t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-m.exited:
		if err != nil {
			t.Errorf("%s ended with %v", m.name, err)
		}
	case <-ctx.Done():
		t.Fatalf("%s does not end", m.name)
	}
}

// ready waits for the node's readiness.
func (m *member) ready(ctx context.Context, t testing.TB) {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.admin+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-m.exited:
			t.Fatalf("%s ended while starting: %v", m.name, err)
		case <-ctx.Done():
			t.Fatalf("%s is not ready", m.name)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// errNotPublished: the node said so, or could not be asked.
var errNotPublished = errors.New("not published")

// publish publishes by the server API.
func (m *member) publish(ctx context.Context, channel, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]string{"channel": channel, "text": text})
	if err != nil {
		return err
	}
	answer, status, err := m.call(ctx, http.MethodPost, "/api/publish", body)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotPublished, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%w: %s", errNotPublished, answer)
	}
	return nil
}

// call calls the server API.
func (m *member) call(ctx context.Context, method, path string, body []byte) (answer []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+m.admin+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if m.key != "" {
		req.Header.Set("X-API-Key", m.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return answer, resp.StatusCode, err
}
