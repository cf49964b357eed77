package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/gateway/session"
	"sluice/gateway/ws"
)

// slowMessage is a compressed message of 64 KiB that takes milliseconds to
// inflate and says nothing: thousands of blocks, each with codes of its own (RFC
// 1951 section 3.2.7) and nothing but its end in it.
func slowMessage() []byte {
	var payload []byte
	n := 0
	put := func(value uint, bits int) {
		for i := range bits {
			if n%8 == 0 {
				payload = append(payload, 0)
			}
			payload[n/8] |= byte(value>>i&1) << (n % 8)
			n++
		}
	}
	for len(payload) < 65_000 {
		put(2<<1, 3) // not the last block; dynamic codes
		put(0, 10)   // 257 codes for literals, 1 for distances
		put(14, 4)   // 18 lengths of the codes that encode these
		for _, length := range []uint{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1} {
			put(length, 3) // 18 (a run of zeros) and 1 have one bit each
		}
		put(1, 1)
		put(138-11, 7) // 138 zeros
		put(1, 1)
		put(118-11, 7) // 118 zeros
		put(0, 3)      // one bit for the end of the block, one for distance 0; the end
	}
	frame := binary.BigEndian.AppendUint16([]byte{0xC0 | byte(ws.Binary), 0xFE}, uint16(len(payload)))
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// slowRig has one poller, and clients may compress.
func slowRig(t *testing.T) *rig {
	r := newRig()
	r.options.Pollers, r.options.ReadBuffer = 1, 16<<10
	r.limits.Deflate = ws.Rules{MaxMessage: 64 << 10, Deflate: true}
	var dialects session.Dialects
	s := r.endpoint.Session
	s.Variants = dialects.Variants(session.Dialect{Compression: session.Compression{Level: 1, MinSize: 1 << 20}})
	s.Compress, s.EchoSelf = true, false
	r.hub.Codecs = dialects.Codecs(r.set.Edge())
	return r.start(t)
}

// deflating is dial for a client that compresses.
func (r *rig) deflating(t *testing.T) *client {
	c := r.connect(t)
	if _, err := c.Write(request("/", "Sec-WebSocket-Extensions: permessage-deflate")); err != nil {
		t.Fatal(err)
	}
	c.head(t)
	return c
}

// W6, L1: a client whose messages take long, and that sends as fast as it can,
// has its poller for some milliseconds in a row; then others have their turn.
func TestTurns(t *testing.T) {
	const many = 64
	r := slowRig(t)
	busy := r.deflating(t)
	poller := r.conns(t, 1)[0].nc
	// Room for several messages, so that there is always one at hand.
	if err := unix.SetsockoptInt(poller.Hash(), unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20); err != nil {
		t.Fatal(err)
	}
	observer, other := r.dial(t), r.dial(t)
	r.conns(t, 3)

	poller.Lock() // the poller waits for it, with what busy has sent at hand
	message := slowMessage()
	sent := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		for i := range many {
			if _, err := busy.Write(message); err != nil {
				sent <- err
				return
			}
			if i == 0 {
				close(began)
			}
		}
		sent <- nil
	}()
	<-began
	other.send(t, masked(ws.Text, "me, too"))
	poller.Unlock()

	before := 0
	for {
		_, payload, err := observer.frame()
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) > 0 {
			break
		}
		before++
	}
	if before > many/2 {
		t.Errorf("%d of %d slow messages came first", before, many)
	}
	_ = busy.Close() // the rest of it is of no interest
	<-sent
}

// A client that fills its socket with what takes long, and leaves, does not
// have its poller until all of it is read, either.
func TestLastTurn(t *testing.T) {
	const many = 256
	r := slowRig(t)
	c := r.deflating(t)
	nc := r.conns(t, 1)[0].nc
	if err := unix.SetsockoptInt(nc.Hash(), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
		t.Skip("a socket that holds seconds of work takes CAP_NET_ADMIN: ", err)
	}
	all := bytes.Repeat(slowMessage(), many)
	nc.Lock() // the poller waits for it
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(all)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	there := func() bool {
		n, err := unix.IoctlGetInt(nc.Hash(), unix.TIOCINQ)
		return err == nil && n > len(all)/2
	}
	eventually(t, "half of it", there)
	nc.Unlock()
	if err := <-sent; err != nil && !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
		t.Error(err)
	}
	eventually(t, "the end", func() bool { all, _ := r.Connections(); return all == 0 })
	if n := r.set.Edge().MessagesIn.Load(); n > many/2 {
		t.Errorf("%d of %d slow messages were inflated", n, many)
	}
}
