package suite

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Names of the servers that are measured.
const (
	Sluice       = "sluice"
	SluiceShards = "sluice, two shards"
	Floor        = "floor"    // one send per delivery
	FloorBatch   = "floor -b" // one send per connection and turn of the loop
)

// server is a process under test, pinned to the server's core.
type server struct {
	cmd   *exec.Cmd
	port  int
	admin int // 0: it has no server API
}

func (s *server) url() string { return fmt.Sprintf("ws://127.0.0.1:%d/", s.port) }

// gcURL makes the server collect its garbage; "" when it has none.
func (s *server) gcURL() string {
	if s.admin == 0 {
		return ""
	}
	return fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/heap?gc=1", s.admin)
}

// start runs the named server and waits until it accepts.
func (s *Suite) start(ctx context.Context, name string) (*server, error) {
	port, err := freePort(20000 + os.Getpid()%5000)
	if err != nil {
		return nil, err
	}
	srv := &server{port: port}
	var args []string
	env := os.Environ()
	switch name {
	case Floor:
		args = []string{s.FloorBin, "-p", fmt.Sprint(port)}
	case FloorBatch:
		args = []string{s.FloorBin, "-b", "-p", fmt.Sprint(port)}
	default:
		if srv.admin, err = freePort(port + 1); err != nil {
			return nil, err
		}
		shards := 1
		if name == SluiceShards {
			shards = 2
		}
		args = []string{
			s.SluiceBin, "serve",
			"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--admin", fmt.Sprintf("127.0.0.1:%d", srv.admin),
			"--set", fmt.Sprintf("hub.shards=%d", shards), "--set", "engine.pollers=1",
			"--set", "admin.pprof=true", "--set", "log.level=warn",
		}
		env = append(env, "GOMAXPROCS=1")
	}
	srv.cmd = exec.CommandContext(ctx, "taskset", append([]string{"-c", s.ServerCore}, args...)...)
	srv.cmd.Env = env
	srv.cmd.Stderr = s.Log
	srv.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := srv.cmd.Start(); err != nil {
		return nil, fmt.Errorf("suite: %s: %w", name, err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
			return srv, nil
		}
		if time.Now().After(deadline) {
			srv.stop()
			return nil, fmt.Errorf("suite: %s does not accept on port %d: %w", name, port, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stop asks the server to end, and ends it when it does not within three seconds.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(3*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	_ = s.cmd.Wait()
}

// freePort is the first port from start on that nobody listens on. Servers listen below the range that
// client sockets take theirs from, so that neither stands in the other's way.
func freePort(start int) (int, error) {
	for port := start; port < 32000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("suite: no free port")
}
