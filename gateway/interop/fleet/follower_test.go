//go:build fleet

package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A follower is a client that comes back with its position wherever it can.
type follower struct {
	members []*member
	channel string
	joined  func() // called when it is subscribed for the first time
	back    func() // called when it is connected again; nil: nobody is told

	// Owned by follow.
	at    string // its position
	next  int    // the number it expects
	twice int    // numbers that came again
	gaps  int    // times that it was told of one
	dials int
}

// follow reads the numbers up to a count, in order, across all connections.
func (f *follower) follow(ctx context.Context, count int) error {
	for f.next < count {
		err := f.connection(ctx, count)
		var wrong *wrongNumber
		switch {
		case errors.As(err, &wrong):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %d of %d numbers came, over %d connections", ctx.Err(), f.next, count, f.dials)
		case err != nil:
			time.Sleep(pause(err))
		}
	}
	return nil
}

// hint is what a node tells a client that it closes so that it comes back.
var hint = regexp.MustCompile(`retry in (\d+)ms$`)

// pause is how long a client waits before it comes back: as long as it was told.
func pause(err error) time.Duration {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		if m := hint.FindStringSubmatch(closed.Reason); m != nil {
			ms, _ := strconv.Atoi(m[1])
			return time.Duration(ms) * time.Millisecond
		}
	}
	return time.Duration(20+rand.IntN(100)) * time.Millisecond
}

// wrongNumber is a message that is missing.
type wrongNumber struct{ got, want int }

func (w *wrongNumber) Error() string { return fmt.Sprintf("number %d came, want %d", w.got, w.want) }

// connection is one of them.
func (f *follower) connection(ctx context.Context, count int) error {
	m := f.members[rand.IntN(len(f.members))]
	url := "ws://" + m.public + "/?positions=true&channel=" + f.channel
	if f.at != "" {
		url += "&since=" + f.at
	}
	dial, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(dial, url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(-1)
	if f.dials++; f.dials > 1 && f.back != nil {
		f.back()
	}
	for f.next < count {
		_, b, err := c.Read(ctx)
		if err != nil {
			return err
		}
		line, payload, _ := strings.Cut(string(b), "\n")
		words := strings.Fields(line)
		f.at = words[len(words)-1]
		switch words[0] {
		case "joined":
			if f.joined != nil {
				f.joined()
				f.joined = nil
			}
		case "gap":
			f.gaps++
		case "message":
			n, err := strconv.Atoi(payload)
			switch {
			case err != nil:
				return err
			case n < f.next:
				f.twice++
			case n > f.next:
				return &wrongNumber{n, f.next}
			default:
				f.next++
			}
		}
	}
	return nil
}

// A publisher publishes numbers, each by whichever node takes it.
type publisher struct {
	members []*member
	channel string
	prefix  string // of the numbers
	pause   time.Duration

	sent  atomic.Int64
	again atomic.Int64 // tries after one whose outcome is not known, or that failed
}

// publish publishes the numbers up to a count.
func (p *publisher) publish(ctx context.Context, count int) error {
	for i := range count {
		for {
			m := p.members[rand.IntN(len(p.members))]
			err := m.publish(ctx, p.channel, p.prefix+strconv.Itoa(i))
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("number %d: %w", i, err)
			}
			p.again.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
		p.sent.Add(1)
		time.Sleep(p.pause)
	}
	return nil
}
