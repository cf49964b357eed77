package gateway

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"sluice/gateway/config"
)

// compressing is a configuration with compression on.
func compressing() *config.Config {
	cfg := testConfig()
	cfg.Listeners[0].Endpoints[0].Compression = config.Compression{Enabled: true, Level: 1, MinSize: 64}
	return cfg
}

// W6: clients with and without permessage-deflate share a channel, in every
// mode of the client, and each gets what the other sent.
func TestCompression(t *testing.T) {
	ctx := within(t)
	n := start(t, compressing())
	modes := []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover}
	var clients []*websocket.Conn
	for _, mode := range modes {
		c, resp, err := websocket.Dial(ctx, public("ws", n.Addresses()[0])+"/?channel=a", &websocket.DialOptions{
			CompressionMode: mode, CompressionThreshold: 1, HTTPClient: web,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(1 << 20)
		if agreed := resp.Header.Get("Sec-WebSocket-Extensions") != ""; agreed != (mode != websocket.CompressionDisabled) {
			t.Errorf("mode %v: %q was agreed on", mode, resp.Header.Get("Sec-WebSocket-Extensions"))
		}
		clients = append(clients, c)
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for i, message := range [][]byte{{}, []byte("short"), []byte(strings.Repeat("long ", 5000)), noise} {
		for _, from := range clients {
			kind := websocket.MessageBinary
			if i < 3 {
				kind = websocket.MessageText
			}
			if err := from.Write(ctx, kind, message); err != nil {
				t.Fatal(err)
			}
			for j, to := range clients {
				gotKind, got, err := to.Read(ctx)
				if err != nil || gotKind != kind || !bytes.Equal(got, message) {
					t.Fatalf("client %d, message %d: %v, %d bytes, %v", j, i, gotKind, len(got), err)
				}
			}
		}
	}
	cell := n.metrics.Edge()
	if frames, from, to := cell.Compressed.Load(), cell.CompressedFrom.Load(), cell.CompressedTo.Load(); frames != 3 || from != 3*25000 || to > from/50 {
		t.Errorf("%d frames were compressed, from %d to %d bytes; want 3, as each is for all", frames, from, to)
	}
}

// W6: off by default, and nothing is agreed to then.
func TestCompressionIsOff(t *testing.T) {
	ctx := within(t)
	n := start(t, testConfig())
	c, resp, err := websocket.Dial(ctx, public("ws", n.Addresses()[0])+"/", &websocket.DialOptions{
		CompressionMode: websocket.CompressionContextTakeover, HTTPClient: web,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("%q", got)
	}
}

// W6: a thousand bombs at once are refused with 1009, and cost the node no memory that stays.
func TestDecompressionBombs(t *testing.T) {
	ctx := within(t)
	cfg := compressing()
	cfg.Limits.HandshakeTimeout = config.Duration(patience) // the clients deflate on the same cores
	n := start(t, cfg)
	bomb := make([]byte, 1<<20)
	var wg sync.WaitGroup
	errs := make(chan error, 1000)
	for range cap(errs) {
		wg.Go(func() { errs <- throwBomb(ctx, n.Addresses()[0], bomb) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are gone", func() bool { return n.hub.Stats().Connections == 0 })
}

func throwBomb(ctx context.Context, address string, bomb []byte) error {
	c, _, err := websocket.Dial(ctx, public("ws", address)+"/", &websocket.DialOptions{
		CompressionMode: websocket.CompressionNoContextTakeover, HTTPClient: web,
	})
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	if err := c.Write(ctx, websocket.MessageBinary, bomb); err != nil {
		return err
	}
	if _, _, err = c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		return fmt.Errorf("the bomb was answered with %w", err)
	}
	return nil
}
