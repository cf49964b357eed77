// Package api is the admin listener: the server API, with which an
// application's backend publishes, disconnects and looks around, and what an
// operator's tools ask for (health, readiness, metrics, profiles).
//
// It never shares a port with clients. Every path but /healthz and /readyz
// needs the X-API-Key header when a key is set. openapi.yaml, served at
// /api/openapi.yaml, is the contract; a test holds the server to it.
package api

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// Hub is what the server API needs of the hub. Any goroutine calls it.
type Hub interface {
	// Publish does not keep p.Payload, and calls p.Done unless it returns an error; see hub.Publication.
	Publish(channels []string, p hub.Publication) (subscribers int, err error)
	// Channels lists at most limit channels, and says how many match.
	Channels(prefix string, limit int) (list []hub.ChannelInfo, total int)
	Connections(limit int) []hub.ConnectionInfo
	Stats() hub.Stats
}

// Options are a Server's surroundings. Every field without a stated zero value
// is required. The functions are called by any goroutine.
type Options struct {
	Hub Hub
	// Disconnect closes a connection with a close code and a reason of at most
	// 123 bytes of UTF-8; not closed: there is no such connection. Empty node: this
	// one. hub.ErrDown: another one cannot be asked.
	Disconnect func(node string, id hub.ID, code uint16, reason string) (closed bool, err error)
	// DisconnectUser closes all connections of a user likewise, on all nodes.
	// hub.ErrDown: this one alone could be asked.
	DisconnectUser func(user string, code uint16, reason string) (Cut, error)
	// Revoke closes the connections whose tokens fall under r, on all nodes, and has
	// those tokens refused from then on.
	Revoke func(r Revocation) (Cut, error)
	// Presence lists at most limit subscribers of a channel, on all nodes, with or
	// without their Meta. ErrNoPresence: the channel's namespace does not show them.
	// hub.ErrDown: the other nodes cannot be asked.
	Presence func(ctx context.Context, channel string, limit int, meta bool) (Presence, error)
	// Nodes are those of the fleet, this one included. unheard: the others cannot be heard now,
	// and those of the list may be gone. Nil: it is alone, and /api/info shows none.
	Nodes func() (list []Node, unheard bool)
	// History returns at most limit publications of a channel after a position, and
	// for the zero one the newest. Those beyond the first that come to more than so many
	// bytes it may leave out. ErrNoHistory: the channel keeps none; hub.ErrDown,
	// hub.ErrBusy: it cannot be had now.
	History func(ctx context.Context, channel string, since hub.Position, limit, bytes int) (hub.Past, error)
	// CheckChannel says what is wrong with a channel name, in words for the
	// caller; nil when nothing is.
	CheckChannel func(name string) error
	// MessageSize is the largest payload of a publication, in bytes. It may
	// change while the server runs.
	MessageSize func() int
	// Ready says whether the node should get new clients, and if not, why.
	Ready func() (ready bool, why string)
	// Draining says whether the node lets go of its clients. Nil: it does not.
	Draining func() bool
	Drainer  Drainer

	// Metrics is shown at /metrics.
	Metrics prometheus.Gatherer
	// Cell counts handlers that panicked.
	Cell *metrics.Cell
	// Log gets lifecycle and panics; its zero value writes nothing.
	Log zerolog.Logger

	// APIKey is what X-API-Key must be; "" asks for none, which is for a
	// listener on the loopback interface: callers must then name it by an
	// address or as localhost.
	APIKey string
	// Pprof serves /debug/pprof/.
	Pprof bool

	// Shown at /api/info.
	Version string
	Node    string
	Started time.Time
	// MaxConnections is how many this node may have.
	MaxConnections int
}

func (o *Options) validate() error {
	var missing []error
	need := func(name string, set bool) {
		if !set {
			missing = append(missing, errors.New(name))
		}
	}
	need("Hub", o.Hub != nil)
	need("Disconnect", o.Disconnect != nil)
	need("DisconnectUser", o.DisconnectUser != nil)
	need("Revoke", o.Revoke != nil)
	need("History", o.History != nil)
	need("Presence", o.Presence != nil)
	need("CheckChannel", o.CheckChannel != nil)
	need("MessageSize", o.MessageSize != nil)
	need("Ready", o.Ready != nil)
	need("Drainer", o.Drainer != nil)
	need("Metrics", o.Metrics != nil)
	need("Cell", o.Cell != nil)
	if missing != nil {
		return fmt.Errorf("api: required options are missing: %w", errors.Join(missing...))
	}
	return nil
}

// Timeouts and sizes of the admin listener. The write timeout begins with the
// request, like the read timeout: it is longer, so that a body that did not
// arrive in time is answered. A profile's duration comes on top of it.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// A Server is the admin listener. Any goroutine may call its methods.
type Server struct {
	// Static after construction.
	options Options
	log     zerolog.Logger
	http    *http.Server
	routes  []route
	guard   guard
	bodies  *bodies

	histories chan struct{} // a token for each that is being read
}

// New returns a server that does not listen yet. It panics when a required
// option is missing, which is a mistake in the program, not in its input.
func New(o Options) *Server {
	if err := o.validate(); err != nil {
		panic(err)
	}
	s := &Server{
		options: o,
		log:     o.Log.With().Str("component", "api").Logger(),
		guard:   newGuard(o.APIKey),
		bodies:  newBodies(),

		histories: make(chan struct{}, maxHistories),
	}
	s.routes = s.table()
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(debugLog{s.log}, "", 0),
	}
	return s
}

// Serve answers on l until Shutdown, and closes l. It returns nil after
// Shutdown, also when Shutdown came first. Several listeners may be served.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("api: serve: %w", err)
}

// Shutdown stops accepting and waits until the calls under way are answered.
// When ctx ends first, it cuts them and returns ctx's error. It may be called
// again.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("api: shutdown: %w", errors.Join(err, s.http.Close()))
	}
	return nil
}

// debugLog takes the lines that net/http writes about broken connections: they
// concern one caller, so they are of no interest to an operator.
type debugLog struct{ log zerolog.Logger }

func (d debugLog) Write(p []byte) (int, error) {
	d.log.Debug().Bytes("err", p[:min(len(p), 256)]).Msg("http connection failed")
	return len(p), nil
}
