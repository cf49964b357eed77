package gateway

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

// remembering is a configuration where channels that begin with n keep their newest 3 messages.
func remembering() *config.Config {
	cfg := testConfig()
	keep := cfg.Namespaces[0]
	keep.Match = "n*"
	keep.History = config.History{Size: 3, TTL: config.Duration(time.Hour)}
	cfg.Namespaces = append([]config.Namespace{keep}, cfg.Namespaces...)
	return cfg
}

// posted is the answer of the server API to a publish.
func (n *node) posted(t *testing.T, channel, text string) (position string) {
	t.Helper()
	body := fmt.Sprintf(`{"channel":%q,"text":%q}`, channel, text)
	resp, err := web.Post("http://"+n.AdminAddress()+"/api/publish", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a struct{ Result struct{ Position string } }
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp.Status, err)
	}
	return a.Result.Position
}

// What docs/resume.md shows: positions from a publish, a history and messages
// are the same, and lead a client that comes back to where it was, compressed or not.
func TestResume(t *testing.T) {
	ctx := within(t)
	cfg := remembering()
	cfg.Listeners[0].Endpoints[0].Compression.Enabled = true
	n := start(t, cfg)
	var at []string
	for _, text := range []string{"one", "two", "three", "four"} {
		at = append(at, n.posted(t, "news", text))
	}
	if p := n.posted(t, "lobby", "x"); p != "" {
		t.Errorf("a channel without a history has the position %q", p)
	}

	_, body := get(t, "http://"+n.AdminAddress()+"/api/history?channel=news&limit=2&since="+url.QueryEscape(at[1]))
	if !strings.Contains(body, `{"position":"`+at[2]+`"`) || !strings.Contains(body, `"text":"four"}],"position":"`+at[3]+`","complete":true,"truncated":false}`) {
		t.Errorf("the history: %s", body)
	}
	if status, _ := get(t, "http://"+n.AdminAddress()+"/api/history?channel=lobby"); status != 404 {
		t.Errorf("a channel without a history: %d", status)
	}

	plain := n.dial(ctx, t, "/?channel=news&since="+at[1])
	expect(ctx, t, plain, "three")
	expect(ctx, t, plain, "four")
	late := n.dial(ctx, t, "/?channel=news&since="+at[0]) // two is the first that is kept: nothing is missing
	for _, text := range []string{"two", "three", "four"} {
		expect(ctx, t, late, text)
	}
	other := strings.Replace(at[3], ":", "x:", 1) // another life of the history
	tooLate := n.dial(ctx, t, "/?channel=news&since="+other)
	expect(ctx, t, tooLate, `{"type":"gap","channel":"news","since":"`+at[3]+`"}`)

	fresh := n.dial(ctx, t, "/?channel=news&positions=true")
	expect(ctx, t, fresh, "joined news "+at[3]+"\n")
	lost := n.dial(ctx, t, "/?channel=news&positions=true&since="+other)
	expect(ctx, t, lost, "gap news "+at[3]+"\n")
	back, _, err := websocket.Dial(ctx, public("ws", n.Addresses()[0])+"/?channel=lobby&channel=news&since="+at[2]+"&positions=true",
		&websocket.DialOptions{HTTPClient: web, CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = back.CloseNow() }()
	expect(ctx, t, back, "message news "+at[3]+"\nfour")

	long := strings.Repeat("five ", 100)
	five := n.posted(t, "news", long)
	for _, c := range []*websocket.Conn{plain, late, tooLate} {
		expect(ctx, t, c, long)
	}
	for _, c := range []*websocket.Conn{fresh, lost, back} {
		expect(ctx, t, c, "message news "+five+"\n"+long)
	}
	n.posted(t, "lobby", "x")
	expect(ctx, t, back, "message lobby -\nx")
	if n := n.metrics.Edge().Compressed.Load(); n != 1 {
		t.Errorf("%d frames were compressed, want the one that was live and long", n)
	}
}
