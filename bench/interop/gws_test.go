package interop

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// gwsRoom sends what a client sends to every client, with gws' Broadcaster:
// each message is encoded once.
type gwsRoom struct {
	gws.BuiltinEventHandler

	mu      sync.Mutex
	clients map[*gws.Conn]bool // Guarded by mu.
}

func (s *gwsRoom) handler() http.Handler {
	s.clients = map[*gws.Conn]bool{}
	upgrader := gws.NewUpgrader(s, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// OnOpen, on the goroutine that reads, would be too late: the client has its
		// answer by then, and would miss what others say in between.
		s.mu.Lock()
		conn, err := upgrader.Upgrade(w, r)
		if err == nil {
			s.clients[conn] = true
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
		go conn.ReadLoop()
	})
}

func (s *gwsRoom) OnClose(c *gws.Conn, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

func (s *gwsRoom) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		b.Broadcast(c)
	}
}
