package bench

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/gateway/ws"
)

// faulty is a broadcast server that can do wrong on purpose: everything that a
// client sends goes to all of its channel, by way of mangle.
type faulty struct {
	// mangle returns what client number client (see number) is sent in place of p, which is the nth message (from 1); nil: p.
	mangle func(client, n int, p []byte) [][]byte
	// frame makes the bytes on the wire of one message; nil: one frame.
	frame func(op ws.Opcode, p []byte) []byte
	// cut closes a client with this code in place of its nth message; 0: it does not.
	cut func(client, n int) ws.CloseCode
	// refuse answers the nth upgrade request (from 1) with this status; 0: it is
	// accepted; silent: it is never answered.
	refuse func(n int) int
	// closed: publishes over HTTP are answered with 503.
	closed atomic.Bool
	// chunk > 0 cuts what is written into pieces of so many bytes.
	chunk int

	mu      sync.Mutex
	clients []*faultyClient // Guarded by mu.
	n       int             // Guarded by mu; messages.
	asked   int             // Guarded by mu; upgrade requests.
	visits  [100]int        // Guarded by mu; by ?n=
}

// silent is for faulty.refuse.
const silent = -1

type faultyClient struct {
	conn    net.Conn
	number  int
	channel string
}

// start serves until the test ends.
func (s *faulty) start(t *testing.T) (wsURL, apiURL string) {
	t.Helper()
	server := httptest.NewServer(s)
	s.stopsWith(t, server)
	return "ws" + server.URL[4:] + "/", server.URL
}

// startTLS is start behind TLS, with a certificate that nobody vouches for.
func (s *faulty) startTLS(t *testing.T) (wsURL string) {
	t.Helper()
	server := httptest.NewTLSServer(s)
	s.stopsWith(t, server)
	return "wss" + server.URL[5:] + "/"
}

// stopsWith ends everything when the test ends.
func (s *faulty) stopsWith(t *testing.T, server *httptest.Server) {
	t.Cleanup(func() {
		s.mu.Lock()
		for _, c := range s.clients {
			c.conn.Close()
		}
		s.mu.Unlock()
		server.Close()
	})
}

// messages is how many have come.
func (s *faulty) messages() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func (s *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/publish" {
		var p struct{ Channel, Text string }
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil || r.Header.Get("X-API-Key") != "secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if s.closed.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		s.broadcast(p.Channel, ws.Text, []byte(p.Text))
		return
	}
	s.mu.Lock()
	s.asked++
	status := 0
	if s.refuse != nil {
		status = s.refuse(s.asked)
	}
	s.mu.Unlock()
	if status > 0 {
		http.Error(w, "no", status)
		return
	}
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if status == silent {
		rw.ReadByte() // until the client gives up
		return
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	s.mu.Lock()
	c := &faultyClient{conn, s.number(r.URL.Query().Get("n")), r.URL.Query().Get("channel")}
	s.clients = append(s.clients, c)
	conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) + "\r\n\r\n"))
	s.mu.Unlock()
	s.read(c, rw.Reader)
}

func (s *faulty) read(c *faultyClient, r *bufio.Reader) {
	var p ws.Parser
	defer p.Release()
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if err != nil {
			return
		}
		for in := b[:n]; ; {
			m, rest, err := p.Next(&ws.Rules{MaxMessage: 1 << 20}, in)
			if err != nil || m.Opcode == 0 {
				break
			}
			in = rest
			switch m.Opcode {
			case ws.Close:
				s.mu.Lock()
				c.conn.Write(ws.AppendFrame(nil, ws.Close, m.Payload))
				c.conn.Close()
				s.mu.Unlock()
				return
			case ws.Text, ws.Binary:
				s.broadcast(c.channel, m.Opcode, m.Payload)
			}
		}
	}
}

func (s *faulty) broadcast(channel string, op ws.Opcode, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	for _, c := range s.clients {
		if c.channel != channel {
			continue
		}
		if s.cut != nil && s.cut(c.number, s.n) != 0 {
			c.conn.Write(ws.AppendClose(nil, s.cut(c.number, s.n), ""))
			c.conn.Close()
			continue
		}
		out := [][]byte{p}
		if s.mangle != nil {
			out = s.mangle(c.number, s.n, p)
		}
		for _, p := range out {
			b := ws.AppendFrame(nil, op, p)
			if s.frame != nil {
				b = s.frame(op, p)
			}
			for s.chunk > 0 && len(b) > s.chunk {
				c.conn.Write(b[:s.chunk])
				b = b[s.chunk:]
			}
			c.conn.Write(b)
		}
	}
}

// number is that of the next client: with ?n={index} in the URL that index, plus
// 100 for each earlier connection of it; else in the order of the upgrades.
func (s *faulty) number(index string) int {
	n, err := strconv.Atoi(index)
	if err != nil {
		return len(s.clients)
	}
	s.visits[n]++
	return n + 100*(s.visits[n]-1)
}

// end ends client number client: with this code, or with 0 by closing its socket.
func (s *faulty) end(client int, code ws.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[slices.IndexFunc(s.clients, func(c *faultyClient) bool { return c.number == client })]
	if code != 0 {
		c.conn.Write(ws.AppendClose(nil, code, ""))
	}
	c.conn.Close()
}

func acceptKey(key string) string {
	return string(ws.AppendAccept(nil, key))
}

// pid is this process, which stands for the server where a test needs one.
func pid() int { return os.Getpid() }
