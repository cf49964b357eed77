package interop

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// gorilla is the chat server of the tutorials: what a client sends goes to
// every client, by a loop over them.
type gorilla struct {
	others bool // but not to the one that sent it
	late   int  // so many messages go by until the third client is entered

	mu      sync.Mutex
	third   *websocket.Conn          // Guarded by mu; waits for late.
	n       int                      // Guarded by mu; messages.
	clients map[*websocket.Conn]bool // Guarded by mu, as are writes.
}

func (s *gorilla) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.accept(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	defer func() {
		s.mu.Lock()
		delete(s.clients, conn)
		s.mu.Unlock()
	}()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		s.mu.Lock()
		for c := range s.clients {
			if c != conn || !s.others {
				c.WriteMessage(kind, message)
			}
		}
		if s.n++; s.n == s.late {
			s.clients[s.third] = true
		}
		s.mu.Unlock()
	}
}

// accept upgrades and enters the client, and lets nobody speak in between: it
// would miss that, though it has its answer.
func (s *gorilla) accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err == nil {
		if s.clients == nil {
			s.clients = map[*websocket.Conn]bool{}
		}
		if s.late > 0 && len(s.clients) == 2 {
			s.third = conn
		} else {
			s.clients[conn] = true
		}
	}
	return conn, err
}

// rooms is a server with a protocol of its own over gorilla/websocket: clients
// say hello, subscribe, and publish, all in JSON; publications are numbered.
type rooms struct {
	t *testing.T

	mu      sync.Mutex
	members map[string][]*websocket.Conn // Guarded by mu, as are writes.
	n       int                          // Guarded by mu; publications.
}

type roomsMessage struct {
	Type string `json:"type"`
	Room string `json:"room,omitempty"`
	User int    `json:"user,omitempty"`
	N    int    `json:"n,omitempty"`
	Body string `json:"body,omitempty"`
}

func (s *rooms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	s.write(conn, roomsMessage{Type: "welcome"})
	user := 0
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var m roomsMessage
		if err := json.Unmarshal(text, &m); err != nil {
			s.t.Errorf("%s: %v", text, err)
			return
		}
		switch {
		case m.Type == "hello" && user == 0:
			user = m.User
		case m.Type == "join" && user != 0 && m.Room != "":
			s.join(conn, m.Room)
		case m.Type == "publish" && user != 0:
			s.publish(m)
		case m.Type == "pong":
		default:
			s.write(conn, roomsMessage{Type: "no"})
			s.t.Errorf("user %d: unexpected %s", user, text)
		}
	}
}

func (s *rooms) write(conn *websocket.Conn, m roomsMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn.WriteJSON(m)
}

func (s *rooms) join(conn *websocket.Conn, room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = map[string][]*websocket.Conn{}
	}
	conn.WriteJSON(roomsMessage{Type: "ping"}) // in between, and not to be counted
	conn.WriteJSON(roomsMessage{Type: "joined", Room: room, N: len(s.members[room])})
	s.members[room] = append(s.members[room], conn)
}

func (s *rooms) publish(m roomsMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	for _, c := range s.members[m.Room] {
		c.WriteJSON(roomsMessage{Type: "message", Room: m.Room, N: s.n, Body: m.Body})
	}
}
