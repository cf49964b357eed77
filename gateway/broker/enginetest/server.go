// Package enginetest starts what tests need beside the nodes: nats-server,
// redis-server, sentinels and a Redis Cluster, as processes on free ports of the
// loopback. They keep their files in the test's directory, and end with the test.
package enginetest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long anything may take that has to happen.
const Patience = 60 * time.Second

// Server is one process of an engine.
type Server struct {
	// Name of its program, which is its Debian package, too.
	Name string
	// Address is host:port.
	Address string

	arguments []string
	process   *exec.Cmd // nil: it does not run
}

// newServer is one that does not run yet.
func newServer(t testing.TB, name, address string, arguments ...string) *Server {
	s := &Server{Name: name, Address: address, arguments: arguments}
	t.Cleanup(s.Kill)
	return s
}

// NATS is a nats-server with JetStream, not started yet. It keeps its streams over Kill and Start.
func NATS(t testing.TB) *Server {
	t.Helper()
	address := FreeAddresses(t, 1)[0]
	return newServer(t, "nats-server", address, "-a", "127.0.0.1", "-p", portOf(address), "-js", "-sd", t.TempDir())
}

// NATSWithoutJetStream is a nats-server that keeps nothing, not started yet.
func NATSWithoutJetStream(t testing.TB) *Server {
	t.Helper()
	address := FreeAddresses(t, 1)[0]
	return newServer(t, "nats-server", address, "-a", "127.0.0.1", "-p", portOf(address))
}

// NATSWith is NATS with a configuration file of that text beside.
func NATSWith(t testing.TB, text string) *Server {
	t.Helper()
	s, file := NATS(t), filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.arguments = append([]string{"-c", file}, s.arguments...)
	return s
}

// Fenced is the text of the code block in a Markdown file that begins with a line.
func Fenced(t testing.TB, path, first string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "\n```\n"+first)
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("%s has no code block that begins with %s", path, first)
	}
	return first + text
}

// Start starts the process, and waits until it listens.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.process = exec.Command(s.Name, s.arguments...)
	if err := s.process.Start(); err != nil {
		t.Fatalf("%v: install it (Debian: %s)", err, s.Name)
	}
	Eventually(t, s.Name+" at "+s.Address, func() bool {
		c, err := net.Dial("tcp", s.Address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// Kill ends the process, as kill -9 does. It may be started again.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// Signal sends the process a signal.
func (s *Server) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Forget empties a NATS: it begins with nothing when it is started again. (A Redis does anyway.)
func (s *Server) Forget(t testing.TB) {
	if s.Name == "nats-server" {
		s.arguments[len(s.arguments)-1] = t.TempDir()
	}
}

// CLI is what redis-cli says, and whether it went well.
func (s *Server) CLI(t testing.TB, arguments ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	b, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", portOf(s.Address)}, arguments...)...).CombinedOutput()
	return string(b), err == nil
}

// Eventually waits until ok.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within %v", what, Patience)
		}
	}
}
