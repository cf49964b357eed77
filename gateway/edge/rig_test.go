package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// A rig is an edge with a hub behind it, on the loopback. Tests set up its
// fields between newRig and start.
type rig struct {
	options  Options
	hub      hub.Options
	limits   session.Limits
	endpoint *Endpoint // path /, channel "c"

	*Edge
	h    *hub.Hub
	set  *metrics.Set
	live atomic.Pointer[session.Limits]
	log  lines
}

func newRig() *rig {
	r := &rig{set: metrics.NewSet(2)}
	var dialects session.Dialects
	dialects.Variants(session.Dialect{})
	r.hub = hub.Options{
		Shards: 2, Inbox: 1 << 16, BatchBytes: 64 << 10, Slice: 100,
		Codecs: dialects.Codecs(r.set.Edge()), Metrics: r.set, Log: zerolog.Nop(),
		Settings: hub.Settings{
			WriteQueue: 128 << 10, OutboxFrames: 1 << 20, CloseTimeout: 10 * time.Second,
			Namespace: func(string) hub.Namespace { return hub.Namespace{} },
		},
	}
	r.limits = session.Limits{Rules: ws.Rules{MaxMessage: 1 << 20}, Subscriptions: 8, ChannelNameBytes: 64}
	r.endpoint = &Endpoint{Path: "/", Session: &session.Endpoint{
		Cell: r.set.Edge(), Publish: true, EchoSelf: true, Channels: []string{"c"}, Allow: []string{"*"}, Limits: &r.live,
	}}
	r.endpoint.Origins.Store(new(Origins))
	r.options = Options{
		Listeners: []Listener{{Address: "127.0.0.1:0", Backlog: 1024, Endpoints: []*Endpoint{r.endpoint}}},
		Pollers:   2, ReadBuffer: 64 << 10, MaxConnections: 1 << 20,
		Settings: Settings{HandshakeTimeout: 10 * time.Second, HeaderBytes: 8 << 10},
		Metrics:  r.set.Edge(), Log: zerolog.New(&r.log),
	}
	return r
}

// prepare builds the hub and the edge.
func (r *rig) prepare() (err error) {
	r.live.Store(&r.limits)
	if r.h, err = hub.New(r.hub); err != nil {
		return err
	}
	r.endpoint.Session.Hub = r.h
	r.Edge, err = New(r.options)
	return err
}

// start runs the rig until the test ends.
func (r *rig) start(t testing.TB) *rig {
	t.Helper()
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	return r
}

// run runs a prepared rig until the test ends.
func (r *rig) run(t testing.TB) {
	t.Helper()
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
		r.h.Stop()
	})
}

// publish publishes on the channel c.
func (r *rig) publish(t testing.TB, payload []byte) {
	t.Helper()
	if _, err := r.h.Publish([]string{"c"}, hub.Publication{Payload: payload, Binary: true}); err != nil {
		t.Fatal(err)
	}
}

// conns are the edge's ends of the n open connections. A client sees its 101
// a moment before the hub sees the client.
func (r *rig) conns(t testing.TB, n int) (list []*conn) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d connections", n), func() bool { return len(r.h.Connections(1<<20)) == n })
	for _, info := range r.h.Connections(1 << 20) {
		switch c := info.Conn.(type) {
		case *conn:
			list = append(list, c)
		case *distantConn:
			list = append(list, &c.conn)
		case *tlsConn:
			list = append(list, &c.conn)
		}
	}
	return list
}

func (r *rig) failures(f metrics.HandshakeFailure) uint64 {
	return r.set.Edge().HandshakeFailures[f].Load()
}

// closed is how many connections ended for a reason, over all shards.
func (r *rig) closed(reason metrics.CloseReason) (n uint64) {
	for i := range r.set.Shards() {
		n += r.set.Cell(i).Closed[reason].Load()
	}
	return n
}

// eventually polls for what no channel tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// lines counts what is logged.
type lines struct {
	mu     sync.Mutex
	n      int
	last   string
	pauses int     // lines that tell of a pause of the acceptor
	pause  float64 // the longest of them, in milliseconds
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	l.last = string(p)
	var line struct {
		Message string  `json:"message"`
		Took    float64 `json:"dur_ms"`
	}
	if json.Unmarshal(p, &line) == nil && line.Message == "accept failed, pausing" {
		l.pauses++
		l.pause = max(l.pause, line.Took)
	}
	return len(p), nil
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func (l *lines) paused() (times int, longest float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pauses, l.pause
}
