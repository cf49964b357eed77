package natsbroker

import (
	"context"
	"errors"
	"slices"
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

// The newest messages are read without those before them, wherever others' lie in between.
func TestReadNewest(t *testing.T) {
	for name, dir := range map[string]string{"in memory": "", "on disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			o := options("a", 1<<20)
			o.Embedded = &Embedded{MaxPayload: 1 << 20, StoreDir: dir}
			readNewest(t, linked(t, o), 60)
		})
	}
}

// readNewest reads the newest messages, and allows so many more to be read than twice those.
func readNewest(t *testing.T, l *Link, more int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	of := broker.Class{Name: "all", Size: 500, TTL: time.Hour}
	stored := make(chan error, 1000)
	publish := func(channel string, n int) (offsets []uint64) {
		for range n {
			if err := l.Append(of, channel, []byte("x"), func(at broker.Position, err error) {
				offsets = append(offsets, at.Offset)
				stored <- err
			}); err != nil {
				t.Fatal(err)
			}
		}
		for range n {
			if err := <-stored; err != nil {
				t.Fatal(err)
			}
		}
		return offsets
	}
	news := publish("news", 400)
	publish("other", 1000)
	publish("once", 1)
	news = append(news, publish("news", 3)...)
	c, err := l.live()
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 2, 3, 4, 30, 400, 403, 500} {
		before := c.nc.Stats().InMsgs
		past, err := l.Read(ctx, of, "news", broker.Position{}, limit, 0)
		if err != nil {
			t.Fatal(err)
		}
		read := int(c.nc.Stats().InMsgs - before)
		var got []uint64
		for _, m := range past.Messages {
			got = append(got, m.Offset)
		}
		want := news[max(len(news)-limit, 0):]
		if !slices.Equal(got, want) || !past.Complete || past.More || past.Top.Offset != news[len(news)-1] || past.Floor != want[0]-1 {
			t.Errorf("the newest %d: %v; complete %v, more %v, top %v, floor %d", limit, got, past.Complete, past.More, past.Top, past.Floor)
		}
		if read > 2*limit+more {
			t.Errorf("the newest %d: %d messages were read, want at most %d", limit, read, 2*limit+more)
		}
	}
	for channel, n := range map[string]int{"once": 1, "other": 1, "none": 0} {
		if past, err := l.Read(ctx, of, channel, broker.Position{}, 1, 0); err != nil || len(past.Messages) != n || !past.Complete {
			t.Errorf("%s: %v, %v", channel, past, err)
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
