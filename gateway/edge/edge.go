// Package edge is where connections come in: it owns the listeners, nbio's
// event loop and the HTTP upgrade, and turns sockets into sessions. It is the
// only package that knows nbio, and it uses only its Engine and Conn.
//
// What nbio v1.6.12 needs to be handled with care is written where it is
// handled; each rule has a test in nbio_test.go.
package edge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lesismal/nbio"
	"github.com/lesismal/nbio/logging"
	"github.com/rs/zerolog"

	"sluice/gateway/internal/deadline"
	"sluice/gateway/internal/pool"
	"sluice/gateway/internal/sampled"
	"sluice/gateway/metrics"
	"sluice/gateway/session"
)

// Options configure an Edge.
type Options struct {
	Listeners []Listener
	// Pollers is the number of goroutines that wait in epoll.
	Pollers int
	// ReadBuffer is the size in bytes of each poller's buffer.
	ReadBuffer int
	// MaxConnections refuses connections above it.
	MaxConnections int
	Settings       Settings
	Metrics        *metrics.Cell
	Log            zerolog.Logger
}

// Settings are what can be changed while the edge runs.
type Settings struct {
	// HandshakeTimeout is from the accept to the complete upgrade request.
	HandshakeTimeout time.Duration
	// HeaderBytes bounds the upgrade request.
	HeaderBytes int
	// Address bounds what one client address may do.
	Address AddressLimits
}

// Listener is one address and what is served there.
type Listener struct {
	Address   string
	ReusePort bool
	Backlog   int
	// SendBuffer is what the kernel takes for a client that does not read, in
	// bytes; 0: as much as it likes.
	SendBuffer int
	Endpoints  []*Endpoint
	// TLS is spoken on the listener; nil for plain connections.
	TLS *TLS
	// ProxyFrom are the proxies that begin each connection with a PROXY protocol
	// header; nobody else may connect then. Empty: no such header.
	ProxyFrom []netip.Prefix
	// Hosts are those that clients may ask for, see hostAllowed; none: any.
	Hosts []string
	// TrustedProxies may say in a header of the request who the client is.
	TrustedProxies []netip.Prefix
	// ClientHeader is the header in which they do.
	ClientHeader ClientHeader
}

// Endpoint is what clients find at one path.
type Endpoint struct {
	// Static.
	Path     string
	Session  *session.Endpoint
	Greeting []byte // an encoded frame, sent with the 101; nil for none
	Page     []byte // answers a plain GET; nil for 404
	PageType string // its Content-Type

	// Origins may be replaced while the edge runs.
	Origins atomic.Pointer[Origins]
}

// Edge accepts connections and runs the event loop.
type Edge struct {
	// Static after New.
	options   Options
	layout    layout
	cell      *metrics.Cell
	log       zerolog.Logger
	refusals  *sampled.Log // by HandshakeFailure
	engine    *nbio.Engine
	listeners []*listener
	turns     []turns // by poller, and each one's own

	settings    atomic.Pointer[Settings]
	connections atomic.Int64 // accepted and not yet closed
	handshaking atomic.Int64 // of them, not open yet
	draining    atomic.Bool
	fenced      atomic.Bool
	full        atomic.Bool // SetFull
	start       time.Time

	timeouts  handshakeTimeouts
	addresses addresses
	stop      chan struct{}
	wg        sync.WaitGroup // acceptors, the clock, the watcher of certificates

	// For listeners with TLS. Static after Start.
	loop      bool // the self-test says that pollers can decrypt
	buffers   buffers
	plain     [][]byte // each poller's buffer of plaintext
	mailboxes []*mailbox
	computing chan struct{}  // a place for each handshake that computes
	tlsWork   sync.WaitGroup // handshakes

	// Guarded by lifecycle, which Start and Stop hold.
	lifecycle sync.Mutex
	started   bool
	stopped   bool
}

// handshakeTimeouts are the ends of handshakes under way, in order.
type handshakeTimeouts struct {
	// Guarded by mu, and so are the listeners' own queues.
	mu    sync.Mutex
	queue deadline.Queue[*attempt]
}

// handshakeGrain is how exact handshake timeouts are.
const handshakeGrain = 100 * time.Millisecond

// New opens the listeners. Nothing is accepted before Start.
func New(o Options) (*Edge, error) {
	logging.SetLogger(quiet{}) // nbio's own messages tell nothing that our metrics and logs do not
	fields, err := layoutOf()
	if err != nil {
		return nil, err
	}
	e := &Edge{options: o, layout: fields, cell: o.Metrics, log: o.Log, start: time.Now(), stop: make(chan struct{})}
	e.refusals = sampled.New(o.Log, int(metrics.NumHandshakeFailures))
	e.settings.Store(&o.Settings)
	if slices.ContainsFunc(o.Listeners, func(l Listener) bool { return l.TLS != nil }) {
		e.prepareTLS()
		e.computing = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	for i := range o.Listeners {
		l, err := listen(context.Background(), e, &o.Listeners[i])
		if err != nil {
			e.closeListeners()
			return nil, err
		}
		e.listeners = append(e.listeners, l)
	}
	// One Engine with several pollers, level-triggered, reading in OnRead. Every
	// other mode of v1.6.12 spins, drops bytes or spends a goroutine.
	e.engine = nbio.NewEngine(nbio.Config{
		Name:           "sluice",
		Network:        "tcp",
		NPoller:        o.Pollers,
		ReadBufferSize: o.ReadBuffer,
		EpollMod:       nbio.EPOLLLT,
		BodyAllocator:  pool.Allocator{},
	})
	e.turns = make([]turns, o.Pollers)
	for i := range e.turns {
		e.turns[i].pollers = o.Pollers
	}
	e.engine.OnOpen(e.onOpen)
	e.engine.OnRead(e.onRead)
	e.engine.OnClose(e.onClose)
	e.engine.OnWrittenSize(func(nc *nbio.Conn, _ []byte, n int) {
		if c := connOf(nc); c != nil {
			c.written(n)
		}
	})
	return e, nil
}

// Start starts the event loop and the acceptors. It is called once; after Stop
// it returns ErrStopped.
func (e *Edge) Start() error {
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if e.stopped {
		return ErrStopped
	}
	if err := e.engine.Start(); err != nil {
		e.closeListeners()
		return fmt.Errorf("edge: start the event loop: %w", err)
	}
	e.started = true
	if e.plain != nil {
		if err := e.openMailboxes(); err != nil {
			return err // Stop closes what is open
		}
		e.wg.Go(e.watch)
	}
	e.wg.Add(len(e.listeners) + 1)
	for _, l := range e.listeners {
		go l.accept()
	}
	go e.clock()
	return nil
}

// Configure replaces the settings.
func (e *Edge) Configure(s Settings) { e.settings.Store(&s) }

// SetFull makes the edge refuse new connections, or let them in again: the
// node's memory guard calls it.
func (e *Edge) SetFull(full bool) { e.full.Store(full) }

// Fence refuses upgrades with a 503 from now on, or lets clients in again. Open
// connections are not touched.
func (e *Edge) Fence(on bool) { e.fenced.Store(on) }

// Drain refuses new connections and upgrades from now on, for good. Open
// connections are not touched.
func (e *Edge) Drain() {
	e.draining.Store(true)
	e.Fence(true)
	e.closeListeners()
}

// Stop closes what is still open and waits for the edge's goroutines. It is
// idempotent; while one call is under way, others wait for it.
func (e *Edge) Stop(ctx context.Context) error {
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if e.stopped {
		return nil
	}
	e.stopped = true
	e.Drain()
	close(e.stop)
	e.wg.Wait()
	if !e.started {
		return nil
	}
	err := shutdown(ctx, e.engine)
	if err == nil {
		e.tlsWork.Wait() // the end of their connections has ended them
		e.closeMailboxes()
	}
	return err
}

// Addresses are where the listeners listen.
func (e *Edge) Addresses() []string {
	var list []string
	for _, l := range e.listeners {
		list = append(list, l.address.String())
	}
	return list
}

// Connections is how many sockets clients hold, and how many of them are not (yet) WebSockets.
func (e *Edge) Connections() (all, handshaking int) {
	return int(e.connections.Load()), int(e.handshaking.Load())
}

func (e *Edge) closeListeners() {
	for _, l := range e.listeners {
		_ = l.socket.Close()
	}
}

// refused counts a connection that never becomes a WebSocket. The line in the
// log, one of few, is to be finished with Msg.
func (e *Edge) refused(why metrics.HandshakeFailure) *zerolog.Event {
	e.cell.HandshakeFailures[why].Add(1)
	ev := e.refusals.Event(zerolog.DebugLevel, int(why))
	if ev != nil {
		ev.Str("reason", why.String())
	}
	return ev
}

// now is the edge's clock in milliseconds.
func (e *Edge) now() int64 { return time.Since(e.start).Milliseconds() }

// clock ends handshakes that take too long.
func (e *Edge) clock() {
	defer e.wg.Done()
	t := time.NewTicker(handshakeGrain)
	defer t.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-t.C:
			e.expire()
			e.Forget()
		}
	}
}

func (e *Edge) expire() {
	now := e.now()
	for _, l := range e.listeners {
		e.expireQueue(&l.proxyTimeouts, now, func(c *conn, a *attempt) {
			if a.stage.CompareAndSwap(stageProxy, stageFailed) {
				e.expel(c, metrics.HandshakeProxy)
			}
		})
		e.expireQueue(&l.tlsTimeouts, now, func(c *conn, a *attempt) {
			if a.stage.CompareAndSwap(stageTLS, stageFailed) {
				e.cell.TLSErrors[metrics.TLSTimeout].Add(1)
				e.expel(c, metrics.HandshakeTLS)
			}
		})
	}
	e.expireQueue(&e.timeouts.queue, now, func(c *conn, a *attempt) {
		if a.stage.CompareAndSwap(stageTLS, stageFailed) {
			e.cell.TLSErrors[metrics.TLSTimeout].Add(1)
		}
		e.expel(c, metrics.HandshakeTimeout)
	})
}

// expireQueue calls f for all whose time is up.
func (e *Edge) expireQueue(q *deadline.Queue[*attempt], now int64, f func(*conn, *attempt)) {
	for {
		e.timeouts.mu.Lock()
		a, ok := q.Expired(now)
		e.timeouts.mu.Unlock()
		if !ok {
			return
		}
		if c := a.conn.Load(); c != nil {
			f(c, a)
		}
	}
}

// expel ends a handshake whose time is up, and cuts what is left of one that failed.
func (e *Edge) expel(c *conn, why metrics.HandshakeFailure) {
	if e.leave(c, phaseDiscard) {
		if ev := e.refused(why); ev != nil {
			ev.Str("address", c.RemoteAddr()).Msg("handshake ended")
		}
	}
	if c.phase.Load() == phaseDiscard {
		c.Abort()
	}
}

// Errors of New and Start.
var (
	// ErrAddress: a listener's address could not be bound.
	ErrAddress = errors.New("edge: cannot listen")
	// ErrStopped: Stop was called before.
	ErrStopped = errors.New("edge: stopped")
)

// quiet is nbio's logger.
type quiet struct{}

func (quiet) SetLevel(int)         {}
func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
