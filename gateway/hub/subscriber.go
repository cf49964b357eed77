package hub

import "sync/atomic"

// Subscriber is the hub's part of a connection. It is embedded by value in the
// connection's session, so that a connection stays one object; there may be a
// million of them, so every byte counts. The zero value is ready for Attach.
type Subscriber struct {
	// Static after Attach.
	conn    Conn
	shard   *shard
	chunk   *chunk
	slot    uint32
	variant Variant

	// Owned by the shard's goroutine.
	flags  uint8
	reason uint8        // metrics.CloseReason, once closing
	first  subscription // most connections have just one
	more   *[]subscription
	out    *outbox // nil unless frames wait for the socket or for the end of the round

	// Shared.
	queued atomic.Int32  // bytes given to Conn.Send that the kernel has not taken
	state  atomic.Uint32 // the state bits, and the number of replies in the shard's inbox
}

// Bits of Subscriber.flags. A subscriber with none of them, and no outbox, takes the fast path.
const (
	flagClosing  uint8 = 1 << iota // a close frame was queued: nothing else follows
	flagDoomed                     // too slow: to be closed after this slice
	flagGathered                   // in the shard's list of this round
	flagGone                       // detached
	flagHeld                       // nothing is written before Begin
)

// Subscriber.state. Attach and Detach may race, and exactly one of them must
// post the detach item, after the attach item.
const (
	stateAttached uint32 = 1 << iota
	stateEnded
	stateStalled    // in the shard's list of those for whom something waits
	stateMoved      // the socket has taken something since the shard looked last
	stateWaiting    // the shard wants to hear when queued is low again
	stateUntilEmpty // the shard wants to hear when queued is 0
	stateMuted      // the node has ended the conversation: what the client still sends is not heard
	oneReply        // from here on a count of replies, up to maxReplies
)

// subscription is one entry of a subscriber in a run.
type subscription struct {
	run *run
	pos uint32 // index in run.subs
}

// Attach gives s to a shard, for life. conn is what the shard writes to from
// now on, and nobody else may. It is called once, before Subscribe.
func (h *Hub) Attach(s *Subscriber, conn Conn, v Variant) {
	sh := h.shards[int(h.next.Add(1))%len(h.shards)]
	s.conn, s.shard, s.variant = conn, sh, v
	s.chunk, s.slot = sh.slots.take()
	s.touch()
	sh.socketBytes.Add(int64(s.queued.Load()))
	sh.queuedBytes.Add(int64(s.queued.Load())) // the end of the handshake, if it did not fit into the socket
	sh.attached.Add(1)
	if s.queued.Load() > 0 {
		sh.stalls.add(s)
	}
	sh.recent.add(s.ID())
	sh.post(item{kind: itemAttach, sub: s})
	if s.state.Or(stateAttached)&stateEnded != 0 {
		sh.post(item{kind: itemDetach, sub: s})
	}
}

// Hold makes the shard keep what it has for s until Begin. It is called before Attach.
func (s *Subscriber) Hold() { s.flags |= flagHeld }

// Begin lets the shard write to a held s: first the bytes that open the
// conversation, which it keeps, then what was published since s subscribed. So
// whoever has seen those bytes misses nothing that is published from then on.
// One who is not held just gets them.
func (s *Subscriber) Begin(first []byte) {
	s.shard.post(item{kind: itemBegin, sub: s, frame: NewFrame(first)})
}

// Detach takes s out of the hub when its connection has ended. It may come
// before, during or without an Attach, and from any goroutine; it is idempotent.
func (s *Subscriber) Detach() {
	old := s.state.Or(stateEnded)
	if old&stateAttached != 0 && old&stateEnded == 0 {
		s.shard.post(item{kind: itemDetach, sub: s})
	}
}

// Ended says that Detach was called.
func (s *Subscriber) Ended() bool { return s.state.Load()&stateEnded != 0 }

// Attached says that Attach was called; its caller asks.
func (s *Subscriber) Attached() bool { return s.shard != nil }

// ID names the attached connection.
func (s *Subscriber) ID() ID {
	return makeID(s.shard.id, s.slot, s.chunk.gen[s.slot%chunkSize].Load())
}

// Muted says that the node has ended the conversation, and not for its own
// shutdown: what the peer still sends does not count.
//
// hot: called for every message.
func (s *Subscriber) Muted() bool { return s.state.Load()&stateMuted != 0 }

// Variant is how the attached connection is spoken to.
func (s *Subscriber) Variant() Variant { return s.variant }

// Conn is the connection that was attached.
func (s *Subscriber) Conn() Conn { return s.conn }

// Touch notes a sign of life of the peer.
//
// hot: called for every read.
func (s *Subscriber) Touch() {
	if s.chunk != nil {
		s.touch()
	}
}

func (s *Subscriber) touch() {
	s.chunk.seen[s.slot%chunkSize].Store(s.shard.hub.now.Load())
}

// Queued is how many bytes wait for the socket.
func (s *Subscriber) Queued() int { return int(s.queued.Load()) }

// Queue notes that n bytes will wait for the socket. The Conn calls it before it queues them.
func (s *Subscriber) Queue(n int) {
	s.queued.Add(int32(n))
	if s.shard != nil {
		s.shard.socketBytes.Add(int64(n))
		s.shard.queuedBytes.Add(int64(n))
		s.shard.stalls.add(s)
	}
}

// Wrote notes that n of the bytes announced to Queue were taken by the kernel,
// and returns how many still wait. It may be called under the connection's lock.
//
// hot: called for every write that could not be finished at once.
func (s *Subscriber) Wrote(n int) (left int) {
	l := s.queued.Add(int32(-n))
	if s.shard == nil {
		return int(l)
	}
	s.shard.socketBytes.Add(int64(-n))
	s.shard.queuedBytes.Add(int64(-n))
	s.touch() // the peer takes what it is sent: it is alive
	if s.state.Load()&stateMoved == 0 {
		s.state.Or(stateMoved)
	}
	if s.waits() && int(l) <= s.shard.lowWater() && s.stopWaiting() || l == 0 && s.emptied() {
		s.shard.post(item{kind: itemReady, sub: s})
	}
	return int(l)
}

// waits says that the shard wants to hear when queued is low again.
func (s *Subscriber) waits() bool { return s.state.Load()&stateWaiting != 0 }

// stopWaiting ends that, and reports whether it was so: one of those who notice tells the shard.
func (s *Subscriber) stopWaiting() bool { return s.state.And(^stateWaiting)&stateWaiting != 0 }

// emptied ends the wait for an empty queue, and reports whether there was one.
func (s *Subscriber) emptied() bool {
	return s.state.Load()&stateUntilEmpty != 0 && s.state.And(^stateUntilEmpty)&stateUntilEmpty != 0
}

// find returns the subscription to ch, or nil.
func (s *Subscriber) find(ch *channel) *subscription {
	if s.first.run != nil && s.first.run.key.ch == ch {
		return &s.first
	}
	if s.more != nil {
		for i := range *s.more {
			if (*s.more)[i].run.key.ch == ch {
				return &(*s.more)[i]
			}
		}
	}
	return nil
}

// add records a subscription. The shard calls it.
func (s *Subscriber) add(sub subscription) {
	if s.first.run == nil {
		s.first = sub
		return
	}
	if s.more == nil {
		s.more = new([]subscription)
	}
	*s.more = append(*s.more, sub)
}

// forget removes the record that find returned. The shard calls it.
func (s *Subscriber) forget(sub *subscription) {
	if s.more == nil {
		*sub = subscription{}
		return
	}
	m := *s.more
	last := len(m) - 1
	*sub = m[last]
	m[last] = subscription{}
	if last == 0 {
		s.more = nil
		return
	}
	*s.more = m[:last]
}

// several says that s has more than one subscription.
func (s *Subscriber) several() bool { return s.more != nil }
