package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/coder/websocket"
)

// TestConformanceEchoes: under configs/conformance.yaml a client gets back what
// it sends, whatever its size and number of fragments; what a suite asks for.
func TestConformanceEchoes(t *testing.T) {
	n := example(t, "conformance.yaml")
	for _, test := range []struct{ size, fragment int }{
		{0, 1}, {125, 1}, {1 << 20, 64}, {16 << 20, 16 << 20}, {16 << 20 / scale, 64},
	} {
		t.Run(fmt.Sprintf("%d bytes in fragments of %d", test.size, test.fragment), func(t *testing.T) {
			ctx := within(t)
			c := n.mustDial(ctx, t, "")
			c.SetReadLimit(-1)
			payload := bytes.Repeat([]byte("x"), test.size)
			sent := make(chan error, 1)
			go func() { sent <- send(ctx, c, payload, test.fragment) }()
			_, got, err := c.Read(ctx)
			if err := errors.Join(<-sent, err); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, payload) {
				t.Errorf("%d bytes came back, or others than were sent", len(got))
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// send writes one text message in fragments.
func send(ctx context.Context, c *websocket.Conn, payload []byte, fragment int) error {
	w, err := c.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for len(payload) > 0 {
		n := min(fragment, len(payload))
		if _, err := w.Write(payload[:n]); err != nil {
			return err
		}
		payload = payload[n:]
	}
	return w.Close()
}
