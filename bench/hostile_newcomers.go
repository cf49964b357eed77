package bench

import (
	"context"
	"strings"
	"time"

	"sluice/bench/attack"
)

// newcomers are well-behaved clients that connect, one after the other, while
// others are attacking.
type newcomers struct {
	// Static.
	url     string
	sources []string
	headers []string
	timeout time.Duration
	leave   context.CancelFunc // no more of them come
	done    chan struct{}

	// Owned by their goroutine until done.
	came   uint64
	failed map[string]uint64 // by reason
	took   counter
}

// newcomerEvery is between two of them.
const newcomerEvery = 50 * time.Millisecond

func startNewcomers(p *Plan) *newcomers {
	ctx, leave := context.WithCancel(context.Background())
	n := &newcomers{
		sources: p.Sources, headers: p.Headers, timeout: 5 * time.Second, leave: leave,
		done: make(chan struct{}), failed: map[string]uint64{},
	}
	if p.Subprotocol != "" {
		n.headers = append(n.headers[:len(n.headers):len(n.headers)], "Sec-WebSocket-Protocol: "+p.Subprotocol)
	}
	u, scheme := p.URLs[0], "ws://"
	if strings.HasPrefix(u, "wss:") {
		scheme = "wss://"
	}
	if t, err := parseTarget(u); err == nil {
		u = scheme + t.host + t.pathOf(0, 0)
	}
	n.url = u
	go n.come(ctx)
	return n
}

func (n *newcomers) come(ctx context.Context) {
	defer close(n.done)
	ticker := time.NewTicker(newcomerEvery)
	defer ticker.Stop()
	for {
		source := ""
		if len(n.sources) > 0 {
			source = n.sources[n.came%uint64(len(n.sources))]
		}
		n.came++
		begun := time.Now()
		visit, cancel := context.WithTimeout(context.Background(), n.timeout)
		err := attack.Visit(visit, n.url, source, n.headers)
		cancel()
		n.took.add(int64(time.Since(begun)))
		if err != nil {
			n.failed[err.Error()]++
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// gone says whether the last one has left, once leave was called.
func (n *newcomers) gone() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}
