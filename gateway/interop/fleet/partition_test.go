//go:build fleet

package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// B2: a node is cut off from the others, and its clients are not; both sides go on
// publishing. Everybody who may have missed something is told, or gets it from the
// history; what was acknowledged on a channel with a history is in it; and nothing
// stays silent afterwards.
func TestFleetPartition(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) { t.Parallel(); partition(t, 12*time.Second, "") })
	// More than the sockets between the nodes hold: some connections end, and others do not.
	t.Run("loaded", func(t *testing.T) { t.Parallel(); partition(t, 15*time.Second, " "+strings.Repeat("x", 60_000)) })
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
		m := newMember(t, name, network.client(i)+":8080", network.client(i)+":8081", "tests-only-key", fmt.Sprintf(
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
	var recorders []*recorder
	var sources []*source
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, channel := range channels {
		for i, m := range list {
			recorders = append(recorders, record(ctx, t, m, channel))
			s := &source{member: m, channel: channel, name: fmt.Sprint("from-", i)}
			if channel == "plain" {
				s.padding = padding
			}
			sources = append(sources, s)
		}
	}
	for _, s := range sources {
		wg.Go(func() { s.run(publishing, 30*time.Millisecond) })
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
			for _, l := range recorders {
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
		refused := 0
		for status, n := range s.refused {
			if refused += n; status != "503" && status != "504" {
				t.Errorf("%s of %s was refused with %s", s.name, s.channel, status)
			}
		}
		if s.member == cut && s.channel != "plain" && refused == 0 {
			t.Error("a node without a majority refused nothing")
		}
	}

	// The last message: who has it has all that came before.
	for _, channel := range channels {
		for _, m := range list {
			until(ctx, t, "a last message", func() bool { return m.publish(ctx, channel, "last "+m.name) == nil })
		}
	}
	for _, l := range recorders {
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
	for i, l := range recorders {
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
				unannounced(ctx, t, at, s, l)
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

// gapPatience is how long after the end of a trouble a gap may be told, on a busy machine.
const gapPatience = 10 * time.Second

// unannounced fails the test where acknowledged numbers are missing and no gap is told after the last one
// before them, or where they came out of order. The gap may come behind the messages that show it: a node
// with NATS inside looks for new connections between the servers.
func unannounced(ctx context.Context, t *testing.T, at string, s *source, l *recorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, gapPatience)
	defer cancel()
	var missing, silent []int
	for {
		missing, silent = absent(s, l.all())
		if len(silent) == 0 || ctx.Err() != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	last := -1
	for _, line := range l.all() {
		n, ok := s.number(line)
		if !ok {
			continue
		}
		if n <= last {
			t.Errorf("%s: %s %d came after %d", at, s.name, n, last)
		}
		last = n
	}
	if len(missing) > 0 {
		t.Logf("%s: of %s %d are missing, %d to %d", at, s.name, len(missing), missing[0], missing[len(missing)-1])
	}
	if len(silent) > 0 {
		t.Errorf("%s: of %s %d are missing and no gap was told, %d to %d", at, s.name, len(silent), silent[0], silent[len(silent)-1])
	}
}

// absent are a source's acknowledged numbers that are not in lines, and those of them that no gap follows
// the last one before.
func absent(s *source, lines []string) (missing, silent []int) {
	place := map[int]int{} // of a number in lines
	for i, line := range lines {
		if n, ok := s.number(line); ok {
			place[n] = i
		}
	}
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
	return missing, silent
}
