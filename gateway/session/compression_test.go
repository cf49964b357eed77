package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// compresses gives the rig's endpoint compression, and clients messages of at most 5000 bytes.
func compresses(r *rig) {
	r.ep.Variants, r.ep.Compress = r.compressing, true
	r.limit(func(l *Limits) {
		l.Rules.MaxMessage = 5000
		l.Deflate = l.Rules
		l.Deflate.Deflate = true
	})
}

// deflated is a client's frame with the message, compressed.
func deflated(op ws.Opcode, payload string) []byte {
	b, _ := ws.NewDeflater(6, 0, false).AppendFrame(nil, op, []byte(payload))
	start := 2
	if b[1] == 126 {
		start = 4
	}
	f := masked(op, string(b[start:]))
	f[0] |= 0x40 // RSV1
	return f
}

// W6: an endpoint's clients may compress if that was agreed on with them, and not else.
func TestCompressionIsAgreedOn(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		compresses(r)
		text := strings.Repeat("all of them get this ", 100)
		with, narrow, without := r.joinWith(t, "", ws.Deflate{Bits: 15}), r.joinWith(t, "", ws.Deflate{Bits: 9}), r.join(t, "")
		for _, c := range []*client{with, narrow} {
			c.Feed(deflated(ws.Text, text))
			synctest.Wait()
			for _, to := range []*client{with, narrow, without} {
				if to != without && len(to.got) > len(text)/5 {
					t.Errorf("%d bytes came", len(to.got))
				}
				to.check(frame{ws.Text, text})
			}
		}
		if n := r.set.Edge().Compressed.Load(); n != 4 { // two messages, two windows
			t.Errorf("%d frames were compressed", n)
		}
		without.Feed(deflated(ws.Text, text))
		synctest.Wait()
		without.check(farewell(ws.ProtocolError, "a reserved bit is set"))
		with.check()
	})
}

// L1, W6: what a compressed message comes to counts for bytes_per_second, and
// one of the largest size is always within it.
func TestL1ByteRateInflated(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		compresses(r)
		r.limit(func(l *Limits) { l.BytesPerSecond = 100 })
		largest := strings.Repeat("x", 5000)
		c := r.joinWith(t, "", ws.Deflate{Bits: 15})
		c.Feed(deflated(ws.Text, largest))
		synctest.Wait()
		c.check(frame{ws.Text, largest})
		c.Feed(deflated(ws.Text, largest)) // some 30 bytes
		synctest.Wait()
		c.check(farewell(ws.PolicyViolation, "too many bytes"))
		c.Detach()
		synctest.Wait()
		if n := r.closed(metrics.CloseByteRate); n != 1 {
			t.Errorf("%d were closed for it", n)
		}
	})
}

// W6, A10: before a client has said who it is, its message is inflated to 4 KiB and no further.
func TestW6BombBeforeTheToken(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		compresses(r)
		guarded(t, r, FromFirstMessage)
		open := func() *client {
			adm, err := r.ep.wait("")
			if err != nil {
				t.Fatal(err)
			}
			c := &client{t: t, deflates: true}
			c.Open(r.ep, c, adm, nil, ws.Deflate{Bits: 15}, []byte{})
			synctest.Wait()
			return c
		}
		bomb := open()
		bomb.Feed(deflated(ws.Text, strings.Repeat("\x00", maxEarly+1)))
		synctest.Wait()
		bomb.check(farewell(ws.MessageTooBig, "the message is too big"))

		good := open()
		good.Feed(deflated(ws.Text, authText(tokenFor(t, "alice", time.Hour, "lobby"))))
		good.Feed(deflated(ws.Text, strings.Repeat("y", maxEarly+1))) // now it may
		synctest.Wait()
		good.check(frame{ws.Text, strings.Repeat("y", maxEarly+1)})
	})
}

// What is replayed goes out as it is, so that those who come back at once, each
// from another position, do not have it compressed for each.
func TestReplayIsPlain(t *testing.T) {
	kept := func(string) hub.Namespace {
		return hub.Namespace{History: &hub.History{Class: "all", Size: 10, TTL: time.Hour}}
	}
	inBubble(t, hub.Settings{Namespace: kept}, nil, func(t *testing.T, r *rig) {
		compresses(r)
		text := strings.Repeat("what was missed ", 100)
		first := r.joinWith(t, "", ws.Deflate{Bits: 15})
		for range 3 {
			first.send(ws.Text, text)
		}
		first.check(frame{ws.Text, text}, frame{ws.Text, text}, frame{ws.Text, text})
		past, _ := r.hub.History("lobby", hub.Position{}, 1)
		since := protocol.Position{Epoch: past.Top.Epoch, Offset: past.Top.Offset - 2}
		c := r.joinWith(t, "since="+since.String(), ws.Deflate{Bits: 15})
		if len(c.got) < 2*len(text) {
			t.Errorf("%d bytes came", len(c.got))
		}
		c.check(frame{ws.Text, text}, frame{ws.Text, text})
		if n := r.set.Edge().Compressed.Load(); n != 3 {
			t.Errorf("%d frames were compressed, want those that were live", n)
		}
	})
}
