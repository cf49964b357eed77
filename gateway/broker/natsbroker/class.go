package natsbroker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sluice/gateway/broker"
)

// classes are the streams that this connection has had to do with.
type classes struct {
	// Guarded by mu.
	mu    sync.Mutex
	all   map[string]*class // by stream
	ended bool              // the connection has: nothing is begun any more
}

func (s *classes) init() { s.all = map[string]*class{} }

func (s *classes) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
}

// class is one stream. It is made, or brought to what the class of channels
// wants, before the first message goes to it.
type class struct {
	// Static.
	conn   *conn
	stream string

	// Guarded by mu.
	mu       sync.Mutex
	of       broker.Class // no Size: nothing but its epoch was asked for
	epoch    string       // "": not known
	highest  uint64       // offset that was confirmed
	heard    uint64       // offset that came last
	ready    bool
	ensuring chan struct{} // closed when that is over; nil: it is not under way
	err      error         // of the last time
	waiting  []op
}

// class returns the stream of a class of channels.
func (c *conn) class(of broker.Class) *class {
	k := c.named(c.link.stream(of.Name))
	k.mu.Lock()
	if k.of != of {
		k.of, k.ready = of, false
	}
	k.mu.Unlock()
	return k
}

func (c *conn) named(stream string) *class {
	c.classes.mu.Lock()
	defer c.classes.mu.Unlock()
	k := c.classes.all[stream]
	if k == nil {
		k = &class{conn: c, stream: stream}
		c.classes.all[stream] = k
	}
	return k
}

// send sends an append whose bytes are reserved, in the order of the calls.
func (k *class) send(o op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ready && len(k.waiting) == 0 {
		k.conn.out.PutReserved(o)
		return
	}
	k.waiting = append(k.waiting, o)
	k.begin()
}

// prepare has the stream made, in the background.
func (k *class) prepare() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ready {
		k.begin()
	}
}

// begin begins to make the stream, unless the connection has ended. mu is held.
func (k *class) begin() {
	s := &k.conn.classes
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.ensuring == nil && !s.ended {
		k.ensuring = make(chan struct{})
		k.conn.workers.Go(k.ensure)
	}
}

// forget has the stream looked at again before the next message: something is wrong with it.
func (k *class) forget() {
	k.mu.Lock()
	k.ready = false
	k.mu.Unlock()
}

// at is the epoch of a confirmed offset; "" where the stream is another one than before.
func (k *class) at(offset uint64) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if offset <= k.highest {
		k.ready, k.epoch, k.highest = false, "", 0
		return ""
	}
	k.highest = offset
	return k.epoch
}

// ensured waits until the stream is there, and returns its epoch.
func (k *class) ensured(ctx context.Context) (epoch string, err error) {
	k.mu.Lock()
	if k.ready {
		defer k.mu.Unlock()
		return k.epoch, nil
	}
	k.begin()
	over := k.ensuring
	k.mu.Unlock()
	select {
	case <-over:
	case <-k.conn.closed:
		return "", broker.ErrDown
	case <-ctx.Done():
		return "", ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.epoch, k.err
}

// ensure is the goroutine that makes the stream, and sends what waits for it.
func (k *class) ensure() {
	k.mu.Lock()
	of := k.of
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.conn.ctx, ensureTimeout)
	defer cancel()
	epoch, err := k.try(ctx, of)
	if err != nil && !errors.Is(err, broker.ErrDown) {
		k.conn.link.o.Log.Warn().Err(err).Str("stream", k.stream).Msg("nats: no histories")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if epoch != k.epoch {
		k.epoch, k.highest = epoch, 0
	}
	k.ready, k.err = err == nil && k.of == of, err
	close(k.ensuring)
	k.ensuring = nil
	waiting := k.waiting
	k.waiting = nil
	for i := range waiting {
		if err != nil {
			k.conn.rejected(&waiting[i], broker.Down(err))
		} else {
			k.conn.out.PutReserved(waiting[i])
		}
	}
}

// try makes the stream as soon as JetStream can: servers that have just begun
// elect a leader first, and answer nothing before.
func (k *class) try(ctx context.Context, of broker.Class) (epoch string, err error) {
	return persist(ctx, k.conn.closed, func(attempt context.Context) (string, error) { return k.make(attempt, of) })
}

// persist makes attempts until one ends with anything but errNoJetStream, or ctx is over. Its
// error is that of the last attempt that had its time.
func persist(ctx context.Context, closed <-chan struct{}, try func(context.Context) (string, error)) (epoch string, err error) {
	var before error
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		epoch, err = try(attempt)
		cancel()
		if !errors.Is(err, errNoJetStream) {
			return epoch, err
		}
		if ctx.Err() != nil && before != nil {
			err = before
		}
		before = err
		select {
		case <-closed:
			return "", broker.ErrDown
		case <-ctx.Done():
			return "", err
		case <-time.After(attemptTimeout / 10):
		}
	}
}

// make makes the stream, or gives it the limits of the class.
func (k *class) make(ctx context.Context, of broker.Class) (epoch string, err error) {
	js, err := jetstream.New(k.conn.nc)
	if err != nil {
		return "", err
	}
	want := k.conn.link.config(k.conn.nc, of)
	s, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if s, err = js.CreateStream(ctx, want); fewServers(err) {
			want.Replicas = 1 // until there are more
			s, err = js.CreateStream(ctx, want)
		}
		if taken(err) {
			if other, missing := js.Stream(ctx, want.Name); missing == nil {
				s, err = other, nil // another node was faster
			}
		}
	case err == nil && differs(&s.CachedInfo().Config, &want):
		config := s.CachedInfo().Config
		config.MaxMsgsPerSubject, config.MaxAge, config.Duplicates = want.MaxMsgsPerSubject, want.MaxAge, want.Duplicates
		before := config.Replicas
		if config.Replicas = max(before, want.Replicas); k.conn.link.o.Replicas > 0 {
			config.Replicas = want.Replicas
		}
		var updated jetstream.Stream
		if updated, err = js.UpdateStream(ctx, config); fewServers(err) {
			config.Replicas = before
			updated, err = js.UpdateStream(ctx, config)
		}
		if err == nil {
			s = updated
		}
	}
	if err == nil {
		err = k.reach(ctx, of)
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return "", errWithoutJetStream
	case notYet(err), errors.Is(err, context.DeadlineExceeded):
		return "", errNoJetStream
	case err != nil:
		return "", k.conn.failure(err)
	case s.CachedInfo().Created.IsZero(): // another node's request is still at it
		return "", errNoJetStream
	}
	return epochOf(s.CachedInfo().Created), nil
}

// reach asks the stream itself, in the way that messages go: in a cluster, a
// server hears of a new stream a moment after its leader has made it. What is
// asked, to store something in another stream, is refused.
func (k *class) reach(ctx context.Context, of broker.Class) error {
	m := nats.NewMsg(k.conn.link.subject("h."+of.Name, "_"))
	m.Header.Set(jetstream.ExpectedStreamHeader, "-")
	_, err := k.conn.nc.RequestMsgWithContext(ctx, m)
	return err
}

// epochOf names a stream's life: it has another one when it is made anew.
func epochOf(created time.Time) string { return strconv.FormatInt(created.UnixNano(), 36) }

func differs(have, want *jetstream.StreamConfig) bool {
	return have.MaxMsgsPerSubject != want.MaxMsgsPerSubject || have.MaxAge != want.MaxAge || have.Replicas < want.Replicas
}

// notYet says that JetStream's servers have no leader at the moment.
func notYet(err error) bool {
	const notAvailable = 10008
	var e *jetstream.APIError
	return errors.As(err, &e) && e.ErrorCode == notAvailable
}

// taken says that there is a stream of that name, or one that has its subjects:
// of two nodes that make one at once, nats-server tells the slower one either.
func taken(err error) bool {
	const overlap = 10065
	var e *jetstream.APIError
	return errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) || errors.As(err, &e) && e.ErrorCode == overlap
}

// fewServers says that JetStream has not as many servers as there are to be copies.
func fewServers(err error) bool {
	const noPeers, notClustered = 10005, 10074 // NATS's own numbers
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == noPeers || e.ErrorCode == notClustered)
}

// maxDuplicates is JetStream's own default. Nobody sends identifiers that it would look for.
const maxDuplicates = 2 * time.Minute

// config is what the stream of a class should be. One message more is kept of
// each channel than anybody gets: that it is there shows that nothing behind it is missing.
func (l *Link) config(nc *nats.Conn, of broker.Class) jetstream.StreamConfig {
	all := l.subject("h", of.Name) + ".>"
	replicas := l.o.Replicas
	if replicas == 0 {
		replicas = 1
		if l.servers(nc) >= 3 {
			replicas = 3
		}
	}
	storage := jetstream.FileStorage
	if l.o.Embedded != nil && l.o.Embedded.StoreDir == "" {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name:              l.stream(of.Name),
		Description:       "Histories of Sluice channels",
		Subjects:          []string{all},
		MaxMsgsPerSubject: int64(of.Size) + 1,
		MaxAge:            of.TTL,
		Duplicates:        min(maxDuplicates, of.TTL),
		Discard:           jetstream.DiscardOld,
		Storage:           storage,
		Replicas:          replicas,
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: all, Destination: l.subject("c", ">")},
	}
}

// servers is how many the cluster has, as far as is known.
func (l *Link) servers(nc *nats.Conn) int {
	if l.embedded != nil {
		return l.embedded.size
	}
	return len(nc.Servers())
}

// place is where a message stands in its channel's history, and the offset of
// the one before: both zero for one that was not stored.
func (c *conn) place(m *nats.Msg) (at broker.Position, prev uint64) {
	if m.Header == nil {
		return at, 0
	}
	offset, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
	stream := m.Header.Get(headerStream)
	if _, ours := c.link.classOf(stream); err != nil || !ours {
		return at, 0
	}
	prev, _ = strconv.ParseUint(m.Header.Get(headerLast), 10, 64)
	return broker.Position{Epoch: c.epoch(stream, offset), Offset: offset}, prev
}

// Headers of what a stream has stored (ADR-28, ADR-31).
const (
	headerStream   = "Nats-Stream"
	headerSequence = "Nats-Sequence"
	headerLast     = "Nats-Last-Sequence"
	headerPending  = "Nats-Num-Pending"
	headerTime     = "Nats-Time-Stamp"
)

// epoch is that of an offset that came, "" where it cannot be had. It is asked for once,
// and again where the offsets do not grow: the stream may have been made anew.
func (c *conn) epoch(stream string, offset uint64) string {
	k := c.named(stream)
	k.mu.Lock()
	epoch := k.epoch
	if offset <= k.heard {
		epoch = ""
	}
	k.heard = offset
	k.mu.Unlock()
	if epoch != "" {
		return epoch
	}
	ctx, cancel := context.WithTimeout(c.link.ctx, ensureTimeout)
	defer cancel()
	info, err := c.info(ctx, stream, "")
	if err != nil {
		c.link.o.Log.Warn().Err(err).Str("stream", stream).Msg("nats: the stream of a message is not known")
		return ""
	}
	epoch = epochOf(info.Created)
	k.mu.Lock()
	if k.epoch != epoch {
		k.epoch, k.highest = epoch, 0
	}
	k.mu.Unlock()
	return epoch
}
