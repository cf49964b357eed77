// Package hub is the sharded broadcast engine: it takes publications and hands
// each, encoded once, to every subscriber of its channel.
//
// Shards own connections, not channels. A Subscriber belongs to one shard for
// life, and that shard's goroutine alone touches its outbound state and writes
// to its socket; there is no lock on the way out, one channel's fan-out runs on
// every core, and a subscriber's frames from several channels leave in one write.
//
//	Publish ─▶ directory: the channel's order, which shards ─▶ inbox of each shard
//	shard:  inbox ─▶ runs (channel × variant): pending frames ─▶ one batch ─▶ one Send per subscriber
//
// Batching comes from structure, not from a timer: what gathered in the inbox
// while the last batch was written is the next batch. At a low rate a message
// leaves at once; under load the backlog itself makes the batches.
package hub

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/internal/sampled"
	"sluice/gateway/metrics"
)

// MaxShards is the largest number of shards: a publication keeps the shards it
// has to wake in one word.
const MaxShards = 64

// Options configure a Hub.
type Options struct {
	// Shards is the number of shards, 1 to MaxShards.
	Shards int
	// Inbox is how many publications may wait in one shard before Publish returns ErrBusy.
	Inbox int
	// BatchBytes is where a batch of frames for one channel is cut. A single larger frame is a batch of its own.
	BatchBytes int
	// Slice is how many subscribers are served before the shard looks at its inbox again.
	Slice int
	// Broker carries publications to the other nodes; nil: there are none.
	Broker Broker
	// Codecs are the encodings that subscribers speak, indexed by Variant.
	Codecs []Codec
	// Settings are the values that Configure may change later.
	Settings Settings
	// Metrics has a cell for each shard.
	Metrics *metrics.Set
	Log     zerolog.Logger
}

// Settings are what can be changed while the hub runs.
type Settings struct {
	// WriteQueue is how many bytes may wait for one socket before frames go to the subscriber's outbox.
	WriteQueue int
	// OutboxFrames is how many frames the outbox holds before the channel's policy decides.
	OutboxFrames int
	// OutboxBytes is how many bytes of frames it holds; 0 is no bound. A larger frame waits alone.
	OutboxBytes int
	// OutboxAge is how old the oldest of them may get, and how long the socket of
	// a subscriber whose policy is SlowDisconnect may take nothing; 0 is no bound.
	OutboxAge time.Duration
	// SocketBytes bounds the bytes that wait for sockets of all subscribers, which
	// are copies: above it WriteQueue counts as 0; 0 is no bound.
	SocketBytes int64
	// Subscriptions bounds those of all subscribers together; 0 is no bound.
	Subscriptions int
	// NodeQueueBytes bounds all bytes that wait on this node, in inboxes, outboxes and for sockets; 0 is no bound.
	NodeQueueBytes int64
	// PingInterval is how long a client may be silent before it is pinged; 0 never pings.
	PingInterval time.Duration
	// Timeout is how long a client may be silent before its connection is cut; 0 never cuts.
	Timeout time.Duration
	// CloseTimeout is how long a peer may take to answer a close frame.
	CloseTimeout time.Duration
	// Namespace returns the options of a channel's class.
	Namespace func(channel string) Namespace
}

// Namespace is what a class of channels has in common.
type Namespace struct {
	SlowConsumer SlowConsumer
	// MaxSubscribers bounds the subscribers of one channel on this node; 0 is no bound.
	MaxSubscribers int
	// History is what is kept of a channel; nil: nothing.
	History *History
}

// SlowConsumer is what happens when a subscriber's outbox is full.
type SlowConsumer uint8

const (
	// SlowDisconnect closes the connection.
	SlowDisconnect SlowConsumer = iota
	// SlowDropOldest drops the subscriber's oldest waiting message.
	SlowDropOldest
	// SlowLatest keeps only the newest message of the channel waiting.
	SlowLatest
)

// Variant is an index into Options.Codecs.
type Variant uint8

// Codec is how one kind of subscriber is spoken to.
type Codec struct {
	// Encode appends the frame that delivers p on channel. It carries nothing
	// of a single subscriber, so that one frame serves them all. dst may be nil,
	// and then the frame is kept.
	Encode func(dst []byte, channel string, p Publication) []byte
	// Replay is Encode for what was published before: for one subscriber, or a few,
	// while others wait, so it is quick. Nil: Encode is.
	Replay func(dst []byte, channel string, p Publication) []byte
	// Ping is the frame that asks a silent client for a sign of life.
	Ping []byte
	// Close has the frames that end a connection for each reason. One of them is
	// picked at random, so that not all clients are asked to come back at the same time.
	Close [metrics.NumCloseReasons][][]byte
	// Joined appends what a subscriber is told when it has joined a channel with a
	// history and is owed nothing; nil: nothing.
	Joined func(dst []byte, channel string, at Position) []byte
	// Gone appends what a subscriber is told that asked for what came since a
	// position, and it cannot be had any more; nil: nothing.
	Gone func(dst []byte, channel string, at Position) []byte
	// Gap appends what all subscribers are told when publications may have been
	// lost on the way to this node; nil: nothing. at is where the channel's history is now, if it has one.
	Gap func(dst []byte, channel string, at Position) []byte
	// GapCloses: they are closed then, instead.
	GapCloses bool
	// Once: the frame names neither its channel nor a position, so a publication on
	// several channels is encoded once, and reaches a subscriber of more than one
	// of them once.
	Once bool
}

// Hub is the broadcast engine of one node. All methods may be called concurrently.
type Hub struct {
	// Static after New.
	start   time.Time
	log     zerolog.Logger
	closes  *sampled.Log // by CloseReason
	codecs  []Codec
	shards  []*shard
	stripes [numStripes]stripe
	broker  Broker
	epoch   string // begins the epochs of this run's histories

	settings atomic.Pointer[Settings]
	next     atomic.Uint32 // round robin over the shards
	busy     atomic.Bool   // Publish refuses: the node is short of memory
	now      atomic.Uint32 // coarse time: ticks of TickInterval since the start

	epochs    atomic.Uint64
	breaks    atomic.Uint64 // of the link to the other nodes, from 1 on
	keptBytes atomic.Int64  // payloads in histories
	seats     atomic.Int64  // subscriptions, including those that are on their way in or out

	stop    chan struct{}
	stopped atomic.Bool
	wg      sync.WaitGroup
}

// TickInterval is the grain of the hub's time: idle, ping and close timeouts are exact to this.
const TickInterval = time.Second

// New starts a hub: one goroutine a shard, and one that ticks.
func New(o Options) (*Hub, error) {
	if o.Shards < 1 || o.Shards > MaxShards {
		return nil, errors.New("hub: shards must be 1 to 64")
	}
	if o.Inbox < 1 || o.BatchBytes < 1 || o.Slice < 1 || len(o.Codecs) == 0 || o.Settings.Namespace == nil || o.Metrics == nil {
		return nil, errors.New("hub: incomplete options")
	}
	h := &Hub{start: time.Now(), log: o.Log, closes: sampled.New(o.Log, int(metrics.NumCloseReasons)), codecs: o.Codecs, stop: make(chan struct{}), broker: o.Broker}
	h.epoch = strconv.FormatInt(h.start.UnixNano(), 36) + "-"
	h.settings.Store(&o.Settings)
	h.now.Store(1)
	h.breaks.Store(1)
	for i := range h.stripes {
		h.stripes[i].channels = map[string]*channel{}
	}
	for i := range o.Shards {
		h.shards = append(h.shards, newShard(h, i, &o))
	}
	h.wg.Add(len(h.shards) + 1)
	for _, sh := range h.shards {
		go sh.loop()
	}
	go h.tick()
	return h, nil
}

// Configure replaces the settings. Channels that exist take over their new namespace.
func (h *Hub) Configure(s Settings) {
	h.settings.Store(&s)
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		for name, ch := range st.channels {
			ns := s.Namespace(name)
			ch.namespace.Store(&ns)
			h.adjust(ch, ns.History)
		}
		st.mu.Unlock()
	}
}

// Stop ends the hub's goroutines without saying goodbye to anyone (see Drain). It is idempotent.
func (h *Hub) Stop() {
	if h.stopped.Swap(true) {
		return
	}
	close(h.stop)
	h.wg.Wait()
}

// tick drives everything that depends on time, so that no subscriber has a timer.
func (h *Hub) tick() {
	defer h.wg.Done()
	t := time.NewTicker(TickInterval)
	defer t.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-t.C:
			now := h.now.Add(1)
			h.sweep(&h.stripes[now%numStripes], time.Now())
			for _, sh := range h.shards {
				sh.post(item{kind: itemTick})
			}
		}
	}
}

// Now is the hub's coarse time, in ticks.
func (h *Hub) Now() uint32 { return h.now.Load() }

// ticks converts d to ticks, rounding up; 0 stays 0.
func ticks(d time.Duration) uint32 {
	return uint32((d + TickInterval - 1) / TickInterval)
}
