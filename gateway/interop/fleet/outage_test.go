//go:build fleet

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/broker/enginetest"
)

// A listener stays on one connection, and holds the node to this: each number of a
// publisher is the one after the last, or a gap was told between them, or it came again.
type listener struct {
	last []atomic.Int64 // by publisher
	gaps atomic.Int64
}

func (l *listener) listen(ctx context.Context, m *member, channel string, joined func()) error {
	c, _, err := websocket.Dial(ctx, "ws://"+m.public+"/?positions=true&channel="+channel, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(-1)
	for i := range l.last {
		l.last[i].Store(-1)
	}
	joined() // it is, once the handshake is over
	told := make([]bool, len(l.last))
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		line, payload, _ := strings.Cut(string(b), "\n")
		kind, _, _ := strings.Cut(line, " ")
		switch kind {
		case "gap":
			for i := range told {
				told[i] = true
			}
			l.gaps.Add(1)
		case "message":
			var by int
			var n int64
			if _, err := fmt.Sscan(payload, &by, &n); err != nil {
				return err
			}
			last := l.last[by].Load()
			switch {
			case n == last+1 || n > last && told[by]:
				l.last[by].Store(n)
				told[by] = false
			case n > last:
				return fmt.Errorf("%s: %d of publisher %d came after %d, and no gap was told", channel, n, by, last)
			}
		}
	}
}

// memory is what the process holds that is its own, in bytes.
func (m *member) memory(t testing.TB) (bytes int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	if _, err := fmt.Sscanf(rest, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}

// B1, B2: the broker is away for half a minute under load. Publishers are told,
// memory does not grow, and when it is back nothing stays silent, and whatever may
// be missing was told as a gap.
func TestFleetOutage(t *testing.T) {
	for _, e := range []*enginetest.Server{enginetest.NATS(t), enginetest.Redis(t)} {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			outage(t, e)
		})
	}
}

func outage(t *testing.T, e *enginetest.Server) {
	const away, listeners = 30 * time.Second, 30
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	e.Start(t)
	list := up(ctx, t, 3, beside(e))
	var wg, joined sync.WaitGroup
	byChannel := map[string][]*listener{}
	publishers := map[string][]*publisher{}
	for _, channel := range []string{"plain", "news.outage"} {
		// With a history there is one order for all. Without one, there is one of what came in
		// by one node, so that each node has a publisher of its own.
		by := [][]*member{list}
		if channel == "plain" {
			by = [][]*member{list[:1], list[1:2], list[2:]}
		}
		for i, members := range by {
			publishers[channel] = append(publishers[channel], &publisher{
				members: members, channel: channel, prefix: fmt.Sprint(i, " "), pause: time.Duration(len(by)) * 20 * time.Millisecond,
			})
		}
		for i := range listeners {
			l := &listener{last: make([]atomic.Int64, len(by))}
			byChannel[channel] = append(byChannel[channel], l)
			joined.Add(1)
			wg.Go(func() {
				if err := l.listen(ctx, list[i%len(list)], channel, joined.Done); err != nil {
					t.Error(err)
				}
			})
		}
	}
	joined.Wait()
	for _, p := range slices.Concat(publishers["plain"], publishers["news.outage"]) {
		wg.Go(func() {
			if err := p.publish(ctx, 1_000_000); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	// flows waits until all listeners have got so many more of a channel.
	flows := func(more int64) {
		t.Helper()
		for channel, all := range byChannel {
			for i, p := range publishers[channel] {
				due := p.sent.Load() + more/int64(len(publishers[channel]))
				for _, l := range all {
					for l.last[i].Load() < due {
						if ctx.Err() != nil {
							t.Fatalf("%s: one has got %d of %d of publisher %d", channel, l.last[i].Load(), p.sent.Load(), i)
						}
						time.Sleep(10 * time.Millisecond)
					}
				}
			}
		}
	}
	flows(100)
	before, most := make([]int, len(list)), make([]int, len(list))
	for i, m := range list {
		before[i] = m.memory(t)
	}
	e.Kill()
	for end := time.Now().Add(away); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		for i, m := range list {
			most[i] = max(most[i], m.memory(t))
		}
	}
	tries := int64(0)
	for _, p := range slices.Concat(publishers["plain"], publishers["news.outage"]) {
		tries += p.again.Load()
	}
	e.Start(t)
	back := time.Now()
	flows(100)
	t.Logf("away for %v: %d publishes were refused; all flows again %v after it was back", away, tries, time.Since(back).Round(100*time.Millisecond))
	for i := range list {
		t.Logf("%s: %.1f MiB before, at most %.1f MiB while it was away", list[i].name, float64(before[i])/(1<<20), float64(most[i])/(1<<20))
		if most[i] > before[i]+64<<20 {
			t.Errorf("%s grew from %d to %d bytes", list[i].name, before[i], most[i])
		}
	}
	if tries == 0 {
		t.Error("no publisher was told")
	}
	for channel, all := range byChannel {
		gaps := int64(0)
		for _, l := range all {
			gaps += l.gaps.Load()
			if channel == "plain" && l.gaps.Load() == 0 {
				t.Error("one on a channel without a history was not told of a gap")
			}
		}
		t.Logf("%s: %d gaps told to %d", channel, gaps, listeners)
	}
	cancel()
	wg.Wait()
}
