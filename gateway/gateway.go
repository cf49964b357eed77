// Package gateway wires the parts of a Sluice node together and runs them. It
// is the only place that knows every part.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/api"
	"sluice/gateway/broker"
	"sluice/gateway/config"
	"sluice/gateway/drain"
	"sluice/gateway/edge"
	"sluice/gateway/fleet"
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// Options are what a Gateway needs beside its configuration.
type Options struct {
	Log     zerolog.Logger
	Version string
}

// Gateway is one node. Two of them may run in one process: there is no global state.
type Gateway struct {
	// Static after New.
	log        zerolog.Logger
	started    time.Time
	node       string         // its name in the fleet
	broker     *broker.Broker // the way to the other nodes; nil: it is alone
	fleet      *fleet.Fleet   // what it knows of them
	most       int            // connections that it may have
	metrics    *metrics.Set
	hub        *hub.Hub
	edge       *edge.Edge
	endpoints  []*edge.Endpoint // in the order of the configuration
	limits     atomic.Pointer[session.Limits]
	identities *identities // nil: auth is off
	authority  atomic.Pointer[session.Authority]
	api        *api.Server
	adminLn    net.Listener // nil: no admin listener

	guard *memoryGuard

	drainer *drain.Drainer

	connects atomic.Uint64 // a float64: new connections in the last second
	full     atomic.Bool   // the guard lets nobody in
	ready    atomic.Bool   // it listens
	wasReady atomic.Bool   // see sayReady
	draining atomic.Bool
	ending   atomic.Bool // it drains because the process is about to end
	stopOnce sync.Once
	stopping chan struct{} // closed by Stop
	stopErr  error

	// Guarded by mu.
	mu  sync.Mutex
	cfg *config.Config
}

// New builds a node and opens its listeners; nothing is accepted before Run.
// When it fails, everything it had opened is closed again.
func New(cfg *config.Config, o Options) (*Gateway, error) {
	g := &Gateway{log: component(o.Log, "gateway"), cfg: cfg, started: time.Now(), stopping: make(chan struct{})}
	procs := runtime.GOMAXPROCS(0)
	shards := or(cfg.Hub.Shards, min(procs, hub.MaxShards))
	g.metrics = metrics.NewSet(shards)
	g.limits.Store(sessionLimits(cfg))

	var err error
	g.identities, err = newIdentities(&cfg.Auth, g.metrics.Edge(), component(o.Log, "auth"))
	if err == nil {
		err = g.authorise(cfg)
	}
	if err != nil {
		return nil, err
	}
	dialects, err := dialects(cfg)
	if err != nil {
		return nil, err
	}
	g.node, g.most = nodeName(&cfg.Broker), g.maxConnections(cfg)
	g.drainer = drain.New(drained{g}, component(o.Log, "drain"))
	g.fleet = g.newFleet(o.Version, component(o.Log, "fleet"))
	if g.broker, err = g.newBroker(cfg, component(o.Log, "broker")); err != nil {
		return nil, err
	}
	g.hub, err = hub.New(hub.Options{
		Shards:     shards,
		Inbox:      cfg.Hub.Inbox,
		BatchBytes: int(cfg.Hub.BatchBytes),
		Slice:      cfg.Hub.Slice,
		Codecs:     dialects.Codecs(g.metrics.Edge()),
		Settings:   hubSettings(cfg),
		Broker:     hubBroker(g.broker),
		Metrics:    g.metrics,
		Log:        component(o.Log, "hub"),
	})
	if err != nil {
		return nil, err
	}

	var listeners []edge.Listener
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		el := edge.Listener{
			Address: l.Address, Hosts: l.Hosts, ReusePort: l.ReusePort, Backlog: l.Backlog, SendBuffer: int(l.SendBuffer), TLS: edgeTLS(&l.TLS),
			ProxyFrom: config.Prefixes(l.ProxyProtocol.From), TrustedProxies: config.Prefixes(l.TrustedProxies),
		}
		if l.ClientHeader == config.Forwarded {
			el.ClientHeader = edge.Forwarded
		}
		for j := range l.Endpoints {
			ep, err := g.endpoint(&l.Endpoints[j], dialects)
			if err != nil {
				g.hub.Stop()
				return nil, err
			}
			el.Endpoints = append(el.Endpoints, ep)
		}
		g.endpoints = append(g.endpoints, el.Endpoints...)
		listeners = append(listeners, el)
	}
	g.edge, err = edge.New(edge.Options{
		Listeners:      listeners,
		Pollers:        or(cfg.Engine.Pollers, procs),
		ReadBuffer:     int(cfg.Engine.ReadBuffer),
		MaxConnections: g.most,
		Settings:       edgeSettings(cfg),
		Metrics:        g.metrics.Edge(),
		Log:            component(o.Log, "edge"),
	})
	if err != nil {
		g.hub.Stop()
		return nil, err
	}

	if g.identities != nil {
		g.identities.refusals.OnFailure(g.edge.AuthFailed)
	}
	if cfg.Admin.Address != "" {
		g.adminLn, err = net.Listen("tcp", cfg.Admin.Address)
		if err != nil {
			g.hub.Stop()
			return nil, errors.Join(fmt.Errorf("gateway: admin listener on %s: %w", cfg.Admin.Address, err), g.edge.Stop(context.Background()))
		}
	}
	g.guard = g.newGuard(component(o.Log, "guard"))
	g.api = g.newAPI(o)
	return g, nil
}

// endpoint translates one endpoint of the configuration.
func (g *Gateway) endpoint(c *config.Endpoint, dialects *session.Dialects) (*edge.Endpoint, error) {
	gate, err := g.gate(c)
	if err != nil {
		return nil, err
	}
	ep := &edge.Endpoint{
		Path: c.Path,
		Session: &session.Endpoint{
			Hub:          g.hub,
			Cell:         g.metrics.Edge(),
			Variants:     dialects.Variants(dialect(c)),
			Compress:     c.Compression.Enabled,
			Subprotocols: c.Subprotocols,
			Publish:      c.Publish,
			EchoSelf:     c.EchoSelf,
			MustTake:     c.OnRefused == config.RefusedClose,
			Channels:     c.Channels,
			Allow:        c.AllowChannels,
			Stats:        c.Stats,
			Auth:         gate,
			Limits:       &g.limits,
		},
	}
	ep.Session.Forward = g.forward(c)
	ep.Page, ep.PageType = page(c)
	if c.Greeting != "" {
		ep.Greeting = ws.AppendFrame(nil, ws.Text, []byte(c.Greeting))
	}
	ep.Origins.Store(origins(c))
	return ep, nil
}

// origins are the pages that an endpoint lets in.
func origins(c *config.Endpoint) *edge.Origins {
	return &edge.Origins{Allow: c.Origins, Required: !c.AllowMissingOrigin}
}

// maxConnections is the configured bound, unless the open-files limit leaves
// room for fewer: admin listener, logs and brokers need descriptors, too.
func (g *Gateway) maxConnections(cfg *config.Config) int {
	most := maxConnections()
	n := or(cfg.Engine.MaxConnections, most)
	if n <= most {
		return n
	}
	g.log.Warn().Int("max_connections", n).Int("in_effect", most).Msg("the open-files limit leaves room for fewer connections")
	return most
}

// Run serves until ctx is done, then drains and stops. It returns nil when all
// connections had ended within drain.timeout.
func (g *Gateway) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	g.identities.fetchKeys(background, ctx, &wg)
	err := g.startBroker()
	if err == nil {
		err = g.edge.Start()
	}
	if err != nil {
		cancel()
		wg.Wait()
		return errors.Join(err, g.Stop())
	}
	wg.Go(func() { g.fleet.Run(background) })
	wg.Go(func() { g.measure(background) })
	wg.Go(func() { g.rebalance(background) })
	wg.Go(func() { g.releaseMemory(background) })
	wg.Go(func() { g.guard.run(background, func() config.Guard { return g.config().Guard }) })
	apiErr := make(chan error, 1)
	if g.adminLn != nil {
		wg.Go(func() { apiErr <- g.api.Serve(g.adminLn) })
	}
	g.ready.Store(true)
	listening := g.log.Info().Strs("listen", g.Addresses()).Str("admin", g.AdminAddress()).Str("node", g.node)
	if ready, why := g.readiness(); ready {
		g.wasReady.Store(true)
		listening.Msg("ready")
	} else {
		listening.Str("why", why).Msg("listening, and not ready yet")
	}

	select {
	case <-ctx.Done():
		err = g.drain()
	case <-g.stopping:
	case err = <-apiErr:
	}
	err = errors.Join(err, g.Stop())
	cancel()
	wg.Wait()
	return err
}

// stopTimeout bounds what Stop waits for.
const stopTimeout = 5 * time.Second

// Stop ends at once, without a drain. It is idempotent, and may be called while
// Run drains.
func (g *Gateway) Stop() error {
	g.stopOnce.Do(func() {
		close(g.stopping)
		g.ready.Store(false)
		g.drainer.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		g.stopErr = errors.Join(g.edge.Stop(ctx), g.api.Shutdown(ctx))
		if g.adminLn != nil {
			_ = g.adminLn.Close()
		}
		g.stopErr = errors.Join(g.stopErr, g.closeBroker(ctx))
		g.hub.Stop()
	})
	return g.stopErr
}

// Addresses are where clients connect, with the ports that were chosen for port 0.
func (g *Gateway) Addresses() []string { return g.edge.Addresses() }

// AdminAddress is where the admin listener listens, or "".
func (g *Gateway) AdminAddress() string {
	if g.adminLn == nil {
		return ""
	}
	return g.adminLn.Addr().String()
}

func (g *Gateway) config() *config.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cfg
}

// checkChannel is the rule for names that the server API is given.
func (g *Gateway) checkChannel(name string) error {
	return protocol.CheckChannel(name, g.limits.Load().ChannelNameBytes)
}

// or is n, or what stands for 0.
func or(n, automatic int) int {
	if n == 0 {
		return automatic
	}
	return n
}

func component(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("component", name).Logger()
}
