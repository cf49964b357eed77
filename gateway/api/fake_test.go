package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// published is one Publish that a fakeHub was asked for.
type published struct {
	Channels []string
	Payload  string
	Binary   bool
}

type fakeConn struct{ hub.Conn }

// knownConn is a connection with a token.
type knownConn struct{ fakeConn }

func (knownConn) Who() (string, []byte, time.Time) {
	return "alice", []byte(`{"plan":"pro"}`), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
}

func (fakeConn) RemoteAddr() string { return "192.0.2.7:4711" }

// fakeHub has channels a, b and c with 1, 2 and 3 subscribers, and 2 connections.
type fakeHub struct {
	// Static after construction.
	fail    error // of Publish
	panic   bool
	late    bool  // Publish confirms nothing: the test does
	lost    error // what the confirmation says
	unheard error // of Disconnect

	// Guarded by mu.
	mu        sync.Mutex
	published []published
	closed    []farewell
	revoked   []Revocation
	waiting   []func() // confirmations
}

func (h *fakeHub) Publish(channels []string, p hub.Publication) (int, error) {
	if h.panic {
		panic("injected")
	}
	if h.fail != nil {
		return 0, h.fail
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.published = append(h.published, published{channels, string(p.Payload), p.Binary})
	n := 0
	for _, c := range channels {
		n += max(0, strings.Index(" abc", c))
	}
	r := hub.Receipt{Subscribers: n}
	if len(channels) == 1 && channels[0] == "k" {
		r.Position = hub.Position{Epoch: "e", Offset: uint64(len(h.published))}
	}
	confirm := func() { p.Done(r, h.lost) }
	if h.late {
		h.waiting = append(h.waiting, confirm)
	} else {
		confirm()
	}
	return n, nil
}

func (h *fakeHub) Channels(prefix string, limit int) (list []hub.ChannelInfo, total int) {
	if h.panic {
		panic("injected")
	}
	for i, name := range []string{"c", "a", "b"} { // not sorted: the API sorts
		if strings.HasPrefix(name, prefix) {
			list = append(list, hub.ChannelInfo{Name: name, Subscribers: (i+2)%3 + 1})
		}
	}
	return list[:min(limit, len(list))], len(list)
}

func (h *fakeHub) Connections(limit int) []hub.ConnectionInfo {
	if h.panic {
		panic("injected")
	}
	return []hub.ConnectionInfo{
		{ID: 0xab, Channels: []string{"a", "b"}, QueuedBytes: 5, QueuedFrames: 6, Conn: fakeConn{}},
		{ID: 0xcd, Conn: fakeConn{}},
	}[:min(limit, 2)]
}

func (h *fakeHub) Stats() hub.Stats {
	if h.panic {
		panic("injected")
	}
	return hub.Stats{Shards: 2, Connections: 2, Channels: 3, InboxDepth: []int{4, 5}, QueuedBytes: 6}
}

// presence is that of channel k: two connections of alice, and one of nobody; one more is not listed.
func (h *fakeHub) presence(_ context.Context, channel string, limit int, meta bool) (Presence, error) {
	switch {
	case h.panic:
		panic("injected")
	case h.fail != nil:
		return Presence{}, h.fail
	case channel != "k":
		return Presence{}, ErrNoPresence
	}
	list := []Member{{"a", 1, "alice", nil}, {"b", 1, "alice", nil}, {"b", 2, "", nil}}
	if meta {
		list[0].Meta = []byte(`{"plan":"pro"}`)
	}
	return Presence{list[:min(limit, len(list))], 4, []string{"c"}}, nil
}

// past is the history of channel k: 1, 2, a binary one, and a larger one.
func (h *fakeHub) past(_ context.Context, channel string, since hub.Position, limit, _ int) (hub.Past, error) {
	switch {
	case h.panic:
		panic("injected")
	case h.fail != nil:
		return hub.Past{}, h.fail
	case channel != "k":
		return hub.Past{}, ErrNoHistory
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 5e8, time.UTC)
	p := hub.Past{Top: hub.Position{Epoch: "e", Offset: 9}, Floor: 2, Complete: since.Epoch == "" || since.Epoch == "e" && since.Offset >= 2}
	for i, payload := range []string{"one", "zwei ü\n", "\x00\xff", strings.Repeat("x", maxHistoryBytes)} {
		k := hub.Kept{Position: hub.Position{Epoch: "e", Offset: uint64(2*i + 3)}, Payload: []byte(payload), Binary: i == 2, At: at}
		if !p.Complete || k.Offset > since.Offset {
			p.Kept = append(p.Kept, k)
		}
	}
	if since.Epoch == "" {
		p.Kept = p.Kept[max(0, len(p.Kept)-limit):]
	} else {
		p.Kept = p.Kept[:min(limit, len(p.Kept))]
	}
	return p, nil
}

func (h *fakeHub) disconnect(node string, id hub.ID, code uint16, reason string) (bool, error) {
	if h.panic {
		panic("injected")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = append(h.closed, farewell{node, id, "", code, reason})
	return id == 0xab, h.unheard
}

func (h *fakeHub) disconnectUser(user string, code uint16, reason string) (Cut, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = append(h.closed, farewell{"", 0, user, code, reason})
	return Cut{Connections: len(user)}, h.unheard
}

func (h *fakeHub) revoke(r Revocation) (Cut, error) {
	if h.panic {
		panic("injected")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revoked = append(h.revoked, r)
	return Cut{Connections: 3}, h.fail
}

type channelError string

func (e channelError) Error() string { return string(e) }

const testMessageSize = 100

// options are a working server's, over h.
func options(h *fakeHub) Options {
	set := metrics.NewSet(2)
	return Options{
		Hub:        h,
		Disconnect: h.disconnect, DisconnectUser: h.disconnectUser, Revoke: h.revoke, History: h.past, Presence: h.presence,
		CheckChannel: func(name string) error {
			if len(name) != 1 {
				return channelError("it must have one byte")
			}
			return nil
		},
		Drainer:     fakeDrainer{},
		MessageSize: func() int { return testMessageSize },
		Ready:       func() (bool, string) { return true, "" },
		Metrics:     metrics.NewRegistry(set, metrics.Options{Version: "v0.0.0"}),
		Cell:        set.Edge(),
		Log:         zerolog.Nop(),
		Version:     "v0.0.0",
		Node:        "node-1",
		Started:     time.Now().Add(-time.Minute),
	}
}

func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8081"
	return r
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string // without the last newline
}

// exchange sends r to s and holds the answer to the OpenAPI document.
func exchange(t *testing.T, s *Server, r *http.Request) reply {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if err := contract(t).check(r, w.Code, w.Header(), w.Body.Bytes()); err != nil {
		t.Errorf("%s %s: the answer breaks the contract: %v\n%s", r.Method, r.URL, err, w.Body)
	}
	return reply{w.Code, w.Header(), strings.TrimSuffix(w.Body.String(), "\n")}
}

// refusal decodes an error's answer.
func refusal(t *testing.T, res reply) errorBody {
	t.Helper()
	var a errorAnswer
	if err := json.Unmarshal([]byte(res.body), &a); err != nil {
		t.Fatal(err)
	}
	return a.Error
}
