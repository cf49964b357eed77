package gateway

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

// A client that lost its node goes on where it was on any other: what it missed comes first.
func TestFleetResume(t *testing.T) {
	ctx := within(t)
	resume(ctx, t, startFleet(ctx, t, embeddedFleet(t, 3)))
}

func resume(ctx context.Context, t *testing.T, nodes []*node) {
	var at []string
	for i, text := range []string{"one", "two", "three"} {
		at = append(at, nodes[i].posted(t, "news", text))
	}
	for i, n := range nodes {
		c := n.dial(ctx, t, "/?channel=news&positions=true&since="+at[0])
		expect(ctx, t, c, "message news "+at[1]+"\ntwo")
		expect(ctx, t, c, "message news "+at[2]+"\nthree")
		_, body := get(t, "http://"+n.AdminAddress()+"/api/history?channel=news&limit=1&since="+url.QueryEscape(at[1]))
		if !strings.Contains(body, `"text":"three"}],"position":"`+at[2]+`","complete":true,"truncated":false}`) {
			t.Errorf("the history at node %d: %s", i, body)
		}
	}
	fresh := nodes[0].dial(ctx, t, "/?channel=never&positions=true")
	_, b, err := fresh.Read(ctx)
	if err != nil || !strings.HasPrefix(string(b), "joined never ") {
		t.Fatalf("a channel that never had a message: %q, %v", b, err)
	}
	position := strings.TrimSpace(strings.TrimPrefix(string(b), "joined never "))
	first := nodes[1].posted(t, "never", "first")
	expect(ctx, t, fresh, "message never "+first+"\nfirst")
	back := nodes[2].dial(ctx, t, "/?channel=never&since="+position)
	expect(ctx, t, back, "first")

	made := nodes[2].dial(ctx, t, "/?channel=never&positions=true&since="+after(t, first, 1000)) // nobody has been there
	expect(ctx, t, made, "gap never "+first+"\n")
	further := nodes[2].dial(ctx, t, "/?channel=never&positions=true&since="+after(t, first, 1)) // than this node is
	if second := nodes[0].posted(t, "never", "second"); second != after(t, first, 1) {
		t.Fatalf("the message after %s is at %s", first, second)
	}
	expect(ctx, t, further, "joined never "+after(t, first, 1)+"\n")
	third := nodes[1].posted(t, "never", "third")
	expect(ctx, t, further, "message never "+third+"\nthird")
}

// after is a position so much further on.
func after(t *testing.T, position string, n uint64) string {
	t.Helper()
	epoch, offset, _ := strings.Cut(position, ":")
	at, err := strconv.ParseUint(offset, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s:%d", epoch, at+n)
}

// B4: whoever comes back from before a stored message that is too long for this node is told of a
// gap, as those who are there are, whether the node read it from the history or got it live.
func TestFleetTooLong(t *testing.T) {
	configs := embeddedFleet(t, 2)
	tooLong(within(t), t, configs)
}

func tooLong(ctx context.Context, t *testing.T, configs []*config.Config) {
	const limit = 1000
	configs[1].Limits.MessageSize = limit
	nodes := startFleet(ctx, t, configs)
	long := strings.Repeat("x", limit+1)
	var at []string
	for _, text := range []string{"zero", long, "two"} {
		at = append(at, nodes[0].posted(t, "news", text))
	}
	back := func(since int, more string) *websocket.Conn {
		return nodes[1].dial(ctx, t, "/?channel=news&since="+at[since]+more)
	}
	live := back(0, "&positions=true")
	expect(ctx, t, live, "gap news "+at[2]+"\n")
	expect(ctx, t, back(1, "&positions=true"), "message news "+at[2]+"\ntwo")
	for _, text := range []string{"three", long, "five"} {
		at = append(at, nodes[0].posted(t, "news", text))
	}
	expect(ctx, t, live, "message news "+at[3]+"\nthree")
	expect(ctx, t, live, "gap news "+at[4]+"\n")
	expect(ctx, t, live, "message news "+at[5]+"\nfive")
	expect(ctx, t, back(3, "&positions=true"), "gap news "+at[5]+"\n")
	expect(ctx, t, back(0, ""), `{"type":"gap","channel":"news","since":"`+at[5]+`"}`)
	expect(ctx, t, back(4, ""), "five")
	for since, want := range map[int]string{
		3: `"text":"five"}],"position":"` + at[5] + `","complete":false,"truncated":false}`,
		2: `"text":"three"}],"position":"` + at[5] + `","complete":true,"truncated":true}`,
	} {
		if _, body := get(t, "http://"+nodes[1].AdminAddress()+"/api/history?channel=news&limit=1&since="+url.QueryEscape(at[since])); !strings.Contains(body, want) {
			t.Errorf("the history after %d: %s", since, body)
		}
	}
}
