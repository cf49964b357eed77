package hub

import (
	"strconv"
	"time"
)

// history is the recent past of a channel. On a node alone it is all there is;
// in a fleet it holds what the broker's history held when the channel was first
// wanted here, and what came since. It is guarded by the stripe's lock.
type history struct {
	at     Position // of the newest publication
	before Position // of the epoch before: see Past
	floor  uint64   // everything after it is in past
	past   []past
	bytes  int // of the payloads

	replays [2]replay // those made last: after a node's end, many ask for the same
}

// past is one publication.
type past struct {
	offset  uint64
	at      int64 // Unix time, in nanoseconds
	payload []byte
	binary  bool
}

// replay is what is owed to those who were at an offset, encoded.
type replay struct {
	from, to uint64
	variant  Variant
	frame    *Frame  // its first piece
	pieces   []piece // the last one first
}

// piece is a part of a replay, up to the next one.
type piece struct {
	first uint64 // offset of its first message
	frame *Frame
}

// append gives p the next place in the history of a node alone, and keeps a copy of it. The stripe is locked.
func (h *Hub) append(ch *channel, p *Publication, limits *History) {
	now := time.Now()
	ch.used = now
	p.Position = Position{ch.history.at.Epoch, ch.history.at.Offset + 1}
	h.keep(ch, Kept{Position: p.Position, Payload: append([]byte(nil), p.Payload...), Binary: p.Binary, At: now}, limits)
}

// keep puts a publication into ch's history. The stripe is locked.
func (h *Hub) keep(ch *channel, k Kept, limits *History) {
	before := ch.history.bytes
	ch.history.keep(k, limits)
	h.keptBytes.Add(int64(ch.history.bytes - before))
}

// keep appends a publication, whose payload it keeps, and lets go of the oldest.
func (y *history) keep(k Kept, limits *History) {
	y.at = k.Position
	y.past = append(y.past, past{k.Offset, k.At.UnixNano(), k.Payload, k.Binary})
	y.bytes += len(k.Payload)
	y.expire(limits, k.At)
}

// expire lets go of what is too old in ch's history. The stripe is locked.
func (h *Hub) expire(ch *channel, limits *History, now time.Time) {
	before := ch.history.bytes
	ch.history.expire(limits, now)
	h.keptBytes.Add(int64(ch.history.bytes - before))
}

// expire lets go of what is too much or too old.
func (y *history) expire(limits *History, now time.Time) {
	oldest := now.Add(-limits.TTL).UnixNano()
	n := 0
	for n < len(y.past) && (len(y.past)-n > limits.Size || y.past[n].at < oldest) {
		y.floor = y.past[n].offset
		y.bytes -= len(y.past[n].payload)
		y.past[n] = past{}
		n++
	}
	if y.past = y.past[n:]; len(y.past) == 0 {
		y.past = nil
	}
}

// restart begins a new life of a history. Its stripe is locked.
func (h *Hub) restart(y *history, at Position, floor uint64) {
	h.keptBytes.Add(-int64(y.bytes))
	*y = history{at: at, floor: floor}
}

// after returns what came after an offset; false: not all of it is there.
func (y *history) after(from Position) ([]past, bool) {
	from = from.In(y.at.Epoch, y.before)
	if from.Epoch != y.at.Epoch || from.Offset > y.at.Offset || from.Offset < y.floor {
		return nil, false
	}
	i := 0
	for i < len(y.past) && y.past[i].offset <= from.Offset {
		i++
	}
	return y.past[i:], true
}

const (
	// frameOverhead is room for what a codec puts before a payload.
	frameOverhead = 16
	// replayPiece is how many bytes of a replay, and the message that begins there, are one
	// frame: who does not read holds no more copies of it than of what is live.
	replayPiece = 64 << 10
)

// replay encodes what came after from, and returns the first piece; nil: nothing. False: not all of it is there.
// Who was at other places shares all pieces but the first: clients may come back to each place there is.
func (y *history) replay(from Position, v Variant, codec *Codec, channel string) (*Frame, bool) {
	missed, ok := y.after(from)
	if !ok || len(missed) == 0 {
		return nil, ok
	}
	for _, r := range y.replays {
		if r.frame != nil && r.from == from.Offset && r.to == y.at.Offset && r.variant == v {
			return r.frame, true
		}
	}
	encode := codec.Replay
	if encode == nil {
		encode = codec.Encode
	}
	made := replay{from: from.Offset, to: y.at.Offset, variant: v}
	for end := len(missed); end > 0; { // from the end, so that all replays are cut at the same places
		begin, size := end, 0
		for begin > 0 && size < replayPiece {
			begin--
			size += len(missed[begin].payload) + frameOverhead
		}
		p := y.piece(&made, missed[begin].offset)
		if p.frame == nil {
			p = piece{missed[begin].offset, &Frame{replay: true, next: made.frame, bytes: make([]byte, 0, size)}}
			for _, m := range missed[begin:end] {
				p.frame.bytes = encode(p.frame.bytes, channel, Publication{
					Payload: m.payload, Binary: m.binary, Position: Position{y.at.Epoch, m.offset},
				})
			}
		}
		made.pieces, made.frame, end = append(made.pieces, p), p.frame, begin
	}
	y.replays[1], y.replays[0] = y.replays[0], made
	return made.frame, true
}

// piece is the next of a replay that begins at an offset, if another one has it.
func (y *history) piece(of *replay, offset uint64) piece {
	n := len(of.pieces)
	for _, r := range y.replays {
		if r.to == of.to && r.variant == of.variant && n < len(r.pieces) && r.pieces[n].first == offset {
			return r.pieces[n]
		}
	}
	return piece{}
}

// list is the history for readers: at most limit publications after from (none: the newest).
func (y *history) list(from Position, limit int) Past {
	p := Past{Top: y.at, Floor: y.floor, Complete: true, Before: y.before}
	missed := y.past
	if from.Epoch != "" {
		var ok bool
		if missed, ok = y.after(from); !ok {
			missed, p.Complete = y.past, false
		}
		missed = missed[:min(limit, len(missed))]
	} else {
		missed = missed[max(0, len(missed)-limit):]
	}
	for _, m := range missed {
		p.Kept = append(p.Kept, Kept{Position: Position{y.at.Epoch, m.offset}, Payload: m.payload, Binary: m.binary, At: time.Unix(0, m.at)})
	}
	return p
}

// adjust gives a channel of a node alone a history, or takes it away, when its
// namespace has changed. In a fleet, channels get theirs when they are wanted
// anew. The stripe is locked.
func (h *Hub) adjust(ch *channel, limits *History) {
	switch {
	case limits != nil && ch.history == nil && ch.remote == nil && h.broker == nil:
		ch.history = &history{at: Position{Epoch: h.newEpoch()}}
	case limits == nil && ch.history != nil:
		h.keptBytes.Add(-int64(ch.history.bytes))
		ch.history = nil
		if ch.total == 0 {
			h.forget(ch)
		}
	}
}

// epochs are unique among all histories of all runs of a node alone: a time and a number.
func (h *Hub) newEpoch() string {
	return h.epoch + strconv.FormatUint(h.epochs.Add(1), 36)
}

// forgetAfter is how many lifetimes of a publication (but at least
// forgetAtLeast) a history that nobody uses is remembered: for so long a client
// that comes back with its position learns that it has missed nothing.
const (
	forgetAfter   = 2
	forgetAtLeast = 10 * time.Minute
)

// sweep lets go of the old in one stripe, of what was encoded for those who came back,
// and of channels that are nothing but an old history.
func (h *Hub) sweep(st *stripe, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, ch := range st.channels {
		y := ch.history
		limits := ch.namespace.Load().History
		if y == nil || limits == nil {
			continue
		}
		h.expire(ch, limits, now)
		y.replays = [2]replay{}
		if h.broker == nil && ch.total == 0 && len(y.past) == 0 && now.Sub(ch.used) > max(forgetAfter*limits.TTL, forgetAtLeast) {
			h.forget(ch)
		}
	}
}

// History returns at most limit publications of a channel after a position
// (none: the newest), from this node's memory: in a fleet, the broker's history
// is asked instead. False: the channel keeps none.
func (h *Hub) History(name string, after Position, limit int) (Past, bool) {
	limits := h.settings.Load().Namespace(name).History
	if limits == nil {
		return Past{}, false
	}
	st := h.stripeOf(name)
	st.mu.Lock()
	defer st.mu.Unlock()
	ch := h.channelIn(st, name)
	if ch.history == nil {
		return Past{}, false
	}
	h.expire(ch, limits, time.Now())
	return ch.history.list(after, limit), true
}
