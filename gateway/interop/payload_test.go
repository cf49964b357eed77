package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

// TestPayloads: each size at which the frame format changes arrives as it was
// sent, text as text and binary as binary, from a client and from the server
// API (RFC 6455 section 5.2).
func TestPayloads(t *testing.T) {
	ctx := within(t)
	n := start(t, config.Default())
	publisher := n.mustDial(ctx, t, "?channel=sizes")
	readers := []*websocket.Conn{publisher, n.mustDial(ctx, t, "?channel=sizes"), n.mustDial(ctx, t, "?channel=other&channel=sizes")}
	n.eventually(ctx, t, "sizes", len(readers))

	sources := map[string]func(*testing.T, websocket.MessageType, []byte){
		"client": func(t *testing.T, kind websocket.MessageType, payload []byte) {
			if err := publisher.Write(ctx, kind, payload); err != nil {
				t.Fatal(err)
			}
		},
		"api": func(t *testing.T, kind websocket.MessageType, payload []byte) {
			body := map[string]any{"text": string(payload)}
			if kind == websocket.MessageBinary {
				body = map[string]any{"b64data": base64.StdEncoding.EncodeToString(payload)}
			}
			if got := n.publish(ctx, t, "sizes", body); got != len(readers) {
				t.Errorf("published to %d subscribers, want %d", got, len(readers))
			}
		},
	}
	for source, publish := range sources {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
				t.Run(fmt.Sprintf("%s/%v/%d", source, kind, size), func(t *testing.T) {
					payload := filler(kind, size)
					publish(t, kind, payload)
					for i, reader := range readers {
						if err := expect(ctx, reader, kind, payload); err != nil {
							t.Errorf("reader %d: %v", i, err)
						}
					}
				})
			}
		}
	}
}

// TestPayloadAboveTheLimit: one byte more than limits.message_size ends the
// connection with 1009 and reaches nobody (W3); a raised limit lets it pass.
func TestPayloadAboveTheLimit(t *testing.T) {
	ctx := within(t)
	payload := filler(websocket.MessageText, 65537)

	n := start(t, config.Default())
	publisher, reader := n.mustDial(ctx, t, ""), n.mustDial(ctx, t, "")
	if err := publisher.Write(ctx, websocket.MessageText, payload); err != nil {
		t.Fatal(err)
	}
	_, _, err := publisher.Read(ctx)
	if got := websocket.CloseStatus(err); got != websocket.StatusMessageTooBig {
		t.Errorf("the publisher saw %v, want close code 1009", err)
	}
	n.publish(ctx, t, "lobby", map[string]any{"text": "next"})
	if err := expect(ctx, reader, websocket.MessageText, []byte("next")); err != nil {
		t.Error(err)
	}

	cfg := config.Default()
	cfg.Limits.MessageSize = 1 << 20
	raised := start(t, cfg)
	conn := raised.mustDial(ctx, t, "")
	for _, size := range []int{65537, 1 << 20} {
		payload := filler(websocket.MessageBinary, size)
		if err := conn.Write(ctx, websocket.MessageBinary, payload); err != nil {
			t.Fatal(err)
		}
		if err := expect(ctx, conn, websocket.MessageBinary, payload); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// filler is a payload of size bytes that says where each byte belongs: every
// byte value for binary, letters for text.
func filler(kind websocket.MessageType, size int) []byte {
	payload := make([]byte, size)
	for i := range payload {
		if kind == websocket.MessageBinary {
			payload[i] = byte(i*7 + i>>8)
		} else {
			payload[i] = byte('a' + (i+i/26)%26)
		}
	}
	return payload
}

// expect reads one message and compares it.
func expect(ctx context.Context, conn *websocket.Conn, kind websocket.MessageType, payload []byte) error {
	gotKind, got, err := conn.Read(ctx)
	switch {
	case err != nil:
		return err
	case gotKind != kind:
		return fmt.Errorf("got a %v message, want %v", gotKind, kind)
	case !bytes.Equal(got, payload):
		return fmt.Errorf("got %d bytes %.40q, want %d bytes %.40q", len(got), got, len(payload), payload)
	}
	return nil
}
