package edge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"sluice/gateway/metrics"
)

// The PROXY protocol: a header in front of the connection, before TLS and HTTP,
// in which a load balancer says whose connection it is. Where it is switched on
// it is required, from the load balancers that are named, and there is no
// guessing: a connection without a good header ends.

const (
	// proxyTimeout is from the accept to the end of the header.
	proxyTimeout = 2 * time.Second
	// maxProxyV1 is the longest header of version 1, by its specification.
	maxProxyV1 = 107
	// maxProxyV2 is the longest of version 2, with all that may be appended to it:
	// the specification allows 64 KiB, and a client certificate takes 2.
	maxProxyV2 = 4 << 10
)

var errProxy = errors.New("edge: not a PROXY protocol header")

// proxied takes bytes of the header and returns what follows it: nothing while
// it is not complete, or when it was no good.
func (c *conn) proxied(b []byte) []byte {
	op := c.opening
	if op.gathered != nil {
		op.gathered = append(op.gathered, b...)
		b = op.gathered
	}
	n, err := proxyHeader(b)
	if err != nil {
		c.fail(metrics.HandshakeProxy)
		return nil
	}
	if n == 0 {
		if op.gathered == nil {
			op.gathered = append([]byte(nil), b...)
		}
		return nil
	}
	client, err := proxyClient(b[:n])
	if err != nil {
		c.fail(metrics.HandshakeProxy)
		return nil
	}
	next := stageRequest
	if op.listener.secure != nil {
		next = stageTLS
	}
	if !op.stage.CompareAndSwap(stageProxy, next) {
		return nil // too late
	}
	op.gathered = nil
	if client.IsValid() {
		if why, ok := c.from(client); !ok {
			c.crowded(why)
			return nil
		}
	}
	return b[n:]
}

// fail ends a connection that never got as far as a request.
func (c *conn) fail(why metrics.HandshakeFailure) {
	c.opening.stage.Store(stageFailed)
	e := c.edge()
	if e.leave(c, phaseDiscard) {
		if ev := e.refused(why); ev != nil {
			ev.Str("address", c.opening.outer.RemoteAddr()).Msg("handshake ended")
		}
	}
	c.Abort()
}

// crowded refuses a client whose address is known by now, with an answer where it can read one.
func (c *conn) crowded(why metrics.HandshakeFailure) {
	if op := c.opening; op.listener.secure != nil && op.stage.Load() != stageRequest {
		c.fail(why)
		return
	}
	c.answer(503, "text/plain; charset=utf-8", []byte("503: too many connections from this address\n"), "Retry-After: 1\r\n", why)
}

// proxyHeader is the size of the header that b starts with; 0 when b ends before it does.
func proxyHeader(b []byte) (n int, err error) {
	v1, v2 := proxyproto.SIGV1, proxyproto.SIGV2
	switch {
	case bytes.HasPrefix(b, v1):
		line := b[:min(len(b), maxProxyV1)]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(line) == maxProxyV1 {
			return 0, errProxy
		}
		return 0, nil
	case bytes.HasPrefix(b, v2):
		const fixed = 16
		if len(b) < fixed {
			return 0, nil
		}
		n := fixed + int(b[14])<<8 + int(b[15])
		if n > maxProxyV2 {
			return 0, errProxy
		}
		if len(b) < n {
			return 0, nil
		}
		return n, nil
	case bytes.HasPrefix(v1, b), bytes.HasPrefix(v2, b):
		return 0, nil
	default:
		return 0, errProxy
	}
}

// proxyClient is the client that a whole header names; the zero AddrPort when
// the connection is the proxy's own, or has no Internet address.
func proxyClient(header []byte) (client netip.AddrPort, err error) {
	r := bufio.NewReader(bytes.NewReader(header))
	h, err := proxyproto.Read(r)
	if err != nil {
		return client, fmt.Errorf("%w: %w", errProxy, err)
	}
	if _, err := r.ReadByte(); err == nil {
		return client, errProxy // it is shorter than it says
	}
	if h.Command.IsLocal() {
		return client, nil
	}
	a, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok {
		return client, nil
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
}
