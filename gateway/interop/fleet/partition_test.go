//go:build fleet

package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A listener is one connection to one node, which outlives what is done to the fleet.
type listener struct {
	channel string

	mu    sync.Mutex
	lines []string // payloads, and "gap"
}

// listen joins a channel, and listens until the test ends.
func listen(ctx context.Context, t testing.TB, m *member, channel string) *listener {
	t.Helper()
	c, _, err := websocket.Dial(ctx, "ws://"+m.public+"/?positions=true&channel="+channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	l := &listener{channel: channel}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("a listener at %s was closed: %v", m.name, err)
				}
				return
			}
			line, payload, _ := strings.Cut(string(b), "\n")
			switch kind, _, _ := strings.Cut(line, " "); kind {
			case "gap":
				l.add("gap")
			case "message":
				l.add(payload)
			}
		}
	}()
	t.Cleanup(func() { cancel(); _ = c.CloseNow(); <-done })
	return l
}

func (l *listener) add(s string) { l.mu.Lock(); l.lines = append(l.lines, s); l.mu.Unlock() }

func (l *listener) all() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.lines) }

func (l *listener) has(s string) bool { return slices.Contains(l.all(), s) }

// A source publishes NAME NUMBER by one node, and goes on whatever that says.
type source struct {
	member  *member
	channel string
	name    string
	padding string

	acknowledged []int // numbers, owned by run
	refused      map[string]int
	sent         atomic.Int64
}

// run publishes until ctx ends.
func (s *source) run(ctx context.Context, pause time.Duration) {
	s.refused = map[string]int{}
	for i := 0; ctx.Err() == nil; i++ {
		body, _ := json.Marshal(map[string]string{"channel": s.channel, "text": s.name + " " + strconv.Itoa(i) + s.padding})
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		_, status, err := s.member.call(bounded, http.MethodPost, "/api/publish", body)
		cancel()
		switch {
		case err != nil:
			s.refused["no answer"]++
		case status == http.StatusOK:
			s.acknowledged = append(s.acknowledged, i)
			s.sent.Add(1)
		default:
			s.refused[strconv.Itoa(status)]++
		}
		time.Sleep(pause)
	}
}

// nodes are the names of those that a node says are there.
func (m *member) nodes(ctx context.Context) (names []string) {
	answer, _, err := m.call(ctx, http.MethodGet, "/api/info", nil)
	if err != nil {
		return nil
	}
	var v struct {
		Result struct {
			Nodes []struct {
				Node string `json:"node"`
			} `json:"nodes"`
		} `json:"result"`
	}
	if json.Unmarshal(answer, &v) != nil {
		return nil
	}
	for _, n := range v.Result.Nodes {
		names = append(names, n.Node)
	}
	return names
}

// history is what a node says that a channel has.
func (m *member) history(ctx context.Context, t testing.TB, channel string) (texts []string) {
	t.Helper()
	answer, status, err := m.call(ctx, http.MethodGet, "/api/history?limit=10000&channel="+channel, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("the history of %s: %d %s %v", channel, status, answer, err)
	}
	var v struct {
		Result struct {
			Publications []struct {
				Text string `json:"text"`
			} `json:"publications"`
			Truncated bool `json:"truncated"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &v); err != nil || v.Result.Truncated {
		t.Fatalf("the history of %s: %v, truncated: %t", channel, err, v.Result.Truncated)
	}
	for _, p := range v.Result.Publications {
		texts = append(texts, p.Text)
	}
	return texts
}

// until waits for something, and returns how long that took.
func until(ctx context.Context, t testing.TB, what string, is func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !is() {
		if ctx.Err() != nil {
			t.Fatalf("not within %v: %s", time.Since(begun).Round(time.Second), what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begun).Round(10 * time.Millisecond)
}

// B2: a node is cut off from the others, and its clients are not; both sides go on
// publishing. Everybody who may have missed something is told, or gets it from the
// history; what was acknowledged on a channel with a history is in it; and nothing
// stays silent afterwards.
func TestFleetPartition(t *testing.T) {
	t.Run("short", func(t *testing.T) { partition(t, 12*time.Second, "") })
	// More than the sockets between the nodes hold: some connections end, and others do not.
	t.Run("loaded", func(t *testing.T) { partition(t, 15*time.Second, " "+strings.Repeat("x", 60_000)) })
}

func partition(t *testing.T, lasts time.Duration, padding string) {
	const nodes = 3
	ctx := within(t)
	network := newNetwork(ctx, t, nodes)
	var routes []string
	for i := range nodes {
		routes = append(routes, network.inner(i)+":6222")
	}
	var list []*member
	for i := range nodes {
		name := fmt.Sprint("node-", i)
		m := newMember(t, name, network.client(i)+":8080", network.client(i)+":8081", fmt.Sprintf(
			"broker: {type: nats, embedded: true, node: %s, store_dir: %q, cluster: {listen: %q, routes: [%s], secret: tests-only-secret}}",
			name, t.TempDir(), routes[i], strings.Join(routes, ", ")))
		m.prefix = []string{"ip", "netns", "exec", network.space(i)}
		m.start(t)
		list = append(list, m)
	}
	begun(ctx, t, list)
	for _, m := range list {
		until(ctx, t, "each node knows all", func() bool { return len(m.nodes(ctx)) == nodes })
	}

	channels := []string{"plain", "news.partition"}
	var listeners []*listener
	var sources []*source
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, channel := range channels {
		for i, m := range list {
			listeners = append(listeners, listen(ctx, t, m, channel))
			s := &source{member: m, channel: channel, name: fmt.Sprint("from-", i)}
			if channel == "plain" {
				s.padding = padding
			}
			sources = append(sources, s)
		}
	}
	for _, s := range sources {
		wg.Go(func() { s.run(publishing, 20*time.Millisecond) })
	}
	// heard: everybody hears everybody on the channel, from now on.
	heard := func(what string) time.Duration {
		n := 0
		return until(ctx, t, what, func() bool {
			n++
			for _, channel := range channels {
				for i, m := range list {
					_ = m.publish(ctx, channel, fmt.Sprintf("%s %d %d", what, i, n))
				}
			}
			for _, l := range listeners {
				lines := l.all()
				for i := range list {
					prefix := fmt.Sprintf("%s %d ", what, i)
					if !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, prefix) }) {
						return false
					}
				}
			}
			return true
		})
	}
	heard("before")
	for _, s := range sources {
		until(ctx, t, "load", func() bool { return s.sent.Load() >= 50 })
	}

	cut := list[2]
	network.cut(ctx, t, 2)
	at := time.Now()
	gone := until(ctx, t, "the others notice", func() bool {
		return !slices.Contains(list[0].nodes(ctx), cut.name) && !slices.Contains(list[1].nodes(ctx), cut.name)
	})
	until(ctx, t, "the node that is cut off notices", func() bool { return len(cut.nodes(ctx)) == 1 })
	time.Sleep(time.Until(at.Add(lasts)))
	network.join(ctx, t, 2)
	back := until(ctx, t, "each node knows all again", func() bool {
		return !slices.ContainsFunc(list, func(m *member) bool { return len(m.nodes(ctx)) != nodes })
	})
	silent := back + heard("after")
	stop()
	wg.Wait()
	t.Logf("cut off for %v: gone after %v, back %v after the end of it, everybody hears everybody after %v", lasts, gone, back, silent)
	if gone > 10*time.Second {
		t.Errorf("the node was listed for %v", gone)
	}
	for _, s := range sources {
		t.Logf("%s of %s: %d acknowledged, refused %v", s.name, s.channel, len(s.acknowledged), s.refused)
	}

	// The last message: who has it has all that came before.
	for _, channel := range channels {
		for _, m := range list {
			until(ctx, t, "a last message", func() bool { return m.publish(ctx, channel, "last "+m.name) == nil })
		}
	}
	for _, l := range listeners {
		for _, m := range list {
			until(ctx, t, "the last message", func() bool { return l.has("last " + m.name) })
		}
	}
	history := list[0].history(ctx, t, "news.partition")
	for i, m := range list {
		if !slices.Equal(m.history(ctx, t, "news.partition"), history) {
			t.Errorf("node %d has another history", i)
		}
	}
	for i, l := range listeners {
		at := fmt.Sprintf("%s at node %d", l.channel, i%nodes)
		lines := l.all()
		if l.channel != "plain" {
			if gaps := len(lines) - len(without(lines)); gaps > 0 {
				t.Errorf("%s: %d gaps were told, and the history has everything", at, gaps)
			}
			// What joined after the beginning of the history is a part of it: all of it to its end.
			got := without(lines)
			if len(got) > len(history) || !slices.Equal(got, history[len(history)-len(got):]) {
				t.Errorf("%s: %d messages came, of a history of %d, and they differ", at, len(got), len(history))
			}
		}
		for _, s := range sources {
			if s.channel == l.channel {
				unannounced(t, at, s, lines)
			}
		}
	}
	for _, s := range sources {
		if s.channel == "plain" {
			continue
		}
		for _, n := range s.acknowledged {
			if text := fmt.Sprintf("%s %d", s.name, n); !slices.Contains(history, text) {
				t.Errorf("%s was acknowledged, and is not in the history", text)
			}
		}
	}
}

// without is what came without the gaps.
func without(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s == "gap" })
}

// unannounced fails the test where acknowledged numbers are missing, or came out of order, and no gap was told after the last one before them.
func unannounced(t *testing.T, at string, s *source, lines []string) {
	t.Helper()
	place := map[int]int{} // of a number in lines
	last := -1
	for i, line := range lines {
		words := strings.Fields(line)
		if words[0] != s.name {
			continue
		}
		n, _ := strconv.Atoi(words[1])
		if n <= last {
			t.Errorf("%s: %s %d came after %d", at, s.name, n, last)
		}
		last, place[n] = n, i
	}
	var missing, silent []int
	before := -1
	for _, n := range s.acknowledged {
		if i, ok := place[n]; ok {
			before = i
			continue
		}
		missing = append(missing, n)
		if !slices.Contains(lines[before+1:], "gap") {
			silent = append(silent, n)
		}
	}
	if len(missing) > 0 {
		t.Logf("%s: of %s %d are missing, %d to %d", at, s.name, len(missing), missing[0], missing[len(missing)-1])
	}
	if len(silent) > 0 {
		t.Errorf("%s: of %s %d are missing and no gap was told, %d to %d", at, s.name, len(silent), silent[0], silent[len(silent)-1])
	}
}
