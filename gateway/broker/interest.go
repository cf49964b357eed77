package broker

import (
	"context"
	"sync"
	"time"

	"sluice/gateway/hub"
)

// interests are the channels that this node wants, and what the engine has been
// told of them. The hub calls want under its own lock; the rest is done by one
// goroutine, in batches.
type interests struct {
	// Guarded by mu, a leaf: nothing is called while it is held.
	mu    sync.Mutex
	all   map[string]*interest
	todo  []string // to look at; may name one twice
	later []string // to doubt at the next tick
	stale bool     // the link is new: all are to be subscribed to again
	doubt bool     // all may have missed something
	// The first attempt to connect is under way, and is waited for until then: clients that
	// come back while a node starts would be told of gaps that are none. Zero: it is over.
	first time.Time

	wake chan struct{}
}

// interest is one channel.
type interest struct {
	limits     *hub.History
	wanted     bool
	asked      bool // the hub waits for Caught
	subscribed bool
	before     bool      // it was subscribed to on an earlier link
	away       bool      // of that, nothing comes at the moment
	left       time.Time // when it was wanted last
}

func (in *interests) init() {
	in.all = map[string]*interest{}
	in.wake = make(chan struct{}, 1)
}

// change makes a change, and wakes the goroutine.
func (in *interests) change(f func()) {
	in.mu.Lock()
	f()
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// Want implements hub.Broker.
func (b *Broker) Want(channel string, limits *hub.History, wanted bool) {
	in := &b.interests
	in.change(func() {
		it := in.all[channel]
		if it == nil {
			it = &interest{}
			in.all[channel] = it
		}
		it.limits, it.wanted = limits, wanted
		if wanted {
			it.asked = true
			in.todo = append(in.todo, channel)
		} else {
			it.left = time.Now()
		}
	})
}

// Channels is how many channels the engine was told that this node wants.
func (b *Broker) Channels() int {
	b.interests.mu.Lock()
	defer b.interests.mu.Unlock()
	return len(b.interests.all)
}

// Sizes of the work: channels that are subscribed to in one go, and the pause
// after each on a link that has come back, so that a fleet's nodes do not fall
// upon a broker that has just started.
const (
	batchSize  = 1000
	batchPause = 20 * time.Millisecond
)

// subscribeTimeout bounds one batch. When it is over, the channels are served
// without, and tried again.
const subscribeTimeout = 5 * time.Second

// firstTimeout bounds how long what is wanted waits for the first attempt to connect.
const firstTimeout = 5 * time.Second

// keepInterests is the goroutine.
func (b *Broker) keepInterests() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.interests.wake:
		case <-t.C:
			b.leave()
			b.reconsider()
		}
		for b.ctx.Err() == nil && b.subscribe() {
		}
	}
}

// batch is a piece of what is to be done.
type batch struct {
	names   []string // to subscribe to
	missed  []string // of them, those that will be doubted
	answer  []string // wanted again, and still subscribed to
	doubt   []string // may have missed something
	renewed bool     // the link is new
	more    bool
}

// next takes a batch.
func (in *interests) next() (w batch) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if time.Now().Before(in.first) {
		return w
	}
	if w.renewed = in.stale; in.stale {
		in.todo = in.todo[:0]
		for name, it := range in.all {
			it.before = it.before || it.subscribed
			it.subscribed, it.away = false, false
			in.todo = append(in.todo, name)
		}
	} else if in.doubt {
		for name, it := range in.all {
			if it.subscribed && it.wanted {
				w.doubt = append(w.doubt, name)
			}
		}
	}
	in.stale, in.doubt = false, false
	n := 0
	for _, name := range in.todo {
		if len(w.names)+len(w.answer) == batchSize {
			break
		}
		n++
		switch it := in.all[name]; {
		case it == nil || !it.wanted:
		case !it.subscribed || it.asked && it.away:
			w.names = append(w.names, name)
			if it.before && !it.asked {
				w.missed = append(w.missed, name)
			}
		case it.asked:
			it.asked = false
			w.answer = append(w.answer, name)
		}
	}
	if in.todo = in.todo[n:]; len(in.todo) == 0 {
		in.todo = nil
	}
	w.more = in.todo != nil
	return w
}

// subscribe does one batch, and reports whether there may be more.
func (b *Broker) subscribe() (more bool) {
	w := b.interests.next()
	for _, name := range w.doubt {
		b.sink.Doubt(name)
	}
	for _, name := range w.answer {
		b.caught(name)
	}
	if len(w.names) > 0 {
		err := ErrDown
		if b.up.Load() {
			for _, name := range w.missed {
				b.sink.Suspect(name) // messages may come before Subscribe returns
			}
			ctx, cancel := context.WithTimeout(b.ctx, subscribeTimeout)
			err = b.link.Subscribe(ctx, w.names)
			cancel()
		}
		b.subscribed(w.names, err)
		if w.renewed || w.more {
			pause(b.ctx, batchPause)
		}
	}
	return w.more
}

// subscribed tells the hub of the outcome for a batch.
func (b *Broker) subscribed(names []string, err error) {
	var answer, doubt []string
	in := &b.interests
	in.mu.Lock()
	for _, name := range names {
		it := in.all[name]
		if it == nil {
			continue
		}
		if it.asked {
			answer = append(answer, name)
		} else if err == nil && it.before {
			doubt = append(doubt, name)
		}
		// Whoever is served without the engine has to be told, once it is there.
		it.asked, it.before = false, err != nil
		it.subscribed = err == nil
	}
	in.mu.Unlock()
	if err != nil && b.up.Load() && b.ctx.Err() == nil {
		b.log.Warn().Err(err).Int("channels", len(names)).Msg("subscribing failed; it is tried again")
		b.interests.again(names)
	}
	if err == nil {
		b.Counters.Subscribed.Add(uint64(len(names)))
	}
	for _, name := range answer {
		if err != nil {
			b.sink.Caught(name, hub.Past{}, refusal(err))
		} else {
			b.caught(name)
		}
	}
	for _, name := range doubt {
		b.sink.Doubt(name)
	}
}

// missing notes whether anything comes of a channel that the link is subscribed to.
func (in *interests) missing(channel string, away bool) {
	in.mu.Lock()
	if it := in.all[channel]; it != nil {
		it.away = away
	}
	in.mu.Unlock()
}

// again puts channels into the next tick's batch.
func (in *interests) again(names []string) {
	in.mu.Lock()
	in.later = append(in.later, names...)
	in.mu.Unlock()
}

// reconsider looks again at what failed.
func (b *Broker) reconsider() {
	in := &b.interests
	var doubt []string
	in.change(func() {
		for _, name := range in.later {
			it := in.all[name]
			switch {
			case it == nil || !it.wanted:
			case it.subscribed:
				doubt = append(doubt, name)
			default:
				in.todo = append(in.todo, name)
			}
		}
		in.later = nil
	})
	for _, name := range doubt {
		b.sink.Doubt(name)
	}
}

// caught tells the hub that a channel flows: at once, or with its history.
func (b *Broker) caught(name string) {
	b.interests.mu.Lock()
	it := b.interests.all[name]
	b.interests.mu.Unlock()
	if it == nil || it.limits == nil {
		b.sink.Caught(name, hub.Past{}, nil)
		return
	}
	b.Fetch(name, it.limits, Position{}, false)
}

// leave unsubscribes from channels that nobody has wanted for the linger.
func (b *Broker) leave() {
	in := &b.interests
	before := time.Now().Add(-b.o.Linger)
	var names []string
	in.mu.Lock()
	for name, it := range in.all {
		if it.wanted || it.left.After(before) {
			continue
		}
		delete(in.all, name)
		if it.subscribed {
			if names = append(names, name); len(names) == maxLeaves {
				break
			}
		}
	}
	in.mu.Unlock()
	if len(names) == 0 || !b.up.Load() {
		return
	}
	// Whoever wants one of them meanwhile waits for this goroutine, and subscribes anew.
	ctx, cancel := context.WithTimeout(b.ctx, subscribeTimeout)
	defer cancel()
	if err := b.link.Unsubscribe(ctx, names); err != nil && b.up.Load() {
		b.log.Warn().Err(err).Int("channels", len(names)).Msg("unsubscribing failed")
	}
	b.Counters.Left.Add(uint64(len(names)))
}

// maxLeaves is how many channels are left in a second.
const maxLeaves = 20_000

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
