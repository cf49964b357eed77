//go:build fleet

package fleet

import (
	"context"
	"encoding/json"
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

// A recorder is one connection to one node, which outlives what is done to the fleet.
type recorder struct {
	channel string

	mu    sync.Mutex
	lines []string // payloads, and "gap"
}

// record joins a channel, and listens until the test ends.
func record(ctx context.Context, t testing.TB, m *member, channel string) *recorder {
	t.Helper()
	c, _, err := websocket.Dial(ctx, "ws://"+m.public+"/?positions=true&channel="+channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	r := &recorder{channel: channel}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("a recorder at %s was closed: %v", m.name, err)
				}
				return
			}
			line, payload, _ := strings.Cut(string(b), "\n")
			switch kind, _, _ := strings.Cut(line, " "); kind {
			case "gap":
				r.add("gap")
			case "message":
				r.add(payload)
			}
		}
	}()
	t.Cleanup(func() { cancel(); _ = c.CloseNow(); <-done })
	return r
}

func (r *recorder) add(s string) { r.mu.Lock(); r.lines = append(r.lines, s); r.mu.Unlock() }

func (r *recorder) all() []string { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.lines) }

func (r *recorder) has(s string) bool { return slices.Contains(r.all(), s) }

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

// number is the one of a line that the source published.
func (s *source) number(line string) (n int, ok bool) {
	words := strings.Fields(line)
	if words[0] != s.name {
		return 0, false
	}
	n, err := strconv.Atoi(words[1])
	return n, err == nil
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

// history is what a node says that a channel has, once it can be read.
func (m *member) history(ctx context.Context, t testing.TB, channel string) (texts []string) {
	t.Helper()
	var answer []byte
	var status int
	var err error
	until(ctx, t, "the history can be read", func() bool {
		answer, status, err = m.call(ctx, http.MethodGet, "/api/history?limit=10000&channel="+channel, nil)
		return err != nil || status != http.StatusServiceUnavailable
	})
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

// without is what came without the gaps.
func without(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s == "gap" })
}
