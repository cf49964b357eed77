package session

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// A rig is a hub and an endpoint without sockets. It lives in a synctest
// bubble, where time passes when everyone waits for it.
type rig struct {
	hub      *hub.Hub
	set      *metrics.Set
	ep       *Endpoint
	limits   atomic.Pointer[Limits]
	dialects Dialects

	compressing Variants // of an endpoint with compression
}

// inBubble runs f with a rig. settings and endpoint may be nil.
func inBubble(t *testing.T, settings hub.Settings, endpoint func(*Endpoint), f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{set: metrics.NewSet(2)}
		r.limits.Store(&Limits{Rules: ws.Rules{MaxMessage: 1000}, Subscriptions: 4, ChannelNameBytes: 20})
		if settings.Namespace == nil {
			settings.Namespace = func(string) hub.Namespace { return hub.Namespace{} }
		}
		if settings.WriteQueue == 0 {
			settings.WriteQueue, settings.OutboxFrames = 1<<20, 1024
		}
		variants := r.dialects.Variants(Dialect{})
		r.compressing = r.dialects.Variants(Dialect{Compression: Compression{Level: 1, MinSize: 20}})
		h, err := hub.New(hub.Options{
			Shards: 2, Inbox: 1024, BatchBytes: 4096, Slice: 10, Codecs: r.dialects.Codecs(r.set.Edge()),
			Settings: settings, Metrics: r.set, Log: zerolog.Nop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
		r.hub = h
		r.ep = &Endpoint{
			Hub: h, Cell: r.set.Edge(), Variants: variants, Publish: true, EchoSelf: true,
			Channels: []string{"lobby"}, Allow: []string{"*"}, Limits: &r.limits,
		}
		if endpoint != nil {
			endpoint(r.ep)
		}
		f(t, r)
	})
}

// limit changes the limits, also of sessions that run.
func (r *rig) limit(change func(*Limits)) {
	l := *r.limits.Load()
	change(&l)
	r.limits.Store(&l)
}

// A client is a session and what it was sent.
type client struct {
	Session
	t        *testing.T
	deflates bool
	mu       sync.Mutex

	// Guarded by mu.
	got      []byte
	finished bool
	aborted  bool
}

// join opens a session with a query.
func (r *rig) join(t *testing.T, query string) *client {
	t.Helper()
	return r.joinWith(t, query, ws.Deflate{})
}

// joinWith is join for a client with which compression was agreed on.
func (r *rig) joinWith(t *testing.T, query string, d ws.Deflate) *client {
	t.Helper()
	resume, err := protocol.RawResume(query)
	if err != nil {
		t.Fatal(err)
	}
	channels, err := r.ep.Admit(query)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, deflates: d.Bits > 0}
	c.Open(r.ep, c, channels, resume, d, []byte{})
	synctest.Wait()
	return c
}

func (c *client) Send(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		c.t.Error("Send after Finish")
	}
	c.got = append(c.got, p...)
}

func (c *client) Finish()            { c.mu.Lock(); c.finished = true; c.mu.Unlock() }
func (c *client) Abort()             { c.mu.Lock(); c.aborted = true; c.mu.Unlock() }
func (c *client) RemoteAddr() string { return "192.0.2.1:1" }

// ended says whether the node has said its last word, and whether it has cut the connection.
func (c *client) ended() (finished, aborted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finished, c.aborted
}

// send feeds a client's frame and waits until everyone has what follows from it.
func (c *client) send(op ws.Opcode, payload string) {
	c.Feed(masked(op, payload))
	synctest.Wait()
}

func masked(op ws.Opcode, payload string) []byte {
	return ws.AppendMaskedFrame(nil, op, [4]byte{9, 8, 7, 6}, []byte(payload))
}

// A frame is what a client was sent.
type frame struct {
	Op      ws.Opcode
	Payload string
}

// frames takes what was sent since the last call.
func (c *client) frames() (list []frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var p ws.Parser
	defer p.Release()
	rules := ws.Rules{Client: true, MaxMessage: 1 << 20, Deflate: c.deflates}
	for b := c.got; ; {
		m, rest, err := p.Next(&rules, b)
		if err != nil {
			c.t.Fatalf("the client cannot read what it was sent: %v", err)
		}
		if m.Opcode == 0 {
			break
		}
		list = append(list, frame{m.Opcode, string(m.Payload)})
		b = rest
	}
	c.got = nil
	return list
}

// farewell is a close frame with a code.
func farewell(code ws.CloseCode, text string) frame {
	return frame{ws.Close, string(ws.AppendClosePayload(nil, code, text))}
}

func (r *rig) closed(reason metrics.CloseReason) (n uint64) {
	for i := range r.set.Shards() {
		n += r.set.Cell(i).Closed[reason].Load()
	}
	return n
}

func (r *rig) drops(reason metrics.DropReason) uint64 { return r.set.Edge().Drops[reason].Load() }
