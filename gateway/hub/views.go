package hub

import (
	"slices"
	"strings"
	"time"

	"sluice/gateway/metrics"
)

// Channels lists the channels whose names begin with prefix, sorted, at most
// limit of them, and says how many there are.
func (h *Hub) Channels(prefix string, limit int) (list []ChannelInfo, total int) {
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		for name, ch := range st.channels {
			if strings.HasPrefix(name, prefix) {
				list = append(list, ChannelInfo{Name: name, Subscribers: ch.total})
			}
		}
		st.mu.Unlock()
	}
	total = len(list)
	slices.SortFunc(list, func(a, b ChannelInfo) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(limit, total)], total
}

// Subscribers is how many subscribers a channel has.
func (h *Hub) Subscribers(name string) int {
	st := h.stripeOf(name)
	st.mu.Lock()
	defer st.mu.Unlock()
	if ch := st.channels[name]; ch != nil {
		return ch.total
	}
	return 0
}

// Connections lists at most limit open connections.
func (h *Hub) Connections(limit int) []ConnectionInfo {
	var list []ConnectionInfo
	for _, sh := range h.shards {
		if len(list) >= limit {
			break
		}
		sh.call(func() { list = sh.list(list, limit) })
	}
	return list
}

// list appends the shard's connections to list, up to limit.
func (sh *shard) list(list []ConnectionInfo, limit int) []ConnectionInfo {
	for _, c := range sh.slots.all() {
		for _, s := range c.subs {
			if len(list) >= limit {
				return list
			}
			if s != nil && s.flags&flagClosing == 0 {
				list = append(list, s.info())
			}
		}
	}
	return list
}

// info is the subscriber as the server API shows it. The shard calls it.
func (s *Subscriber) info() ConnectionInfo {
	info := ConnectionInfo{ID: s.ID(), QueuedBytes: s.Queued(), Conn: s.conn, Channels: []string{}}
	if s.first.run != nil {
		info.Channels = append(info.Channels, s.first.run.key.ch.name)
	}
	if s.more != nil {
		for _, sub := range *s.more {
			info.Channels = append(info.Channels, sub.run.key.ch.name)
		}
	}
	if s.out != nil {
		info.QueuedFrames = s.out.len()
	}
	return info
}

// Members lists at most limit subscribers of a channel, and says how many there are.
func (h *Hub) Members(name string, limit int) (list []ConnectionInfo, total int) {
	st := h.stripeOf(name)
	st.mu.Lock()
	ch := st.channels[name]
	if ch != nil {
		total = ch.total
	}
	st.mu.Unlock()
	if ch == nil {
		return nil, 0
	}
	for _, sh := range h.shards {
		sh.call(func() {
			for v := range h.codecs {
				r := sh.runs[runKey{ch, Variant(v)}]
				if r == nil {
					continue
				}
				for i := range r.subs {
					if len(list) >= limit {
						return
					}
					s := r.subs[i].sub
					list = append(list, ConnectionInfo{ID: s.ID(), Conn: s.conn})
				}
			}
		})
	}
	return list, max(total, len(list))
}

// Disconnect closes the connection that id names, with the encoded close
// frame, and reports whether there was one.
func (h *Hub) Disconnect(id ID, frame []byte) (found bool) {
	shard, _, _ := id.split()
	if shard >= len(h.shards) {
		return false
	}
	sh := h.shards[shard]
	sh.call(func() {
		s := sh.find(id)
		if s == nil || s.flags&(flagClosing|flagDoomed) != 0 {
			return
		}
		found = true
		sh.close(s, NewFrame(frame), metrics.CloseAPI)
	})
	return found
}

// CloseIf closes the open connections that match, with an encoded close frame
// (nil: the codec's for the reason), and returns how many they were. match is
// called on the shards' goroutines, for a chunk of connections at a time, so
// that messages are delivered in between. It must not block. Connections that
// attach meanwhile may be missed.
func (h *Hub) CloseIf(match func(Conn) bool, frame []byte, reason metrics.CloseReason) (n int) {
	var f *Frame
	if frame != nil {
		f = NewFrame(frame)
	}
	h.each(func(sh *shard, s *Subscriber) {
		if match(s.conn) {
			n++
			sh.close(s, f, reason)
		}
	})
	return n
}

// Each calls f with every open connection, as CloseIf calls match.
func (h *Hub) Each(f func(Conn)) { h.each(func(_ *shard, s *Subscriber) { f(s.conn) }) }

func (h *Hub) each(f func(*shard, *Subscriber)) {
	for _, sh := range h.shards {
		for i := 0; ; i++ {
			more := false
			sh.call(func() {
				chunks := sh.slots.all()
				if more = i < len(chunks); !more {
					return
				}
				for _, s := range chunks[i].subs {
					if s != nil && s.flags&(flagClosing|flagDoomed|flagGone) == 0 {
						f(sh, s)
					}
				}
			})
			if !more {
				break
			}
		}
	}
}

// call runs f on the shard's goroutine and waits for it. After Stop, f may not run.
func (sh *shard) call(f func()) {
	done := make(chan struct{})
	sh.post(item{kind: itemCall, do: func() {
		defer close(done)
		f()
	}})
	select {
	case <-done:
	case <-sh.hub.stop:
		sh.hub.wg.Wait()
	}
}

// Stats returns figures of this instant.
func (h *Hub) Stats() Stats {
	st := Stats{Shards: len(h.shards), Subscriptions: int(h.seats.Load())}
	for _, sh := range h.shards {
		st.Connections += int(sh.attached.Load())
		st.Closing += int(sh.goodbyes.Load())
		st.InboxDepth = append(st.InboxDepth, int(sh.inbox.waiting.Load()))
		st.QueuedBytes += sh.queuedBytes.Load()
	}
	for i := range h.stripes {
		s := &h.stripes[i]
		s.mu.Lock()
		st.Channels += len(s.channels)
		s.mu.Unlock()
	}
	return st
}

// nanos is the monotonic clock, since the hub began.
func (h *Hub) nanos() int64 { return int64(time.Since(h.start)) }

// since is how long ago at was.
func (h *Hub) since(at int64) time.Duration { return time.Duration(h.nanos() - at) }
