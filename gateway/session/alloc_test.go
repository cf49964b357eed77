package session

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// sink is a socket that takes everything, and tells of it.
type sink struct {
	Session
	sent chan struct{}
}

func (s *sink) Send([]byte)        { s.sent <- struct{}{} }
func (s *sink) Finish()            {}
func (s *sink) Abort()             {}
func (s *sink) RemoteAddr() string { return "" }

// What Feed allocates: nothing for a message that goes nowhere, and the frame
// that is delivered (its struct and its bytes) for one that does.
func TestFeedAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	set := metrics.NewSet(1)
	var dialects Dialects
	dialects.Variants(Dialect{})
	h, err := hub.New(hub.Options{
		Shards: 1, Inbox: 100, BatchBytes: 4096, Slice: 10, Codecs: dialects.Codecs(set.Edge()), Metrics: set, Log: zerolog.Nop(),
		Settings: hub.Settings{WriteQueue: 1 << 20, OutboxFrames: 10, Namespace: func(string) hub.Namespace { return hub.Namespace{} }},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	limits := new(atomic.Pointer[Limits])
	limits.Store(&Limits{Rules: ws.Rules{MaxMessage: 1000}})
	for _, c := range []struct {
		name    string
		publish bool
		want    float64
	}{
		{"dropped", false, 0},
		{"published", true, 2},
	} {
		ep := &Endpoint{Hub: h, Cell: set.Edge(), Publish: c.publish, EchoSelf: true, Channels: []string{c.name}, Limits: limits}
		s := &sink{sent: make(chan struct{}, 1)}
		adm, err := ep.Admit("")
		if err != nil {
			t.Fatal(err)
		}
		s.Open(ep, s, adm, nil, ws.Deflate{}, []byte{})
		whole := masked(ws.Text, "a message of a usual length, that is to say some sixty bytes")
		b := make([]byte, len(whole))
		if got := testing.AllocsPerRun(1000, func() {
			copy(b, whole) // it is unmasked in place
			if s.Feed(b) {
				<-s.sent
			}
		}); got > c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
}

// A frame is the only thing that is allocated for it, compressed or not.
func TestEncodeAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var dialects Dialects
	dialects.Variants(Dialect{Compression: Compression{Level: 1, MinSize: 100}})
	noise := make([]byte, 300)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for i, codec := range dialects.Codecs(metrics.NewSet(1).Edge()) {
		if dialects.list[i].Positions {
			continue
		}
		for name, payload := range map[string][]byte{"short": noise[:50], "noise": noise, "text": bytes.Repeat([]byte("text "), 100)} {
			var frame []byte
			if n := testing.AllocsPerRun(100, func() { frame = codec.Encode(nil, "a", hub.Publication{Payload: payload}) }); n != 1 {
				t.Errorf("dialect %d, %s: %v allocations for %d bytes", i, name, n, len(frame))
			}
		}
	}
}
