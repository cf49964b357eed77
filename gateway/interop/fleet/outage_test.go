//go:build fleet

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/broker/enginetest"
)

// A listener stays on one connection, and holds the node to this: each number is
// the one after the last, or a gap was told between them, or the last came again.
type listener struct {
	last atomic.Int64
	gaps atomic.Int64
}

func (l *listener) listen(ctx context.Context, m *member, channel string, joined func()) error {
	c, _, err := websocket.Dial(ctx, "ws://"+m.public+"/?positions=true&channel="+channel, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(-1)
	l.last.Store(-1)
	joined() // it is, once the handshake is over
	told := false
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
			told = true
			l.gaps.Add(1)
		case "message":
			n, err := strconv.ParseInt(payload, 10, 64)
			last := l.last.Load()
			switch {
			case err != nil:
				return err
			case n == last+1 || n > last && told:
				l.last.Store(n)
				told = false
			case n > last:
				return fmt.Errorf("%s: %d came after %d, and no gap was told", channel, n, last)
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
	publishers := map[string]*publisher{}
	for _, channel := range []string{"plain", "news.outage"} {
		for i := range listeners {
			l := &listener{}
			byChannel[channel] = append(byChannel[channel], l)
			joined.Add(1)
			wg.Go(func() {
				if err := l.listen(ctx, list[i%len(list)], channel, joined.Done); err != nil {
					t.Error(err)
				}
			})
		}
		publishers[channel] = &publisher{members: list, channel: channel, pause: 20 * time.Millisecond}
	}
	joined.Wait()
	for _, p := range publishers {
		wg.Go(func() {
			if err := p.publish(ctx, 1_000_000); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	// flows waits until all listeners have got so many more.
	flows := func(more int64) {
		t.Helper()
		for channel, all := range byChannel {
			at := publishers[channel].sent.Load()
			for _, l := range all {
				for l.last.Load() < at+more {
					if ctx.Err() != nil {
						t.Fatalf("%s: one has got %d of %d", channel, l.last.Load(), publishers[channel].sent.Load())
					}
					time.Sleep(10 * time.Millisecond)
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
	for _, p := range publishers {
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
