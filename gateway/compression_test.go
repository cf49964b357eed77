package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/config"
	"sluice/gateway/ws"
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
	cfg := compressing()
	cfg.Limits.HandshakeTimeout = config.Duration(patience) // a thousand at once, on a busy machine
	n := start(t, cfg)
	bomb := bombFrame(1 << 20)
	if len(bomb) > 1100 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	conns := make([]net.Conn, 1000)
	for i := range conns {
		conns[i] = agree(t, n.Addresses()[0])
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(conns))
	for _, c := range conns {
		wg.Go(func() { errs <- throwBomb(c, bomb) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "all are gone", func() bool { return n.hub.Stats().Connections == 0 })
}

// bombFrame is a client's frame with n zeros, compressed.
func bombFrame(n int) []byte {
	b, _ := ws.NewDeflater(9, 0, false).AppendFrame(nil, ws.Binary, make([]byte, n))
	const header = 4 // of 126 to 65535 bytes
	f := ws.AppendMaskedFrame(nil, ws.Binary, [4]byte{1, 2, 3, 4}, b[header:])
	f[0] = b[0]
	return f
}

// agree connects a client with permessage-deflate.
func agree(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+address+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil) // nothing comes behind it
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Extensions") == "" {
		t.Fatalf("%s, %v", resp.Status, resp.Header)
	}
	return c
}

// throwBomb sends it and reads the close frame that it is answered with.
func throwBomb(c net.Conn, bomb []byte) error {
	if _, err := c.Write(bomb); err != nil {
		return err
	}
	var header [4]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return err
	}
	if code := ws.CloseCode(binary.BigEndian.Uint16(header[2:])); header[0] != 0x88 || code != ws.MessageTooBig {
		return fmt.Errorf("the bomb was answered with % x", header)
	}
	return nil
}
