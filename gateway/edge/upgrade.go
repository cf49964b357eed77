package edge

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/internal/sampled"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// opening is what a connection needs until it is a WebSocket.
type opening struct {
	// Static.
	*attempt
	listener *listener
	outer    hub.Conn // what answers are sent through: the conn itself, or what is around it

	// Owned by the poller.
	gathered []byte // the request so far, when it did not come in one piece

	path, origin string // what was asked for, fit for a log; empty unless refusals are logged
}

// attempt is what the deadlines of a handshake hold, until they are over, however
// soon the handshake was: 16 bytes, while the rest of it is let go.
type attempt struct {
	// conn is nil once it is a WebSocket, so that one which ends then is not kept,
	// with what it had read.
	conn atomic.Pointer[conn]
	// stage is what the connection waits for. Whoever moves it on has ended that part.
	stage atomic.Uint32
}

// Stages of a handshake.
const (
	stageRequest uint32 = iota // the upgrade request
	stageProxy                 // the PROXY protocol's header
	stageTLS                   // the TLS handshake
	stageFailed                // nothing any more
)

// edge is where the connection came in, during the handshake.
func (c *conn) edge() *Edge { return c.opening.listener.edge }

// handshake takes bytes of the upgrade request. Most requests lie whole in b;
// the others are gathered, up to the limit on their size.
func (c *conn) handshake(b []byte) (published bool) {
	op := c.opening
	if op.stage.Load() == stageProxy {
		if b = c.proxied(b); len(b) == 0 {
			return false
		}
	}
	if op.gathered != nil {
		op.gathered = append(op.gathered, b...)
		b = op.gathered
	}
	limits := ws.HandshakeLimits{HeaderBytes: c.edge().settings.Load().HeaderBytes}
	req, n, err := ws.ParseRequest(&limits, b)
	if err != nil {
		c.reject(err)
		return false
	}
	if n == 0 {
		if op.gathered == nil {
			op.gathered = append([]byte(nil), b...)
		}
		return false
	}
	if !c.identify(&req) {
		return false
	}
	if c.edge().refusals.On(zerolog.DebugLevel) {
		op.path, op.origin = sampled.Text(req.Path), sampled.Text(req.Origin)
	}
	ep := op.listener.route(req.Path)
	switch {
	case !hostAllowed(req.Host, op.listener.hosts): // RFC 9110 section 15.5.20
		c.answer(421, "text/plain; charset=utf-8", []byte("421: this node does not serve the host that was asked for (see the listener's hosts)\n"), "", metrics.HandshakeHost)
	case ep == nil:
		c.answer(404, "text/plain; charset=utf-8", []byte("404: there is nothing at this path\n"), "", metrics.HandshakeNotFound)
	case !req.Upgrade:
		c.page(ep, &req)
	default:
		return c.upgrade(ep, &req, b[n:])
	}
	return false
}

// route finds the endpoint of a path.
func (l *listener) route(path string) *Endpoint {
	for _, ep := range l.endpoints {
		if ep.Path == path {
			return ep
		}
	}
	return nil
}

// upgrade makes the connection a WebSocket. rest is what came behind the
// request: frames, once the 101 is on its way.
func (c *conn) upgrade(ep *Endpoint, req *ws.Request, rest []byte) (published bool) {
	if c.edge().fenced.Load() {
		c.answer(503, "text/plain; charset=utf-8", []byte("503: this node takes no more clients: it is being drained\n"), "Retry-After: 1\r\n", metrics.HandshakeDraining)
		return false
	}
	if !ep.Origins.Load().allow(req.Origin, req.Host) {
		c.answer(403, "text/plain; charset=utf-8", []byte("403: this origin may not connect (see the endpoint's origins)\n"), "", metrics.HandshakeOrigin)
		return false
	}
	resume, err := protocol.RawResume(req.RawQuery)
	if err != nil {
		c.answer(400, "text/plain; charset=utf-8", []byte("400: "+strings.TrimPrefix(err.Error(), "protocol: ")+"\n"), "", metrics.HandshakeBadRequest)
		return false
	}
	adm, subprotocol, err := ep.Session.Enter(req, c.opening.outer)
	if err != nil {
		c.turnAway(ep, err)
		return false
	}
	e := c.edge()
	if !e.leave(c, phaseOpen) {
		return false // timed out or lost meanwhile
	}
	c.opening.conn.Store(nil)
	outer := c.opening.outer
	c.opening = nil
	e.cell.Handshakes.Add(1)
	var deflate ws.Deflate
	if ep.Session.Compress {
		deflate = req.Deflate()
	}
	first := ws.AppendUpgradeResponse(make([]byte, 0, 256+len(ep.Greeting)), req, subprotocol, deflate)
	c.Open(ep.Session, outer, adm, resume, deflate, adm.Greet(first, ep.Greeting)) // from here on only the shard sends
	if len(rest) > 0 {
		return c.Feed(rest)
	}
	return false
}

// turnAway answers an upgrade that the session refuses.
func (c *conn) turnAway(ep *Endpoint, err error) {
	status, text, headers, why := 403, strings.TrimPrefix(err.Error(), "session: "), "", metrics.HandshakeChannel
	switch {
	case errors.Is(err, session.ErrSubscriptions):
		status = 400
	case errors.Is(err, session.ErrForbidden):
		why = metrics.HandshakeForbidden
	case errors.Is(err, session.ErrUnauthorized):
		// RFC 9110 section 11.6.1 wants a challenge; what was wrong is not told.
		status, text, headers = 401, ep.Session.Auth.WhatIsNeeded(), "WWW-Authenticate: Bearer realm=\"sluice\"\r\n"
		why = metrics.HandshakeUnauthorized
	}
	c.answer(status, "text/plain; charset=utf-8", []byte(strconv.Itoa(status)+": "+text+"\n"), headers, why)
}

// reject answers a request that is not one.
func (c *conn) reject(err error) {
	var re *ws.RequestError
	if !errors.As(err, &re) {
		re = &ws.RequestError{Status: 400, Reason: err.Error()}
	}
	why := metrics.HandshakeBadRequest
	if re.Status == 431 || re.Status == 414 {
		why = metrics.HandshakeTooLarge
	}
	c.answer(re.Status, "text/plain; charset=utf-8", []byte(strconv.Itoa(re.Status)+": "+re.Reason+"\n"), re.Header, why)
}
