package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"sluice/gateway/hub"
)

// fakeLink is a link to nothing. What it is told is in calls.
type fakeLink struct {
	r Receiver

	// Guarded by mu.
	mu    sync.Mutex
	calls []string
	fail  error // of Subscribe, Publish, Flush and Read
	lose  error // of what was published
	past  Past
	pasts []Past // before past
	mute  bool   // Read is not answered
}

func (l *fakeLink) note(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprintf(format, args...))
	return l.fail
}

func (l *fakeLink) set(err error) {
	l.mu.Lock()
	l.fail = err
	l.mu.Unlock()
}

// took are the calls since the last time.
func (l *fakeLink) took() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.calls
	l.calls = nil
	return list
}

func (l *fakeLink) Start(r Receiver) error      { l.r = r; return nil }
func (l *fakeLink) Close(context.Context) error { return nil }
func (l *fakeLink) Subscribe(_ context.Context, c []string) error {
	c = slices.Sorted(slices.Values(c))
	if len(c) > 3 {
		return l.note("subscribe %d", len(c))
	}
	return l.note("subscribe %s", strings.Join(c, " "))
}

func (l *fakeLink) Unsubscribe(_ context.Context, c []string) error {
	return l.note("unsubscribe %s", strings.Join(slices.Sorted(slices.Values(c)), " "))
}

func (l *fakeLink) Publish(channel string, m []byte, taken func(), lost func(error)) error {
	switch err := l.note("publish %s %s", channel, m); {
	case err != nil:
		return err
	case l.lose != nil:
		lost(l.lose)
	case taken != nil:
		taken()
	}
	return nil
}

func (l *fakeLink) Forward(name string, m []byte, lost func(error)) error {
	err := l.note("forward %s %s", name, m)
	if err == nil && name == "full" {
		lost(errors.New("out of memory"))
	}
	return err
}
func (l *fakeLink) Unfit() string               { return "" }
func (l *fakeLink) Flush(context.Context) error { return l.note("flush") }
func (l *fakeLink) Nodes(string) (int, bool)    { return 0, false }
func (l *fakeLink) Routes() (int, bool)         { return 0, false }
func (l *fakeLink) Append(_ Class, channel string, m []byte, done func(Position, error)) error {
	if err := l.note("append %s %s", channel, m); err != nil {
		return err
	}
	done(Position{Epoch: "e", Offset: 7}, nil)
	return nil
}

func (l *fakeLink) Read(ctx context.Context, _ Class, channel string, after Position, limit, bytes int) (Past, error) {
	err := l.note("read %s %s:%d %d", channel, after.Epoch, after.Offset, limit)
	if l.mute {
		<-ctx.Done()
		return Past{}, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pasts) > 0 {
		next := l.pasts[0]
		l.pasts = l.pasts[1:]
		return next, err
	}
	return l.past, err
}
func (l *fakeLink) Send(node string, m []byte) error { return l.note("send %q %s", node, m) }

// fakeSink is a hub that writes down what it is told.
type fakeSink struct {
	// Guarded by mu.
	mu    sync.Mutex
	calls []string
}

func (s *fakeSink) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *fakeSink) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Sorted(slices.Values(s.calls))
	s.calls = nil
	return list
}

func (s *fakeSink) Deliver(channel string, d hub.Delivery) {
	s.note("deliver %s %s:%d prev %d from %v %q", channel, d.Position.Epoch, d.Position.Offset, d.Prev, d.Sender, d.Payload)
}

func (s *fakeSink) Caught(channel string, p hub.Past, err error) {
	s.note("caught %s, %d kept, %v", channel, len(p.Kept), err)
}
func (s *fakeSink) Broken()                {}
func (s *fakeSink) Missing(channel string) { s.note("missing %s", channel) }
func (s *fakeSink) Suspect(channel string) { s.note("suspect %s", channel) }
func (s *fakeSink) Doubt(channel string)   { s.note("doubt %s", channel) }

// D1: who comes while a node makes its first attempt to connect waits for its outcome, with a
// bound, and is told of no gap.
func TestFirstConnection(t *testing.T) {
	tests := map[string]struct {
		then func(l *fakeLink)
		want string
	}{
		"up":      {func(l *fakeLink) { l.r.Up() }, "caught early, 0 kept, <nil>"},
		"down":    {func(l *fakeLink) { l.set(ErrDown); l.r.Down(ErrDown) }, "caught early, 0 kept, " + hub.ErrDown.Error()},
		"nothing": {func(*fakeLink) { time.Sleep(firstTimeout) }, "caught early, 0 kept, " + hub.ErrDown.Error()},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			l, s := &fakeLink{}, &fakeSink{}
			b := New(Options{Node: "a", Link: l, Linger: 5 * time.Second, Log: zerolog.Nop()})
			if err := b.Start(s); err != nil {
				t.Fatal(err)
			}
			b.Want("early", nil, true)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			same(t, name+": before", s.took())
			tt.then(l)
			synctest.Wait()
			same(t, name, s.took(), tt.want)
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// rig runs f with a broker whose link is up.
func rig(t *testing.T, change func(*Options), f func(b *Broker, l *fakeLink, s *fakeSink)) {
	synctest.Test(t, func(t *testing.T) {
		l, s := &fakeLink{}, &fakeSink{}
		o := Options{Node: "a", Link: l, Linger: 5 * time.Second, Log: zerolog.Nop()}
		if change != nil {
			change(&o)
		}
		b := New(o)
		if err := b.Start(s); err != nil {
			t.Fatal(err)
		}
		l.r.Up()
		synctest.Wait()
		f(b, l, s)
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// B2: after a loss of the link all channels are subscribed to again, in batches with pauses, and
// each that may have missed something is doubted; those who came meanwhile are served without.
func TestLinkComesBack(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		const many = 2*batchSize + 100
		for i := range many {
			b.Want(fmt.Sprint("c", i), nil, true)
		}
		time.Sleep(time.Second)
		if got := s.took(); len(got) != many || !strings.HasPrefix(got[0], "caught c0, 0 kept, <nil>") {
			t.Fatalf("%d answers", len(got))
		}
		l.took()

		l.r.Down(ErrDown)
		b.Want("new", nil, true)
		synctest.Wait()
		same(t, "without the link", s.took(), "caught new, 0 kept, "+hub.ErrDown.Error())
		l.r.Up()
		begin := time.Now()
		time.Sleep(time.Second)
		calls := l.took()
		same(t, "subscribed to again", calls, "subscribe 1000", "subscribe 1000", "subscribe 101")
		got := s.took()
		doubts := slices.DeleteFunc(slices.Clone(got), func(c string) bool { return !strings.HasPrefix(c, "doubt ") })
		if len(doubts) != many+1 || len(got) != 2*(many+1) || !slices.Contains(got, "suspect c0") {
			t.Errorf("%d channels of %d are doubted, of %d calls", len(doubts), many+1, len(got))
		}
		if time.Since(begin) < 2*batchPause {
			t.Error("there were no pauses")
		}
		if n := b.Counters.Downs.Load(); n != 1 || b.Channels() != many+1 {
			t.Errorf("%d losses, %d channels", n, b.Channels())
		}

		l.r.Lost("")
		synctest.Wait()
		if got := s.took(); len(got) != many+1 {
			t.Errorf("the engine dropped messages, and %d channels are doubted", len(got))
		}
	})
}

// B1: a channel is left a while after its last subscriber, and wanted again before that it is not.
func TestInterest(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		b.Want("a", nil, true)
		synctest.Wait()
		same(t, "subscribed", l.took(), "subscribe a")
		same(t, "answered", s.took(), "caught a, 0 kept, <nil>")
		b.Want("a", nil, false)
		time.Sleep(2 * time.Second)
		b.Want("a", nil, true)
		synctest.Wait()
		same(t, "still subscribed", l.took())
		same(t, "answered at once", s.took(), "caught a, 0 kept, <nil>")
		b.Want("a", nil, false)
		time.Sleep(7 * time.Second)
		same(t, "left", l.took(), "unsubscribe a")
		if b.Channels() != 0 {
			t.Error("the channel is remembered")
		}
	})
}

// B1: publishers are told when the link is down or its queue full; what is confirmed was flushed;
// an outcome that is not known is no promise that nothing was published.
func TestPublish(t *testing.T) {
	outcomes := func(change func(*Options), fail, lose error) (confirmed []string, refused error) {
		rig(t, change, func(b *Broker, l *fakeLink, _ *fakeSink) {
			l.set(fail)
			l.lose = lose
			sent, err := b.Publish([]string{"k"}, &hub.Publication{Payload: []byte("x")}, func(r hub.Receipt, err error) {
				confirmed = append(confirmed, fmt.Sprint(r.Nodes, " ", err))
			})
			if refused = err; sent != (fail == nil) {
				t.Errorf("%v: sent %v", fail, sent)
			}
			synctest.Wait()
		})
		return confirmed, refused
	}
	if confirmed, refused := outcomes(nil, nil, nil); refused != nil || !slices.Equal(confirmed, []string{"-1 <nil>"}) {
		t.Errorf("%v, %v", refused, confirmed)
	}
	if confirmed, refused := outcomes(nil, ErrBusy, nil); refused != hub.ErrBusy || confirmed != nil {
		t.Errorf("busy: %v, %v", refused, confirmed)
	}
	if confirmed, refused := outcomes(nil, ErrDown, nil); refused != hub.ErrDown || confirmed != nil {
		t.Errorf("down: %v, %v", refused, confirmed)
	}
	if confirmed, refused := outcomes(nil, nil, ErrUnconfirmed); refused != nil || len(confirmed) != 1 || !strings.Contains(confirmed[0], "before the message was confirmed") {
		t.Errorf("down afterwards: %v, %v", refused, confirmed)
	}
	if confirmed, refused := outcomes(nil, nil, Down(errors.New("no master"))); refused != nil || len(confirmed) != 1 || !strings.Contains(confirmed[0], "did not take it: no master") {
		t.Errorf("lost: %v, %v", refused, confirmed)
	}
	local := func(o *Options) { o.LocalWhenDown = true }
	if confirmed, refused := outcomes(local, ErrDown, ErrDown); refused != nil || !slices.Equal(confirmed, []string{"-1 <nil>"}) {
		t.Errorf("local when down: %v, %v", refused, confirmed)
	}
}

// B2: what may have been missed on one channel is told before what comes next on it.
func TestMissed(t *testing.T) {
	rig(t, nil, func(_ *Broker, l *fakeLink, s *fakeSink) {
		l.r.Missed("k")
		same(t, "told", s.took(), "doubt k", "suspect k")
	})
}

// B2: of which channels nothing comes is told, also to who wants one of them later: the link is asked again.
func TestMissing(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		again := func() (asked []string) {
			b.Want("k", nil, false)
			b.Want("k", nil, true)
			time.Sleep(time.Second)
			same(t, "answers", s.took(), "caught k, 0 kept, <nil>")
			return l.took()
		}
		same(t, "at first", again(), "subscribe k")
		l.r.Missing("k")
		l.r.Missing("nobody's")
		same(t, "told", s.took(), "missing k", "missing nobody's")
		same(t, "while it is missing", again(), "subscribe k")
		l.r.Missed("k")
		s.took()
		same(t, "afterwards", again())
		l.r.Missing("k")
		l.r.Down(ErrDown)
		l.r.Up()
		time.Sleep(time.Second)
		s.took()
		same(t, "on a new link", l.took(), "subscribe k")
		same(t, "and afterwards", again())
	})
}

// Messages are taken apart; what is none of ours is counted, and dropped unless bare ones are welcome.
func TestReceive(t *testing.T) {
	receive := func(b *Broker, l *fakeLink, s *fakeSink) []string {
		l.r.Message("k", []byte("sluice/1\nhello"), Position{}, 0)
		l.r.Message("k", []byte("sluice/1 binary=1 from=a/00000000000000ab\n\xff"), Position{Epoch: "e", Offset: 9}, 8)
		l.r.Message("k", []byte("sluice/1 from=b/00000000000000ab new=1\nhi"), Position{}, 0)
		l.r.Message("k", []byte("sluice/1\n\xff"), Position{}, 0) // text that is none
		l.r.Message("k", []byte("sluice/1 from\nx"), Position{}, 0)
		l.r.Message("k", []byte("bare"), Position{}, 0)
		return s.took()
	}
	want := []string{
		`deliver k :0 prev 0 from 0000000000000000 "hello"`,
		`deliver k :0 prev 0 from 0000000000000000 "hi"`,
		`deliver k e:9 prev 8 from 00000000000000ab "\xff"`,
	}
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		same(t, "envelopes alone", receive(b, l, s), want...)
		if n := b.Counters.Malformed.Load(); n != 3 {
			t.Errorf("%d were malformed", n)
		}
	})
	rig(t, func(o *Options) { o.Bare = true }, func(b *Broker, l *fakeLink, s *fakeSink) {
		same(t, "bare ones, too", receive(b, l, s), append([]string{`deliver k :0 prev 0 from 0000000000000000 "bare"`}, want...)...)
	})
}

// What is published on many channels with long names is taken by the other nodes on each of
// them: the first line has a bound, and names that do not fit into it are left out.
func TestManyNames(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("%s.%d", strings.Repeat("x", 250), i))
	}
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		p := &hub.Publication{Payload: []byte("to all"), Binary: true}
		if _, err := b.Publish(names, p, nil); err != nil {
			t.Fatal(err)
		}
		for _, call := range l.took() {
			channel, m, _ := strings.Cut(strings.TrimPrefix(call, "publish "), " ")
			e, err := decode([]byte(m))
			if err == nil && (len(m) > maxHeader || !slices.Contains(e.also, channel) || !slices.Contains(e.also, names[0])) {
				t.Errorf("a message of %d bytes names %d channels", len(m), len(e.also))
			}
			l.r.Message(channel, []byte(m), Position{}, 0)
		}
		if n, malformed := len(s.took()), b.Counters.Malformed.Load(); n != len(names) || malformed != 0 {
			t.Errorf("%d of %d came, %d were malformed", n, len(names), malformed)
		}
	})
}

// B4: what is published straight to the engine is held to the limit of messages, too, live and
// in a history; subscribers are told that something is missing.
func TestB4MessageSize(t *testing.T) {
	limit := func(o *Options) { o.MaxMessage = func() int { return 5 } }
	rig(t, limit, func(b *Broker, l *fakeLink, s *fakeSink) {
		l.r.Message("k", []byte("sluice/1\nright"), Position{}, 0)
		same(t, "as long as it may be", s.took(), `deliver k :0 prev 0 from 0000000000000000 "right"`)
		l.r.Message("k", []byte("sluice/1\nlonger"), Position{}, 0)
		same(t, "longer", s.took(), "doubt k", "suspect k")
		l.past = Past{
			Messages: []Stored{{Position{Epoch: "e", Offset: 4}, []byte("sluice/1\nright"), time.Now()}, {Position{Epoch: "e", Offset: 5}, []byte("sluice/1\nlonger"), time.Now()}},
			Top:      Position{Epoch: "e", Offset: 5}, Complete: true,
		}
		past, err := b.History(context.Background(), "k", &hub.History{Class: "h", Size: 3, TTL: time.Hour}, Position{}, 3, 0)
		if err != nil || len(past.Kept) != 2 || past.Kept[0].Missing || !past.Kept[1].Missing || past.Kept[1].Offset != 5 || !past.Complete || past.Top.Offset != 5 || b.Counters.Malformed.Load() != 2 {
			t.Errorf("%v, %v, %d malformed", past, err, b.Counters.Malformed.Load())
		}
	})
}

func TestHistories(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, s *fakeSink) {
		limits := &hub.History{Class: "h", Size: 3, TTL: time.Hour}
		l.past = Past{
			Messages: []Stored{{Position{Epoch: "e", Offset: 4}, []byte("sluice/1\nfour"), time.Now()}, {Position{Epoch: "e", Offset: 5}, []byte("what is this"), time.Now()}},
			Top:      Position{Epoch: "e", Offset: 5}, Complete: true,
		}
		b.Want("k", limits, true)
		synctest.Wait()
		same(t, "asked", l.took(), "subscribe k", "read k :0 3")
		same(t, "answered", s.took(), "caught k, 1 kept, <nil>")
		l.set(errors.New("no leader"))
		b.Fetch("k", limits, Position{Epoch: "e", Offset: 4}, false)
		synctest.Wait()
		same(t, "told", s.took(), "caught k, 0 kept, no leader")
		l.set(nil)
		time.Sleep(2 * time.Second)
		same(t, "doubted", s.took(), "doubt k")
	})
}

// A history is read piece by piece. What was dropped between two of them is missing there, and what
// was read before does not hide it.
func TestHistoryInPieces(t *testing.T) {
	at := func(n uint64) Position { return Position{Epoch: "e", Offset: n} }
	piece := func(complete, more bool, top uint64, offsets ...uint64) Past {
		p := Past{Top: at(top), Complete: complete, More: more, Floor: offsets[0] - 1}
		for _, n := range offsets {
			p.Messages = append(p.Messages, Stored{at(n), []byte("sluice/1\nsix by"), time.Now()})
		}
		return p
	}
	limits := &hub.History{Class: "h", Size: 100, TTL: time.Hour}
	for _, tt := range []struct {
		what          string
		pieces        []Past
		limit, bytes  int
		complete      bool
		floor         uint64
		first, number int
	}{
		{"two", []Past{piece(true, true, 6, 3, 4), piece(true, false, 6, 5, 6)}, 100, 0, true, 2, 3, 4},
		{"no more than that", []Past{piece(true, true, 6, 3, 4), piece(true, false, 6, 5, 6)}, 2, 0, true, 2, 3, 2},
		{"some are dropped", []Past{piece(true, true, 6, 3, 4), piece(false, false, 9, 8, 9)}, 100, 0, false, 7, 8, 2},
		{"bytes", []Past{piece(true, true, 6, 3, 4), piece(true, true, 6, 5, 6)}, 100, 11, true, 2, 3, 2},
		{"more bytes", []Past{piece(true, true, 6, 3, 4), piece(true, true, 8, 5, 6)}, 100, 12, true, 2, 3, 4},
		{"at least two", []Past{piece(true, true, 6, 3), piece(true, true, 8, 4)}, 100, 1, true, 2, 3, 2},
	} {
		rig(t, nil, func(b *Broker, l *fakeLink, _ *fakeSink) {
			l.pasts = tt.pieces
			p, err := b.History(context.Background(), "k", limits, at(2), tt.limit, tt.bytes)
			if err != nil || p.Complete != tt.complete || p.Floor != tt.floor || len(p.Kept) != tt.number || p.Kept[0].Position != at(uint64(tt.first)) {
				t.Errorf("%s: %+v, %v", tt.what, p, err)
			}
		})
	}
}

// A history that the engine does not answer for, since its leader is gone, is told to be
// down: a backend's call waited for as long as the backend did, and few may be under way.
func TestHistoryIsNotAnswered(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, _ *fakeSink) {
		l.mute = true
		begun := time.Now()
		_, err := b.History(context.Background(), "k", &hub.History{Class: "h", Size: 3, TTL: time.Hour}, Position{}, 3, 0)
		if took := time.Since(begun); !errors.Is(err, hub.ErrDown) || took != fetchTimeout {
			t.Errorf("after %v: %v", took, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := b.History(ctx, "k", &hub.History{Class: "h", Size: 3, TTL: time.Hour}, Position{}, 3, 0); !errors.Is(err, context.Canceled) || errors.Is(err, hub.ErrDown) {
			t.Errorf("nobody waits any more: %v", err)
		}
	})
}

// B2: attempts to connect come at random times, up to a bound that doubles; who is told of a
// loss is told once for each.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var attempts []time.Duration
		r := &downs{}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Keep(ctx, r, zerolog.Nop(), func() (func() error, error) {
				attempts = append(attempts, time.Since(begin))
				if len(attempts) == 3 { // connected, for a while
					return func() error { time.Sleep(time.Minute); return errors.New("cut") }, nil
				}
				return nil, errors.New("refused")
			})
		}()
		time.Sleep(10 * time.Minute)
		cancel()
		<-ended
		if r.n != 2 || !errors.Is(r.last, ErrDown) || !strings.Contains(r.last.Error(), "cut") {
			t.Errorf("told %d times, last of %v", r.n, r.last)
		}
		upper := minPause
		for i := 1; i < len(attempts); i++ {
			wait := attempts[i] - attempts[i-1]
			if i == 3 {
				upper, wait = minPause, wait-time.Minute
			}
			if wait > upper {
				t.Fatalf("attempt %d came %v after the one before, of at most %v", i, wait, upper)
			}
			upper = min(2*upper, maxPause)
		}
		if n := len(attempts); n < 60 {
			t.Errorf("%d attempts in 10 minutes", n)
		}
	})
}

// downs counts losses.
type downs struct {
	Receiver
	n    int
	last error
}

func (d *downs) Down(err error) { d.n++; d.last = err }

// What a client sends goes to backends with who it is, or the client is told.
func TestForward(t *testing.T) {
	rig(t, nil, func(b *Broker, l *fakeLink, _ *fakeSink) {
		f := &Forwarded{Connection: 0x2a, Path: "/orders", User: "a b=ü", Channels: []string{"x", "y"}, Payload: []byte("buy")}
		l.took()
		if err := b.Forward("orders", f); err != nil {
			t.Error(err)
		}
		if err := b.Forward("orders", &Forwarded{Connection: 1, Path: "/", Payload: []byte{0xff}, Binary: true}); err != nil {
			t.Error(err)
		}
		want := []string{
			"forward orders sluice/1 from=a/000000000000002a path=%2Forders user=a+b%3D%C3%BC channels=x,y\nbuy",
			"forward orders sluice/1 binary=1 from=a/0000000000000001 path=%2F\n\xff",
		}
		if diff := cmp.Diff(want, l.took()); diff != "" {
			t.Error(diff)
		}
		for _, tt := range []struct{ link, want error }{{ErrDown, hub.ErrDown}, {ErrBusy, hub.ErrBusy}} {
			l.set(tt.link)
			if err := b.Forward("orders", f); !errors.Is(err, tt.want) {
				t.Errorf("%v: %v", tt.link, err)
			}
		}
		l.set(nil)
		if err := b.Forward("full", f); err != nil || b.Counters.ForwardsLost.Load() != 1 {
			t.Errorf("%v, %d lost", err, b.Counters.ForwardsLost.Load())
		}
		if n := &b.Counters; n.Forwarded.Load() != 3 || n.Refused.Load() != 2 {
			t.Errorf("%d forwarded, %d refused", n.Forwarded.Load(), n.Refused.Load())
		}
	})
}
