//go:build interop

package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// gorilla is a connection of gorilla/websocket.
type gorilla struct {
	conn   *websocket.Conn
	agreed string
	seen   *goEvents
	pongs  chan string
}

func dialGorilla(ctx context.Context, r *run, url string) (goPeer, error) {
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: r.files.pool}, EnableCompression: r.cell.deflate}
	conn, answer, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	p := &gorilla{conn: conn, agreed: answer.Header.Get("Sec-WebSocket-Extensions"), seen: newGoEvents(), pongs: make(chan string, 1)}
	pong := conn.PingHandler()
	conn.SetPingHandler(func(payload string) error { p.seen.pings.Add(1); return pong(payload) })
	conn.SetPongHandler(func(payload string) error { p.pongs <- payload; return nil })
	// gorilla knows no contexts.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		defer stop()
		p.read()
	}()
	return p, nil
}

func (p *gorilla) read() {
	defer close(p.seen.messages)
	defer p.conn.Close()
	for {
		kind, payload, err := p.conn.ReadMessage()
		if err != nil {
			var c *websocket.CloseError
			if errors.As(err, &c) {
				p.seen.code, p.seen.reason = c.Code, c.Text
			}
			p.seen.err = err
			return
		}
		p.seen.messages <- goMessage{kind == websocket.BinaryMessage, payload}
	}
}

func (p *gorilla) extensions() string { return p.agreed }
func (p *gorilla) events() *goEvents  { return p.seen }

func (p *gorilla) send(_ context.Context, m goMessage) error {
	kind := websocket.TextMessage
	if m.binary {
		kind = websocket.BinaryMessage
	}
	return p.conn.WriteMessage(kind, m.payload)
}

func (p *gorilla) fragments(context.Context, []string) error {
	return errors.New("it cuts messages by the size of its buffer")
}

func (p *gorilla) ping(ctx context.Context, payload string) error {
	if err := p.conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(patience)); err != nil {
		return err
	}
	select {
	case got := <-p.pongs:
		if got != payload {
			return errors.New("the pong has " + got)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *gorilla) close(code int, reason string) error {
	return p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(patience))
}
