package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// childEnv makes the test binary a node that a test runs out of something.
const childEnv = "SLUICE_GATEWAY_TEST_CHILD"

// childNode runs a node until its standard input ends. Its configuration is
// generous where the test is about another bound.
func childNode() int {
	cfg := testConfig()
	cfg.Limits.WriteQueue = 8 * config.MiB
	cfg.Limits.OutboxBytes = 0
	cfg.Limits.OutboxFrames = 100_000
	cfg.Limits.OutboxAge = 0
	cfg.Drain.Timeout = config.Duration(time.Second)
	g, err := New(cfg, Options{Log: zerolog.New(os.Stderr).Level(zerolog.ErrorLevel)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			anon, _ := metrics.AnonymousMemory()
			fmt.Println(anon)
		}
		cancel()
	}()
	fmt.Println(g.Addresses()[0], g.AdminAddress())
	_ = g.Run(ctx) // connections that a test leaves open are its own affair
	return 0
}

// A process is a node in a process of its own.
type process struct {
	address, admin string
	in             io.WriteCloser
	out            *bufio.Scanner
}

// spawn starts one with a shell prelude and more environment, and fails the test if it is killed.
func spawn(t *testing.T, prelude string, env ...string) *process {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", prelude+` exec "$0" -test.run '^$'`, os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node did not end well: %v", err)
		}
	})
	p := &process{in: in, out: bufio.NewScanner(out)}
	if !p.out.Scan() {
		t.Fatalf("no address: %v", p.out.Err())
	}
	if _, err := fmt.Sscan(p.out.Text(), &p.address, &p.admin); err != nil {
		t.Fatalf("%q: %v", p.out.Text(), err)
	}
	return p
}

// anonymous is the process's anonymous memory in bytes.
func (p *process) anonymous(t *testing.T) (n int64) {
	t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil || !p.out.Scan() {
		t.Fatalf("the node is gone: %v", err)
	}
	if _, err := fmt.Sscan(p.out.Text(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// publish publishes text on the lobby through the server API.
func (p *process) publish(t *testing.T, text string) (status int) {
	t.Helper()
	resp, err := web.Post("http://"+p.admin+"/api/publish", "application/json", strings.NewReader(`{"channel":"lobby","text":"`+text+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// L3: a node that holds as many connections as its open-files limit leaves room
// for refuses more of them, and its operators notice nothing: health, metrics and
// publishing still work, and there is room again when clients have left.
func TestL3DescriptorReserve(t *testing.T) {
	p := spawn(t, "ulimit -n 400 &&")
	var clients []net.Conn
	t.Cleanup(func() {
		for _, c := range clients {
			_ = c.Close()
		}
	})
	for range 500 {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	eventually(t, "refusals", func() bool { return p.metric(t, `edge_handshake_failures_total{reason="limit"}`) == 300 }) // half of 400 stays free
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(t, "http://"+p.admin+path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status := p.publish(t, "still here"); status != http.StatusOK {
		t.Errorf("publish: %d", status)
	}
	for _, c := range clients {
		_ = c.Close()
	}
	ctx := within(t)
	eventually(t, "room", func() bool {
		c, err := dial(ctx, p.address, "/")
		if err == nil {
			_ = c.CloseNow()
		}
		return err == nil
	})
}

// L7: a node with little memory, whose other bounds would let slow clients take
// many times of it, does not grow, and loses nothing for a client that reads.
func TestL7SlowReadersAgainstLittleMemory(t *testing.T) {
	const limit, slow, rounds = 96 << 20, 60, 400
	p := spawn(t, "", fmt.Sprint("GOMEMLIMIT=", limit))
	got := p.reader(t)
	for range slow {
		sleep(t, p.address)
	}
	text := strings.Repeat("x", 60<<10)
	var most, accepted int64
	for i := range rounds {
		if p.publish(t, text) == http.StatusOK {
			accepted++
		}
		if i%10 == 0 {
			most = max(most, p.anonymous(t))
		}
	}
	t.Logf("%d MiB at most, %d of %d publications accepted", most>>20, accepted, rounds)
	if most > limit*5/4 && !raceEnabled { // the race detector keeps shadows of memory
		t.Errorf("%d MiB of anonymous memory, the limit is %d MiB", most>>20, limit>>20)
	}
	eventually(t, "the client that reads to have them all", func() bool { return got.Load() == accepted })
}

// L7: where connections themselves are what takes the memory, here with messages
// that are never finished, the node lets no more in, closes some of them, and
// goes on for who was there before. When they have left it is as it was.
func TestL7ConnectionsAgainstLittleMemory(t *testing.T) {
	const attackers = 1200
	limit := int64(48 << 20)
	if raceEnabled {
		limit = 72 << 20 // an idle node takes 34 MiB
	}
	p := spawn(t, "", fmt.Sprint("GOMEMLIMIT=", limit))
	got := p.reader(t)
	part := make([]byte, 8+60<<10)
	copy(part, []byte{0x82, 0xFE, 0xFF, 0xFF}) // the begin of 65,535 masked bytes
	var open []net.Conn
	var most int64
	for range attackers {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
		_, _ = c.Write(ws.AppendUpgradeRequest(nil, "example.com", "/?channel=other", "dGhlIHNhbXBsZSBub25jZQ=="))
	}
	eventually(t, "all to be in", func() bool { return p.metric(t, "edge_handshakes_total") == attackers+1 })
	refused := func() float64 { return p.metric(t, `edge_handshake_failures_total{reason="memory"}`) }
	for i, c := range open {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.Write(part)
		if i%10 == 0 {
			most = max(most, p.anonymous(t))
		}
	}
	eventually(t, "a refused one", func() bool {
		late, err := net.Dial("tcp", p.address)
		if err == nil {
			_ = late.Close()
		}
		return refused() > 0
	})
	eventually(t, "closed connections", func() bool { return p.metric(t, `session_closed_connections_total{reason="memory"}`) > 0 })
	t.Logf("%d MiB at most, %v refused, %v closed", most>>20, refused(), p.metric(t, `session_closed_connections_total{reason="memory"}`))
	eventually(t, "memory below the limit", func() bool { return p.anonymous(t) < limit || raceEnabled })
	for _, c := range open {
		_ = c.Close()
	}
	eventually(t, "the node to recover", func() bool {
		status, _ := get(t, "http://"+p.admin+"/readyz")
		return status == http.StatusOK && p.publish(t, "after all") == http.StatusOK
	})
	eventually(t, "the client that was there to go on", func() bool { return got.Load() > 0 })
	t.Logf("%d MiB afterwards", p.anonymous(t)>>20)
}

// reader opens a WebSocket, and counts what comes.
func (p *process) reader(t *testing.T) *atomic.Int64 {
	t.Helper()
	c, err := dial(within(t), p.address, "/")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background() // as long as the test takes
	got, done := new(atomic.Int64), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
			got.Add(1)
		}
	}()
	t.Cleanup(func() {
		_ = c.CloseNow()
		<-done
	})
	return got
}

// metric is a figure of the process.
func (p *process) metric(t *testing.T, series string) (n float64) {
	t.Helper()
	_, body := get(t, "http://"+p.admin+"/metrics")
	_, rest, ok := strings.Cut(body, "\nsluice_"+series+" ")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatalf("no metric %s", series)
	}
	return n
}
