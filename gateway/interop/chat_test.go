package interop

import (
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

const greeting = "Hello! Message From Server!!"

// chat is a node with configs/chat.yaml as it is, but for its ports.
func chat(t *testing.T) *node { return example(t, "chat.yaml") }

// example is a node with a file of configs/ as it is, but for its ports.
func example(t *testing.T, file string) *node {
	t.Helper()
	cfg, problems := config.Load(config.Source{File: "../../configs/" + file})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return start(t, cfg)
}

// TestChat: the classic first server. Everyone is greeted and hears everyone,
// the sender included.
func TestChat(t *testing.T) {
	ctx := within(t)
	n := chat(t)
	conns := []*websocket.Conn{n.mustDial(ctx, t, ""), n.mustDial(ctx, t, ""), n.mustDial(ctx, t, "")}
	for i, c := range conns {
		if err := expect(ctx, c, websocket.MessageText, []byte(greeting)); err != nil {
			t.Fatalf("client %d: greeting: %v", i, err)
		}
	}
	for i, sender := range conns {
		text := []byte{'f', 'r', 'o', 'm', ' ', byte('0' + i)}
		if err := sender.Write(ctx, websocket.MessageText, text); err != nil {
			t.Fatal(err)
		}
		for j, c := range conns {
			if err := expect(ctx, c, websocket.MessageText, text); err != nil {
				t.Errorf("client %d sent, client %d: %v", i, j, err)
			}
		}
	}
}

// TestChatAnswersAPlainGet: what a browser's address bar shows.
func TestChatAnswersAPlainGet(t *testing.T) {
	n := chat(t)
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, n.http+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || string(body) != "hi there" {
		t.Errorf("got %s %q, want 200 %q", resp.Status, body, "hi there")
	}
}

// TestChatFromAnyPage: the page of a development server on another port may
// connect, as chat.yaml says, and may not where no origin is listed (C6).
func TestChatFromAnyPage(t *testing.T) {
	ctx := within(t)
	header := http.Header{"Origin": {"http://localhost:5173"}}
	for _, test := range []struct {
		name    string
		node    *node
		allowed bool
	}{
		{"chat.yaml", chat(t), true},
		{"default", start(t, config.Default()), false},
	} {
		conn, resp, err := websocket.Dial(ctx, test.node.ws+"/", &websocket.DialOptions{HTTPHeader: header})
		if err == nil {
			conn.CloseNow()
		}
		if allowed := err == nil; allowed != test.allowed {
			t.Errorf("%s: allowed is %v, want %v (%v)", test.name, allowed, test.allowed, err)
		}
		if !test.allowed && resp != nil && resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: refused with %s, want 403", test.name, resp.Status)
		}
	}
}
