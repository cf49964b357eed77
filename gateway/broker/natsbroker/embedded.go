package natsbroker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// embedded is the server inside this process.
type embedded struct {
	server *server.Server
	size   int    // servers that the cluster has, as it was configured
	temp   string // its directory; "" where it has one of its own
	log    serverLog

	user, password string        // of those who connect, where nobody else may
	healed         chan struct{} // a token: a server that had been gone is back
	caught         atomic.Bool   // see catchUp
	near           atomic.Int64  // other servers that this one had routes to at the last look
	quit           chan struct{}
	done           sync.WaitGroup
}

// clusterUser is who servers of a fleet are to each other.
const clusterUser = "sluice"

// noSecret is what servers without a secret have. A server that asked for nothing would take one that has
// a secret, which takes none of the others: a node in half a fleet.
const noSecret = "none"

// readyTimeout is how long a server may take to listen.
const readyTimeout = 10 * time.Second

// routeReports: one attempt in so many to reach a node that is down is logged; there is one a second.
const routeReports = 60

// startServer starts it, without waiting for the other nodes.
func startServer(o *Options) (*embedded, error) {
	c := o.Embedded
	e := &embedded{size: 1, healed: make(chan struct{}, 1), quit: make(chan struct{})}
	s := &server.Options{
		ServerName: o.Node,
		DontListen: c.ClientListen == "" && c.ClusterListen == "",
		NoSigs:     true,
		NoLog:      true,
		JetStream:  true,
		StoreDir:   c.StoreDir,
		MaxPayload: int32(c.MaxPayload),

		ConnectErrorReports: routeReports, ReconnectErrorReports: routeReports,
	}
	if o.User != "" {
		hash, err := hashed(o.Password)
		if err != nil {
			return nil, err
		}
		s.Username, s.Password = o.User, hash
	}
	var err error
	switch {
	case c.ClientListen != "":
		if s.Host, s.Port, err = hostPort(c.ClientListen); err != nil {
			return nil, err
		}
	case c.ClusterListen != "": // a server without a port for clients has none for routes, either
		s.Host, s.Port = "127.0.0.1", server.RANDOM_PORT
		e.user, e.password = "sluice", rand.Text()
		s.Username = e.user
		if s.Password, err = hashed(e.password); err != nil {
			return nil, err
		}
	}
	if c.ClusterListen != "" {
		if err := e.cluster(s, c); err != nil {
			return nil, err
		}
	}
	if c.StoreDir == "" { // JetStream keeps there what it knows of the cluster
		if e.temp, err = os.MkdirTemp("", "sluice-nats-"); err != nil {
			return nil, fmt.Errorf("natsbroker: %w", err)
		}
		s.StoreDir = e.temp
	}
	if e.server, err = server.NewServer(s); err != nil {
		e.remove()
		return nil, fmt.Errorf("natsbroker: embedded server: %w", err)
	}
	e.log.log = o.Log.With().Str("server", "nats").Logger()
	e.server.SetLoggerV2(&e.log, false, false, false)
	e.server.Start()
	if err := e.ready(); err != nil {
		e.server.Shutdown()
		e.remove()
		return nil, err
	}
	if e.size == 1 {
		e.caught.Store(true)
	}
	if c.ClusterListen != "" {
		e.done.Go(e.watch)
	}
	return e, nil
}

// ready waits until the server listens.
func (e *embedded) ready() error {
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); {
		if e.server.ReadyForConnections(readyTimeout / 100) {
			return nil
		}
		if why := e.log.fatal.Load(); why != nil {
			return fmt.Errorf("natsbroker: the server inside the node does not start: %s", *why)
		}
	}
	return fmt.Errorf("natsbroker: the server inside the node did not start within %v", readyTimeout)
}

// cluster fills in how the servers find each other.
func (e *embedded) cluster(s *server.Options, c *Embedded) (err error) {
	l := &s.Cluster
	l.Name, l.Advertise = c.ClusterName, c.Advertise
	if l.Host, l.Port, err = hostPort(c.ClusterListen); err != nil {
		return err
	}
	secret := c.Secret
	if secret == "" {
		secret = noSecret
	}
	l.Username = clusterUser
	if l.Password, err = hashed(secret); err != nil {
		return err
	}
	if c.TLS != nil {
		l.TLSConfig = c.TLS.Clone()
		l.TLSConfig.ClientCAs = c.TLS.RootCAs
		l.TLSConfig.ClientAuth = tls.RequireAndVerifyClientCert
		l.TLSTimeout = dialTimeout.Seconds()
	}
	own := map[string]bool{c.ClusterListen: true, c.Advertise: true}
	for _, r := range c.Routes {
		if own[r] {
			continue // it would be counted, and JetStream wait for one more server
		}
		s.Routes = append(s.Routes, &url.URL{Scheme: "nats-route", Host: r, User: url.UserPassword(clusterUser, secret)})
		e.size++
	}
	return nil
}

// stop ends the server.
func (e *embedded) stop() {
	close(e.quit)
	e.done.Wait()
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.remove()
}

func (e *embedded) remove() {
	if e.temp != "" {
		_ = os.RemoveAll(e.temp)
	}
}

// watchPeriod is between two looks at who the other servers are.
const watchPeriod = 250 * time.Millisecond

// watch notices when there is a new connection to a server instead of one that
// has ended: then messages may have been lost between the two, and neither's
// clients have seen anything of it.
func (e *embedded) watch() {
	t := time.NewTicker(watchPeriod)
	defer t.Stop()
	w, started := routes{ended: map[string]int{}}, time.Now()
	var alone time.Time // since when, or when it was said last
	for {
		select {
		case <-e.quit:
			return
		case <-t.C:
		}
		now, err := e.connections()
		if err != nil {
			continue
		}
		e.near.Store(int64(len(servers(now))))
		e.catchUp(len(now) == 0, time.Since(started))
		alone = e.sayAlone(len(now) == 0, alone)
		if !w.look(now) {
			continue
		}
		select {
		case e.healed <- struct{}{}:
		default:
		}
	}
}

// Pauses before it is said that a node is alone, and said again.
const (
	alonePause = 5 * time.Second
	aloneAgain = time.Minute
)

// sayAlone logs that no other server is connected. It may be so for a good reason.
func (e *embedded) sayAlone(alone bool, since time.Time) time.Time {
	now := time.Now()
	switch {
	case !alone || e.size == 1:
		return time.Time{}
	case since.IsZero():
		return now.Add(alonePause - aloneAgain)
	case now.Sub(since) < aloneAgain:
		return since
	}
	e.log.log.Warn().Int("routes", e.size-1).Msg("no other node of broker.cluster.routes is connected: this one is alone, and its clients hear nobody else's")
	return now
}

// catchUpTimeout bounds how long a node is not ready after its start since its
// histories are older than those of the others.
const catchUpTimeout = 2 * time.Minute

// catchUp notes once that the server has the histories that it keeps for the
// cluster: without, a node that is restarted next may take the last whole copy with it.
// A server that finds no others has nobody to catch up with.
func (e *embedded) catchUp(alone bool, since time.Duration) {
	if e.caught.Load() {
		return
	}
	health := e.server.Healthz(nil)
	switch {
	case health.StatusCode == http.StatusOK, alone && since > joinTimeout:
	case since > catchUpTimeout:
		e.log.log.Warn().Str("health", health.Error).Msg("histories have not caught up with the other nodes'; the node is ready without")
	default:
		return
	}
	e.caught.Store(true)
}

// joinTimeout is how long a node of a fleet waits for another one before it
// serves clients: the first one waits in vain.
const joinTimeout = 3 * time.Second

// join waits for a route to another server, if there are to be any.
func (e *embedded) join(ctx context.Context) {
	if e.size == 1 {
		return
	}
	t := time.NewTicker(joinTimeout / 100)
	defer t.Stop()
	for end := time.Now().Add(joinTimeout); time.Now().Before(end); {
		if others, err := e.others(); err == nil && len(others) > 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// others are the servers that this one has routes to.
func (e *embedded) others() (map[string]bool, error) {
	connections, err := e.connections()
	if err != nil {
		return nil, err
	}
	return servers(connections), nil
}

// servers are those at the other ends of connections.
func servers(connections map[uint64]string) map[string]bool {
	ids := make(map[string]bool, len(connections))
	for _, id := range connections {
		ids[id] = true
	}
	return ids
}

// refused is why no other server takes this one, though some are there; nil: they do, or there are none.
func (e *embedded) refused() error {
	why := e.log.rejection()
	if why == nil {
		return nil
	}
	if others, err := e.others(); err == nil && len(others) == 0 {
		return why
	}
	return nil
}

// connections are those to other servers, with each one's ID. There are several
// to each server, and one alone carries the channels.
func (e *embedded) connections() (map[uint64]string, error) {
	z, err := e.server.Routez(nil)
	if err != nil {
		return nil, err
	}
	all := make(map[uint64]string, len(z.Routes))
	for _, r := range z.Routes {
		all[r.Rid] = r.RemoteID
	}
	return all, nil
}

// interest is how many are subscribed to a subject: each client of this server, and
// each other server that has some.
func (e *embedded) interest(subject string) int { return e.server.GlobalAccount().Interest(subject) }

// hashed is how the server wants to have a password: it warns of others at each start.
func hashed(password string) (string, error) {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return "", fmt.Errorf("natsbroker: password: %w", err) // longer than 72 bytes
	}
	return string(h), nil
}

func hostPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("natsbroker: %w", err)
	}
	if port, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("natsbroker: %s: %w", address, errors.New("the port is not a number"))
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}
