package attack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
)

// requests are the attacks on HTTP and on who is let in.
func requests() []Attack {
	return []Attack{
		{
			Name: "big-headers", About: "sends a header of 64 KiB",
			Wants: "431",
			attempt: func(a *assault, _ int) outcome {
				return a.asks("X-Bomb: " + strings.Repeat("a", 64<<10))
			},
		},
		{
			Name: "many-headers", About: "sends 5,000 headers",
			Wants: "431",
			attempt: func(a *assault, _ int) outcome {
				return a.asks("X: 1" + strings.Repeat("\r\nX: 1", 5000))
			},
		},
		{
			Name: "smuggling", About: "sends malformed and ambiguous requests with a second one behind each",
			Wants:   "4xx and cut; the second is never answered",
			attempt: func(a *assault, _ int) outcome { return a.smuggle() },
		},
		{
			Name: "origins", About: "connects as web pages of other sites do",
			Wants: "403",
			attempt: func(a *assault, _ int) outcome {
				origins := foreignOrigins(a.host)
				return a.asks("Origin: " + origins[rand.IntN(len(origins))])
			},
		},
		{
			Name: "bad-tokens", About: "guesses tokens, from 4 addresses",
			Wants: "401, then 503", Auth: true, Few: 1,
			attempt: func(a *assault, _ int) outcome {
				tokens := badTokens()
				return a.asks("Authorization: Bearer " + tokens[rand.IntN(len(tokens))])
			},
		},
		{
			Name: "connect-flood", About: "connects, upgrades and hangs up, from 4 addresses",
			Wants: "503 above the address's rate", Few: 2,
			attempt: func(a *assault, n int) outcome {
				return a.joined(n, func(*conn) outcome { return outcome{what: "let in"} })
			},
		},
		{
			Name: "hoard", About: "keeps every connection that it gets, from 4 addresses",
			Wants: "503 above the address's share", Few: 3, holds: true,
			attempt: func(a *assault, n int) outcome {
				return a.joined(n, func(c *conn) outcome { return c.fate() })
			},
		},
		{
			Name: "garbage", About: "sends random bytes, before and after the upgrade",
			Wants: "400, 1002 or cut",
			attempt: func(a *assault, n int) outcome {
				noise := make([]byte, 1+rand.IntN(4<<10))
				for i := range noise {
					noise[i] = byte(rand.Uint32())
				}
				send := func(c *conn) outcome { return c.flood(0, once(noise)) }
				if n%2 == 0 {
					noise[0] |= 0x70 // reserved bits: no frame begins like this
					return a.joined(n, send)
				}
				noise = slices.Concat(noise, []byte("\r\n\r\n"))
				return a.raw(send)
			},
		},
	}
}

// asks is a whole upgrade request with these headers, which must not open a connection.
func (a *assault) asks(headers ...string) outcome {
	return a.opened(func(c *conn) outcome {
		e := c.listen()
		// The server may answer, and end the connection, in the middle of it.
		if _, err := c.Write(a.request(a.target, headers...)); err == nil && a.ctx.Err() == nil {
			select {
			case <-e.done:
			case <-c.opened:
				return outcome{what: "let in", breach: true}
			}
		}
		return e.wait()
	})
}

// once is for conn.flood.
func once(b []byte) func() []byte {
	return func() []byte {
		now := b
		b = nil
		return now
	}
}

// smuggle sends one of the corpus, then a good request in the same write.
func (a *assault) smuggle() outcome {
	return a.opened(func(c *conn) outcome {
		corpus := smuggled(a.host, a.target)
		bad := corpus[rand.IntN(len(corpus))]
		if _, err := c.Write(append([]byte(bad), a.request(a.target)...)); err != nil {
			return c.ended(err)
		}
		all, err := io.ReadAll(io.LimitReader(c.in(), 64<<10))
		switch answers := bytes.Count(all, []byte("HTTP/1.1 ")); {
		case bytes.Contains(all, []byte("HTTP/1.1 101")):
			return outcome{what: "let in", breach: true}
		case answers > 1:
			return outcome{what: "answered twice", breach: true}
		case answers == 1 && len(all) >= 12:
			return outcome{what: "HTTP " + string(all[9:12])}
		}
		return c.ended(err)
	})
}

// smuggled are requests that a server and a proxy in front of it could read
// differently (RFC 9112 section 11.2), and others that are no upgrade.
func smuggled(host, target string) []string {
	upgrade := func(line string, headers ...string) string {
		return line + "\r\n" + strings.Join(append(headers,
			"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), "\r\n") + "\r\n\r\n"
	}
	get, h := "GET "+target+" HTTP/1.1", "Host: "+host
	return []string{
		upgrade(get, h, "Content-Length: 5"),
		upgrade(get, h, "Content-Length: 0", "Content-Length: 5"),
		upgrade(get, h, "Content-Length: +5"),
		upgrade(get, h, "Content-Length: -1"),
		upgrade(get, h, "Transfer-Encoding: chunked"),
		upgrade(get, h, "Transfer-Encoding: chunked", "Content-Length: 5"),
		upgrade(get, h, "Transfer-Encoding: identity"),
		upgrade(get, h, "Transfer-Encoding: xchunked"),
		upgrade(get, h, "Transfer-Encoding : chunked"),
		upgrade(get, h, "Transfer-Encoding:\tchunked"),
		upgrade(get, h, "X: 1\r\n Transfer-Encoding: chunked"),
		upgrade(get, h, "X: 1\n\nGET /second HTTP/1.1"),
		upgrade(get, h, "X: a\x00b"),
		upgrade(get, h, "X: a\rb"),
		upgrade(get, h, "X y: 1"),
		upgrade(get, h, ": 1"),
		upgrade(get, h, h),
		upgrade(get, h, "Host: other.example"),
		upgrade(get),
		upgrade(get, "Host : "+host),
		upgrade("GET http://other.example"+target+" HTTP/1.1", h),
		upgrade("GET  "+target+" HTTP/1.1", h),
		upgrade("GET "+target+" HTTP/1.0", h),
		upgrade("GET "+target+" HTTP/2.0", h),
		upgrade("GET "+target, h),
		upgrade("POST "+target+" HTTP/1.1", h),
		upgrade("get "+target+" HTTP/1.1", h),
		upgrade("CONNECT "+host+" HTTP/1.1", h),
		upgrade(get, h, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
		upgrade(get, h, "Sec-WebSocket-Protocol: a\r\n\tb"),
		strings.Replace(upgrade(get, h), "Version: 13", "Version: 8", 1),
		strings.Replace(upgrade(get, h), "Key: dGhl", "Key: dG", 1),
		strings.ReplaceAll(upgrade(get, h), "\r\n", "\n"),
	}
}

// foreignOrigins are those of pages from elsewhere, some of which look like the host's own.
func foreignOrigins(host string) []string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
	}
	return []string{
		"https://evil.example", "null",
		fmt.Sprintf("http://%s.evil.example:%s", name, port),
		fmt.Sprintf("http://evil%s:%s", name, port),
		fmt.Sprintf("http://%s:1", name),
		fmt.Sprintf("http://%s@evil.example", host),
		fmt.Sprintf("http://evil.example/%s", host),
		fmt.Sprintf("file://%s", host),
		fmt.Sprintf("http://%s.", host),
		fmt.Sprintf("http://%s http://evil.example", host),
	}
}

// badTokens are JWTs that nobody signed, or that say so.
func badTokens() []string {
	const (
		none  = "eyJhbGciOiJub25lIn0"                                                // {"alg":"none"}
		hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"                               // {"alg":"HS256","typ":"JWT"}
		admin = "eyJzdWIiOiJhZG1pbiIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNzAwMDAwMDAwfQ" // {"sub":"admin","exp":4102444800,"iat":1700000000}
	)
	guess := strings.Repeat("A", 43)
	return []string{none + "." + admin + ".", none + "." + admin + "." + guess, hs256 + "." + admin + "." + guess, hs256 + "." + admin + ".", "x", guess}
}
