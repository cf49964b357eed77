package natsbroker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// places is a receiver that notes where messages stand.
type places struct {
	listener
	at chan broker.Position
}

func (p *places) Message(_ string, _ []byte, at broker.Position, _ uint64) { p.at <- at }

// B2: a stream that is made anew while a node is connected has another epoch for
// those, too, who only listen: offsets that come again are no messages that they had.
func TestStreamMadeAnew(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	listen := enginetest.FreeAddresses(t, 1)[0]
	begin := func(o Options) (*Link, *places) {
		p := &places{listener: listener{up: make(chan struct{}, 1)}, at: make(chan broker.Position, 100)}
		l, err := New(o)
		if err == nil {
			err = l.Start(p)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		<-p.up
		return l, p
	}
	o := options("a", 1<<20)
	o.Embedded = &Embedded{MaxPayload: 1 << 20, ClientListen: listen}
	a, heard := begin(o)
	o = options("b", 1<<20)
	o.URLs = []string{"nats://" + listen}
	b, _ := begin(o)
	o.Node = "c"
	c, _ := begin(o) // it reads, and hears nothing
	if err := a.Subscribe(ctx, []string{"news"}); err != nil {
		t.Fatal(err)
	}
	of := broker.Class{Name: "all", Size: 10, TTL: time.Hour}
	appended := func(n int) (last broker.Position) {
		for i := range n {
			done := make(chan error, 1)
			if err := b.Append(of, "news", []byte(fmt.Sprint(i)), func(_ broker.Position, err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			last = <-heard.at
		}
		return last
	}
	for _, l := range []*Link{a, c} {
		if past, err := l.Read(ctx, of, "news", broker.Position{}, 10, 0); err != nil || past.Top.Offset != 0 {
			t.Fatal(past, err)
		}
	}
	before := appended(3)
	nc, err := nats.Connect("nats://" + listen)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.DELETE.sluice_all", nil); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1) // b notices by it that the stream is gone
	if err := b.Append(of, "news", []byte("lost"), func(_ broker.Position, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("a message was stored in no stream")
	}
	now := appended(2)
	if now.Epoch == before.Epoch || now.Offset != 2 {
		t.Errorf("%v came after %v", now, before)
	}
	for _, l := range []*Link{a, c} {
		if past, err := l.Read(ctx, of, "news", before, 10, 0); err != nil || past.Top != now || past.Complete || len(past.Messages) != 2 {
			t.Errorf("%s reads %v, %v", l.o.Node, past, err)
		}
	}
}
