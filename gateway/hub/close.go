package hub

import (
	"math/rand/v2"

	"github.com/rs/zerolog"

	"sluice/gateway/metrics"
)

// Reply gives an encoded control frame to s alone (a pong), behind everything
// that was posted for s before. The frame is kept. Where an earlier one still
// waits because the client does not read, the newest wins (RFC 6455 section
// 5.5.3 allows it), so that a flood of pings cannot fill a queue; nor can it fill
// the shard's inbox, where it is not kept when there are maxReplies of s already.
func (s *Subscriber) Reply(frame []byte) {
	if s.state.Load() >= maxReplies*oneReply {
		return
	}
	s.state.Add(oneReply)
	s.shard.post(item{kind: itemReply, sub: s, frame: NewFrame(frame)})
}

// maxReplies is how many replies of one connection may wait in the shard's
// inbox: more than limits.control_frames_per_second lets a client ask for at once,
// unless that is raised.
const maxReplies = 64

// Close ends s's connection politely: s gets what was posted for it before,
// then the encoded close frame, then nothing; when the frame has left, the
// writing side is shut down, and a peer that does not leave within the close
// timeout is cut. A nil frame stands for the codec's frame for the reason.
func (s *Subscriber) Close(f *Frame, reason metrics.CloseReason) {
	s.shard.post(item{kind: itemClose, sub: s, frame: f, n: uint32(reason)})
}

// close carries out Close.
func (sh *shard) close(s *Subscriber, f *Frame, reason metrics.CloseReason) {
	if s.flags&(flagClosing|flagDoomed|flagGone) != 0 {
		return
	}
	sh.settle(s)
	if s.flags&flagDoomed != 0 {
		sh.closeDoomed()
		return
	}
	sh.leaveAll(s)
	sh.goodbye(s, f, reason)
}

// goodbye queues the last frame, and gives the peer time to answer it.
func (sh *shard) goodbye(s *Subscriber, f *Frame, reason metrics.CloseReason) {
	sh.closing.Add(int64(sh.hub.now.Load()+ticks(sh.hub.settings.Load().CloseTimeout)), s)
	sh.lastWords(s, f, reason)
}

// lastWords queues the last frame.
func (sh *shard) lastWords(s *Subscriber, f *Frame, reason metrics.CloseReason) {
	sh.logClose(s, reason)
	if f == nil {
		frames := sh.hub.codecs[s.variant].Close[reason]
		f = NewFrame(frames[rand.IntN(len(frames))])
	}
	s.flags |= flagClosing
	sh.goodbyes.Add(1)
	s.reason = uint8(reason)
	if reason != metrics.CloseDrain {
		s.state.Or(stateMuted)
	}
	if s.out == nil && s.flags&flagHeld == 0 {
		s.conn.Send(f.bytes)
		s.conn.Finish()
		return
	}
	sh.enqueue(s, nil, []*Frame{f})
	sh.flush(s)
}

// logClose says that the node ends a connection on its own account.
func (sh *shard) logClose(s *Subscriber, reason metrics.CloseReason) {
	if reason == metrics.CloseByClient {
		return
	}
	if e := sh.hub.closes.Event(zerolog.DebugLevel, int(reason)); e != nil {
		e.Str("session", s.ID().String()).Str("address", s.conn.RemoteAddr()).Str("reason", reason.String()).Msg("connection closed")
	}
}

// doom marks s as too slow. It is closed when nobody walks the lists it is in.
func (sh *shard) doom(s *Subscriber) {
	s.flags |= flagDoomed
	sh.doomed = append(sh.doomed, s)
}

// closeDoomed closes the connections that were too slow. What waited for them is dropped and counted.
func (sh *shard) closeDoomed() {
	for i, s := range sh.doomed {
		sh.doomed[i] = nil
		if s.flags&flagGone != 0 {
			continue
		}
		s.flags &^= flagDoomed
		if s.out != nil {
			sh.empty(s, metrics.DropSlowDisconnect)
		}
		sh.leaveAll(s)
		sh.goodbye(s, nil, metrics.CloseSlow)
	}
	sh.doomed = sh.doomed[:0]
}
