package edge

import (
	"net/http"
	"strconv"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// page answers a plain GET or HEAD.
func (c *conn) page(ep *Endpoint, req *ws.Request) {
	if ep.Page == nil {
		c.answer(404, "text/plain; charset=utf-8", []byte("404: this path is a WebSocket\n"), "", metrics.HandshakeNotFound)
		return
	}
	body := ep.Page
	if req.Method == http.MethodHead {
		body = nil
	}
	c.edge().cell.Pages.Add(1)
	c.respond(200, ep.PageType, len(ep.Page), body, "")
}

// answer gives a response that is not a 101, and counts why.
func (c *conn) answer(status int, contentType string, body []byte, headers string, why metrics.HandshakeFailure) {
	if ev := c.edge().refused(why); ev != nil {
		ev.Int("status", status).Str("address", c.opening.outer.RemoteAddr()).Str("path", c.opening.path).
			Str("origin", c.opening.origin).Msg("handshake refused")
	}
	c.respond(status, contentType, len(body), body, headers)
}

// respond writes an HTTP response and ends the connection: what follows the
// first request is never looked at, so nothing can be smuggled behind it.
func (c *conn) respond(status int, contentType string, length int, body []byte, headers string) {
	out := make([]byte, 0, 256+len(headers)+len(body))
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	out = append(out, "\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\n"...)
	out = append(out, headers...)
	out = append(out, "Content-Type: "...)
	out = append(out, contentType...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(length), 10)
	out = append(out, "\r\n\r\n"...)
	out = append(out, body...)
	if !c.edge().leave(c, phaseDiscard) {
		return
	}
	outer := c.opening.outer
	c.opening = nil
	outer.Send(out)
	outer.Finish()
}
