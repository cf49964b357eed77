package edge

import (
	"bytes"
	"os"
	"testing"
	"time"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// W5: for a peer that sends pings and reads nothing one pong waits, and the rest of
// one that its socket had no room for; the newest takes the place of the one
// before. The others are served meanwhile.
func TestPingFlood(t *testing.T) {
	r := newRig().start(t)
	other, c := r.dial(t), r.dialNarrow(t)
	r.conns(t, 2)
	pings := bytes.Repeat(masked(ws.Ping, "0123456789012345678901234567890123456789012345678901234567890"), 1000)
	var most int64
	for range 200 { // 13 MB of pings
		c.send(t, pings)
		st := r.h.Stats()
		most = max(most, st.QueuedBytes)
	}
	total := uint64(200*len(pings) + 2*len(request("/")))
	eventually(t, "all to be read", func() bool {
		most = max(most, r.h.Stats().QueuedBytes)
		return r.set.Edge().BytesIn.Load() == total
	})
	if limit := int64(2 * (2 + 61)); most > limit {
		t.Errorf("%d bytes of pongs waited, more than two of them", most)
	}
	other.send(t, masked(ws.Text, "still here"))
	other.expect(t, ws.Text, "still here")
}

// A client that opens and drops connections as fast as it can costs what it
// has open, not more, and the count is right in the end.
func TestConnectFlood(t *testing.T) {
	r := newRig()
	r.options.Settings.HandshakeTimeout = 500 * time.Millisecond
	r.start(t)
	var open []*client
	for i := range 400 {
		c := r.connect(t)
		switch i % 4 {
		case 0:
			c.reset()
		case 1:
			_, _ = c.Write(request("/")[:30])
			open = append(open, c)
		case 2:
			_, _ = c.Write(request("/nowhere"))
			open = append(open, c)
		case 3:
			open = append(open, c)
		}
	}
	eventually(t, "all to be cut", func() bool { all, handshaking := r.Connections(); return all == 0 && handshaking == 0 })
	for _, c := range open {
		c.rest(t)
	}
	lost, late := r.failures(metrics.HandshakeLost), r.failures(metrics.HandshakeTimeout)
	if notFound := r.failures(metrics.HandshakeNotFound); lost != 100 || late != 200 || notFound != 100 {
		t.Errorf("%d were lost, %d late, %d asked for nothing that is there; want 100, 200 and 100", lost, late, notFound)
	}
}

// W8: clients that say goodbye, and those that are told so, and then neither leave
// nor read, are cut after the close timeout, and their descriptors are free.
func TestHalfOpenClosers(t *testing.T) {
	const n = 100
	r := newRig()
	r.hub.Settings.CloseTimeout = time.Second
	r.start(t)
	r.dial(t)
	before := descriptors(t)
	var clients []*client
	for i := range n {
		c := r.dial(t)
		if i%2 == 0 {
			c.send(t, closing(ws.NormalClosure))
		} else {
			c.send(t, []byte{0x81, 0x01, 'x'}) // not masked
		}
		clients = append(clients, c)
	}
	eventually(t, "all to be cut", func() bool { all, _ := r.Connections(); return all == 1 })
	eventually(t, "their descriptors to be free", func() bool { return descriptors(t) <= before+n }) // the clients' own
	for i, c := range clients {
		code := ws.NormalClosure
		if i%2 == 1 {
			code = ws.ProtocolError
		}
		c.expectClose(t, code)
	}
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestFloodAfterClose holds L1 and W10: a client that was told to go, and does not
// stop sending, is not read until the close timeout ends: what it sent up to then
// was another flood. One that was in the middle of something still reads why.
func TestFloodAfterClose(t *testing.T) {
	r := newRig()
	r.hub.Settings.CloseTimeout = time.Hour
	r.start(t)
	wrong := []byte{0x81, 0x01, 'x'} // not masked
	more := masked(ws.Text, string(make([]byte, 32<<10)))

	polite := r.dial(t)
	polite.send(t, append(wrong, bytes.Repeat(more, 8)...)) // 256 KiB
	if op, payload, err := polite.frame(); err != nil || op != ws.Close || len(payload) < 2 || payload[0] != 1002>>8 || payload[1] != 1002&0xFF {
		t.Fatalf("got %v %q, %v, want close 1002", op, payload, err)
	}
	_ = polite.Close()
	eventually(t, "the polite one to have left", func() bool { all, _ := r.Connections(); return all == 0 })

	deaf := r.dialNarrow(t)
	deaf.send(t, wrong)
	for {
		if _, err := deaf.Write(more); isTimeout(err) {
			t.Fatal("the flood is neither read nor cut")
		} else if err != nil {
			break
		}
	}
	eventually(t, "the deaf one to be cut", func() bool { all, _ := r.Connections(); return all == 0 })
	eventually(t, "both to be counted as closed for the protocol", func() bool { return r.closed(metrics.CloseProtocol) == 2 }) // the hub hears later
	if read := r.set.Edge().BytesIn.Load(); read > 4<<20 {
		t.Errorf("%d bytes were read of somebody who had been told to go", read)
	}
}
