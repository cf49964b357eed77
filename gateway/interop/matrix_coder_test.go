//go:build interop

package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// coder is a connection of coder/websocket.
type coder struct {
	conn   *websocket.Conn
	agreed string
	seen   *goEvents
}

func dialCoder(ctx context.Context, r *run, url string) (goPeer, error) {
	p := &coder{seen: newGoEvents()}
	options := &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.files.pool}}},
		OnPingReceived: func(context.Context, []byte) bool { p.seen.pings.Add(1); return true },
	}
	if r.cell.deflate {
		options.CompressionMode = websocket.CompressionContextTakeover
	}
	conn, answer, err := websocket.Dial(ctx, url, options)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	p.conn, p.agreed = conn, answer.Header.Get("Sec-WebSocket-Extensions")
	go p.read(ctx)
	return p, nil
}

func (p *coder) read(ctx context.Context) {
	defer close(p.seen.messages)
	for {
		kind, payload, err := p.conn.Read(ctx)
		if err != nil {
			var c websocket.CloseError
			if errors.As(err, &c) {
				p.seen.code, p.seen.reason = int(c.Code), c.Reason
			}
			p.seen.err = err
			return
		}
		p.seen.messages <- goMessage{kind == websocket.MessageBinary, payload}
	}
}

func (p *coder) extensions() string { return p.agreed }
func (p *coder) events() *goEvents  { return p.seen }

func (p *coder) send(ctx context.Context, m goMessage) error {
	kind := websocket.MessageText
	if m.binary {
		kind = websocket.MessageBinary
	}
	return p.conn.Write(ctx, kind, m.payload)
}

func (p *coder) fragments(ctx context.Context, parts []string) error {
	w, err := p.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write([]byte(part)); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping sends a payload of the library's own.
func (p *coder) ping(ctx context.Context, _ string) error { return p.conn.Ping(ctx) }

// close returns when the node has answered with the same code, which either the
// reader sees or Close itself.
func (p *coder) close(code int, reason string) error {
	if err := p.conn.Close(websocket.StatusCode(code), reason); err != nil {
		return err
	}
	if m, ok := <-p.seen.messages; ok {
		return fmt.Errorf("got %.40q where the close was due", m.payload)
	}
	p.seen.code = code
	return nil
}
