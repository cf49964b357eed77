package natsbroker

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sluice/gateway/broker"
)

// listener is a receiver that counts.
type listener struct {
	up chan struct{}

	mu   sync.Mutex
	got  map[string]int
	came chan struct{}
}

func (l *listener) Up()      { l.up <- struct{}{} }
func (*listener) Down(error) {}
func (l *listener) Message(channel string, _ []byte, _ broker.Position, _ uint64) {
	l.mu.Lock()
	l.got[channel]++
	l.mu.Unlock()
	l.came <- struct{}{}
}
func (*listener) Missing(string) {}
func (*listener) Missed(string)  {}
func (*listener) Lost(string)    {}
func (*listener) Control([]byte) {}

// B1: a hundred thousand channels are subscribed to and left again on one link, without a
// goroutine for any.
func TestManyChannels(t *testing.T) {
	const many, batch = 100_000, 1000
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ln := &listener{up: make(chan struct{}, 1), got: map[string]int{}, came: make(chan struct{}, 16)}
	l, err := New(Options{Node: "a", Prefix: "sluice", QueueBytes: 1 << 20, Embedded: &Embedded{MaxPayload: 1 << 20, StoreDir: t.TempDir()}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(ln); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	<-ln.up
	var names []string
	for i := range many {
		names = append(names, fmt.Sprintf("room.%d", i))
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	begin := time.Now()
	for b := range slices.Chunk(names, batch) {
		if err := l.Subscribe(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begin)
	t.Logf("%d channels in %v, %d bytes of heap each with the server's part", many, took.Round(time.Millisecond), (heap()-before)/many)
	if n := runtime.NumGoroutine() - goroutines; n > 10 {
		t.Errorf("%d goroutines more", n)
	}
	other := publisherTo(t, l)
	other("room.99999")
	<-ln.came
	for b := range slices.Chunk(names, batch) {
		if err := l.Unsubscribe(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Subscribe(ctx, []string{"last"}); err != nil { // behind all that
		t.Fatal(err)
	}
	other("room.99999")
	other("last")
	<-ln.came
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.got["room.99999"] != 1 || ln.got["last"] != 1 {
		t.Errorf("got %v", ln.got)
	}
	c, err := l.live()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.nc.NumSubscriptions(); n > 10 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// publisherTo publishes at the link's own server, from another connection.
func publisherTo(t *testing.T, l *Link) func(channel string) {
	nc, err := nats.Connect("", nats.InProcessServer(l.embedded.server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return func(channel string) {
		if err := nc.Publish(l.subject("c", channel), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
