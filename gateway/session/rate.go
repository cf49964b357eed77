package session

import (
	"time"

	"sluice/gateway/hub"
)

// The rates of one client. Each is a bucket that a message, a byte or a control
// frame fills and time empties, in the grain of the hub's clock: what is in it
// is all that has to be kept, and there is room for it in the session anyway.

// withinRate counts a message.
func (s *Session) withinRate(limits *Limits) bool {
	s.tick(limits)
	if int(s.messages) >= 2*limits.MessagesPerSecond {
		return false
	}
	s.messages++
	return true
}

// withinByteRate counts n bytes: as they came from the socket, and what a
// compressed message is longer than that.
func (s *Session) withinByteRate(limits *Limits, n int) bool {
	s.tick(limits)
	if int(s.bytes)+n > byteBurst(limits) {
		return false
	}
	s.bytes += uint32(n)
	return true
}

// byteBurst is what may come at once: one message of the largest size always may.
func byteBurst(limits *Limits) int {
	return max(2*limits.BytesPerSecond, limits.Rules.MaxWire())
}

// withinControlRate counts a ping or a pong.
func (s *Session) withinControlRate(limits *Limits) bool {
	s.tick(limits)
	if int(s.controls) >= 2*limits.ControlFramesPerSecond {
		return false
	}
	s.controls++
	return true
}

// withinRefreshRate counts a token by which the client renews its own. There is
// no room for that in the session: it stands in what the client was let in with,
// which nobody shares who may renew it.
func (s *Session) withinRefreshRate(limits *Limits) bool {
	const count, minuteTicks = 0xFF, uint32(time.Minute / hub.TickInterval)
	adm := s.admission.Load()
	minute, old := s.ep.Hub.Now()/minuteTicks, adm.refreshes.Load()
	if old>>8 != minute {
		old = minute << 8
	}
	if int(old&count) >= limits.RefreshesPerMinute {
		return false
	}
	adm.refreshes.Store(old + 1)
	return true
}

// tick lets go what the rates allow since it was called last.
func (s *Session) tick(limits *Limits) {
	now := s.ep.Hub.Now()
	if s.second == now {
		return
	}
	passed := int64(now - s.second)
	s.messages -= uint32(min(int64(s.messages), passed*int64(limits.MessagesPerSecond)))
	s.bytes -= uint32(min(int64(s.bytes), passed*int64(limits.BytesPerSecond)))
	s.controls -= uint16(min(int64(s.controls), passed*int64(limits.ControlFramesPerSecond)))
	s.second = now
}
