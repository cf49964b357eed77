package natsbroker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// A history without a leader is to be asked for again; anything else is a defect.
func TestUnavailable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		down bool
	}{
		{&apiError{Code: 503, Description: "JetStream system temporarily unavailable"}, true},
		{nats.ErrNoResponders, true},
		{errNoJetStream, true},
		{&apiError{Code: 400, Description: "bad request"}, false},
		{errors.New("no number"), false},
	} {
		if err := unavailable(tt.err); errors.Is(err, broker.ErrDown) != tt.down || !errors.Is(err, tt.err) {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
}

// What is dropped while a history is read leaves no hole in what was read: messages are whole from
// the first of them on, and complete means so from the position that was asked for.
func TestReadWhileDropping(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	o := options("a", 1<<20)
	o.Embedded = &Embedded{MaxPayload: 1 << 20}
	l := linked(t, o)
	of := broker.Class{Name: "all", Size: 10, TTL: time.Hour}
	var top atomic.Uint64
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	defer publisher.Wait()
	defer close(stop)
	stored := make(chan error, 1)
	publish := func() error {
		if err := l.Append(of, "news", []byte("x"), func(at broker.Position, err error) { top.Store(at.Offset); stored <- err }); err != nil {
			return err
		}
		return <-stored
	}
	for range of.Size + 1 {
		if err := publish(); err != nil {
			t.Fatal(err)
		}
	}
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := publish(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	c, err := l.live()
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := c.class(of).ensured(ctx)
	if err != nil {
		t.Fatal(err)
	}
	q := reading{stream: l.stream(of.Name), subject: l.subject("h."+of.Name, "news"), epoch: epoch, size: of.Size, limit: of.Size, piece: 1}
	for i := range 60 {
		var after broker.Position
		if i%2 == 0 {
			after = broker.Position{Epoch: epoch, Offset: top.Load() - uint64(of.Size)}
		}
		past, err := c.read(ctx, q, after)
		if err != nil {
			t.Fatal(err)
		}
		next := past.Floor + 1
		if after.Epoch != "" && past.Complete {
			next = after.Offset + 1
		}
		for _, m := range past.Messages {
			if m.Offset != next {
				t.Fatalf("after %d, complete %v, from %d on: %d is not there, %d is", after.Offset, past.Complete, past.Floor, next, m.Offset)
			}
			next++
		}
	}
}

// A history that is gone has nothing that anybody could miss nothing of.
func TestReadAllGone(t *testing.T) {
	q := reading{epoch: "e", size: 10, limit: 10}
	info := &streamInfo{}
	info.State.First, info.State.Last = 21, 20
	p := q.past(nil, false, 0, info, broker.Position{Epoch: "e", Offset: 5}, true)
	if p.Complete || p.Top.Offset != 20 || p.Floor != 20 {
		t.Errorf("%+v", p)
	}
}
