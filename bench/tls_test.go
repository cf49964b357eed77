package bench

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"sluice/gateway/ws"
)

// What connections do in the other scenarios works over TLS as well.
func TestScenariosOverTLS(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"fanout":      func(p *Plan) { p.Scenario = "fanout" },
		"echo":        func(p *Plan) { p.Scenario, p.PublishRate, p.Window = "echo", 0, 3 },
		"storm":       func(p *Plan) { p.Scenario = "storm" },
		"storm close": func(p *Plan) { p.Scenario, p.Cut = "storm", "close" },
		"slow":        func(p *Plan) { p.Scenario, p.Size, p.ReceiveBuffer = "slow", 400, 64<<10 },
		"mix": func(p *Plan) {
			p.Scenario, p.Slow, p.Pause, p.Leaves, p.Jitter = "mix", 0.2, 50*time.Millisecond, 20, 50*time.Millisecond
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Plan{
				URLs: []string{(&faulty{chunk: 7}).startTLS(t)}, TLSInsecure: true, Connections: 9,
				PublishRate: 150, Duration: 300 * time.Millisecond, Settle: 100 * time.Millisecond, Limit: 20 * time.Second,
			}
			change(&p)
			r := mustRun(t, p)
			if r.Failed+r.Lost > 0 || r.Faults.Any() || len(r.Problems) > 0 || r.Operations == 0 {
				t.Errorf("%d failed (%s), %d lost, %d operations, %+v, %q", r.Failed, r.FirstFail, r.Lost, r.Operations, r.Faults, r.Problems)
			}
		})
	}
}

// Three processes share a run over TLS, one of whose URLs is without.
func TestTLSInThreeProcesses(t *testing.T) {
	s := &faulty{}
	plain, _ := s.start(t)
	p := Plan{
		Scenario: "fanout", URLs: []string{s.startTLS(t), plain}, TLSInsecure: true, Connections: 20, Publishers: 4,
		PublishRate: 200, Duration: 500 * time.Millisecond,
	}
	r, err := Run(t.Context(), p, inThree())
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed+r.Lost > 0 || r.Faults.Any() || r.Published != 100 || r.Delivery == nil || r.Delivery.Count != 2000 {
		t.Errorf("%d failed, %d lost, %+v, %d published, deliveries %+v", r.Failed, r.Lost, r.Faults, r.Published, r.Delivery)
	}
}

// numbered is the handler of one connection to which the server counts.
type numbered struct {
	t     *testing.T
	open  int
	next  uint64
	ended error
}

func (h *numbered) opened(int, int64, int64) { h.open++ }
func (h *numbered) reading(int)              {}
func (h *numbered) again(int, int64) bool    { return false }

func (h *numbered) message(_ int, b []byte, _ int64) {
	if got := binary.BigEndian.Uint64(b); got != h.next {
		h.t.Fatalf("message %d came, want %d", got, h.next)
	}
	h.next++
}

func (h *numbered) closed(_ int, was state, _ uint16, err error) {
	h.ended = fmt.Errorf("in state %d: %w", was, err)
}

// dripping is a server's connection whose writes wait in a queue, from which the
// test lets them go in pieces.
type dripping struct {
	net.Conn

	mu  sync.Mutex
	out []byte // Guarded by mu.
}

func (d *dripping) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out = append(d.out, b...)
	return len(b), nil
}

// piece lets at most n bytes go.
func (d *dripping) piece(n int) {
	d.mu.Lock()
	b := d.out[:min(n, len(d.out))]
	d.out = d.out[len(b):]
	d.mu.Unlock()
	d.Conn.Write(b)
}

// Whatever TLS makes of the messages (records of one byte, several messages in a
// record, messages over several, tickets between them), and wherever the stream of records is cut, each
// message comes once, in order, and pings are answered meanwhile.
func TestTLSInPieces(t *testing.T) {
	certificate := func() tls.Certificate {
		s := httptest.NewUnstartedServer(nil)
		s.StartTLS()
		defer s.Close()
		return s.TLS.Certificates[0]
	}()
	for seed := range uint64(24) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			version := uint16(tls.VersionTLS12 + seed%2)
			testPieces(t, rand.New(rand.NewPCG(seed, 1)), &tls.Config{
				Certificates: []tls.Certificate{certificate}, MinVersion: version, MaxVersion: version,
			})
		})
	}
}

func testPieces(t *testing.T, random *rand.Rand, config *tls.Config) {
	const messages, pings = 300, 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := Plan{Scenario: "connect", URLs: []string{"wss://" + l.Addr().String() + "/"}, TLSInsecure: true, Connections: 1}
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	h := &numbered{t: t}
	s, err := newSwarm(&p, newClock(), 1, h)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	s.targets[0].tls.ClientSessionCache = tls.NewLRUClientSessionCache(1) // so that the server sends tickets
	if err := s.open(0); err != nil {
		t.Fatal(err)
	}
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	d := &dripping{Conn: raw}
	stream, records := countTo(random, messages, pings)
	served := make(chan error, 1)
	go func() { served <- serveNumbered(tls.Server(d, config), stream, records, pings) }()

	largest := 1 << (1 + random.IntN(14)) // of a piece
	done := false
	for begun := time.Now(); !done || h.next < messages; {
		select {
		case err := <-served:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
		d.piece(1 + random.IntN(largest))
		if err := s.turn(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if h.ended != nil || time.Since(begun) > time.Minute {
			t.Fatalf("%d of %d messages: %v", h.next, messages, h.ended)
		}
	}
	if h.open != 1 {
		t.Errorf("opened %d times", h.open)
	}
}

// countTo is a stream of numbered messages, of all lengths, with pings between
// them, and how long the records are to be that carry it.
func countTo(random *rand.Rand, messages, pings int) (stream []byte, records []int) {
	for n := range messages {
		b := make([]byte, 8+random.IntN(1<<random.IntN(14)))
		binary.BigEndian.PutUint64(b, uint64(n))
		stream = ws.AppendFrame(stream, ws.Binary, b)
		if n%(messages/pings) == 0 {
			stream = ws.AppendFrame(stream, ws.Ping, []byte("are you there?"))
		}
	}
	for total := 0; total < len(stream); {
		n := min(1+random.IntN(1<<random.IntN(15)), len(stream)-total)
		records = append(records, n)
		total += n
	}
	return stream, records
}

// serveNumbered accepts the upgrade, sends the stream in those records, and waits
// for as many pongs.
func serveNumbered(c *tls.Conn, stream []byte, records []int, pongs int) error {
	in := bufio.NewReader(c)
	request, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(request.Header.Get("Sec-WebSocket-Key"))); err != nil {
		return err
	}
	for _, n := range records {
		if _, err := c.Write(stream[:n]); err != nil {
			return err
		}
		stream = stream[n:]
	}
	var parser ws.Parser
	defer parser.Release()
	b := make([]byte, 4096)
	for pongs > 0 {
		n, err := in.Read(b)
		if err != nil {
			return err
		}
		for left := b[:n]; ; pongs-- {
			m, rest, err := parser.Next(&ws.Rules{MaxMessage: 1 << 10}, left)
			if err != nil {
				return err
			}
			if m.Opcode == 0 {
				break
			}
			if m.Opcode != ws.Pong || string(m.Payload) != "are you there?" {
				return fmt.Errorf("the client sent %v %q", m.Opcode, m.Payload)
			}
			left = rest
		}
	}
	return nil
}
