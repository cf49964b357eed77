package attack

import (
	"fmt"
	"time"

	"sluice/gateway/ws"
)

// drip is between two bytes, or lines, of those who drip: often enough that a
// server which starts its patience anew with each of them waits for ever.
const drip = 100 * time.Millisecond

// drips are the slow ones: each holds a connection, and gives it as little as it can.
func drips() []Attack {
	return []Attack{
		{
			Name: "silent", About: "opens connections and says nothing",
			Wants: "cut at the end of the handshake's deadline", holds: true,
			attempt: func(a *assault, _ int) outcome {
				return a.raw(func(c *conn) outcome { return c.fate() })
			},
		},
		{
			Name: "drip-request", About: "sends a request line byte by byte",
			Wants: "cut at the end of the handshake's deadline", holds: true,
			attempt: func(a *assault, _ int) outcome {
				return a.opened(func(c *conn) outcome { return c.flood(drip, byBytes(a.request(a.target))) })
			},
		},
		{
			Name: "drip-headers", About: "sends a request whose headers never end, line by line",
			Wants: "cut at the end of the handshake's deadline, or 431", holds: true,
			attempt: func(a *assault, _ int) outcome {
				return a.opened(func(c *conn) outcome {
					n := 0
					return c.flood(drip, func() []byte {
						if n++; n == 1 {
							return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", a.target, a.host)
						}
						return fmt.Appendf(nil, "X-%d: 1\r\n", n)
					})
				})
			},
		},
		{
			Name: "drip-frame", About: "begins a large message and sends it byte by byte",
			Wants: "1008 at the end of the message's deadline", holds: true,
			attempt: func(a *assault, n int) outcome {
				return a.joined(n, func(c *conn) outcome {
					return c.flood(drip, byBytes(masked(ws.Text, make([]byte, 32<<10))))
				})
			},
		},
		{
			Name: "drip-tls", About: "sends a TLS ClientHello byte by byte",
			Wants: "cut at the end of the handshake's deadline", TLS: true, holds: true,
			attempt: func(a *assault, _ int) outcome {
				return a.raw(func(c *conn) outcome { return c.flood(drip, byBytes(hello(a.host, nil))) })
			},
		},
		{
			Name: "stall-tls", About: "sends a ClientHello, and never answers what comes back",
			Wants: "cut at the end of the handshake's deadline", TLS: true, holds: true,
			attempt: func(a *assault, _ int) outcome {
				return a.raw(func(c *conn) outcome {
					if _, err := c.Write(hello(a.host, nil)); err != nil {
						return c.ended(err)
					}
					return c.drained()
				})
			},
		},
		{
			Name: "half-closers", About: "says goodbye, or half of it, and keeps the socket",
			Wants: "1000 and cut; nobody stays", holds: false,
			attempt: func(a *assault, n int) outcome {
				return a.joined(n, func(c *conn) outcome {
					var err error
					if n%2 == 0 {
						_, err = c.Write(masked(ws.Close, ws.AppendClosePayload(nil, 1000, "")))
					} else {
						err = c.tcp.CloseWrite()
					}
					if err != nil {
						return c.ended(err)
					}
					o := c.fate()
					if n%2 == 0 && o.what == "close 1000" {
						// The socket stays until the server has ended it as well.
						c.drained()
						if a.ctx.Err() != nil {
							return outcome{what: held}
						}
					}
					return o
				})
			},
		},
	}
}

// raw is an attempt with a TCP connection, also where the URL says TLS.
func (a *assault) raw(do func(c *conn) outcome) outcome {
	c, err := a.dial()
	if err != nil {
		return a.failed(err)
	}
	defer c.drop()
	return do(c)
}

// opened is an attempt with a connection on which nothing was said yet.
func (a *assault) opened(do func(c *conn) outcome) outcome {
	c, err := a.connect()
	if err != nil {
		return a.failed(err)
	}
	defer c.drop()
	return do(c)
}

// joined is an attempt with a WebSocket that is in a channel of its own.
func (a *assault) joined(n int, do func(c *conn) outcome, headers ...string) outcome {
	c, o := a.upgrade(a.channel(fmt.Sprint(n)), headers...)
	if c == nil {
		return o
	}
	defer c.drop()
	return do(c)
}

// drained reads whatever comes until the end of it.
func (c *conn) drained() outcome {
	for {
		if _, err := c.in().Discard(1); err != nil {
			return c.ended(err)
		}
	}
}

// byBytes is for conn.flood: b, a byte at a time.
func byBytes(b []byte) func() []byte {
	return func() []byte {
		if len(b) == 0 {
			return nil
		}
		one := b[:1]
		b = b[1:]
		return one
	}
}
