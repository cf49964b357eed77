package session

import "sync"

// Tally counts what users are subscribed to on this node, all their connections together.
type Tally struct {
	// Guarded by mu.
	mu    sync.Mutex
	users map[string]int
}

// NewTally returns an empty one.
func NewTally() *Tally { return &Tally{users: map[string]int{}} }

// room says that a user may join n channels more; a limit of 0 is none.
func (t *Tally) room(user string, n, limit int) bool {
	if limit == 0 || user == "" {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.users[user]+n <= limit
}

// Users is how many users are counted.
func (t *Tally) Users() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.users)
}

func (t *Tally) add(user string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[user] += n; t.users[user] == 0 {
		delete(t.users, user)
	}
}

// count counts the session's channels for its user, unless it has ended.
func (s *Session) count(adm *Admission) {
	if adm.id == nil || adm.id.User == "" {
		return
	}
	t := s.ep.Auth.Users
	t.add(adm.id.User, len(adm.Channels))
	adm.counted.Store(true)
	if s.Ended() { // perhaps before there was something to take back
		s.uncount(adm)
	} else if now := s.admission.Load(); now != adm && s.uncount(adm) { // adapt came when adm was not counted yet
		s.count(now)
	}
}

// uncount takes that back, once, and reports whether it did.
func (s *Session) uncount(adm *Admission) bool {
	if adm == nil || !adm.counted.Swap(false) {
		return false
	}
	s.ep.Auth.Users.add(adm.id.User, -len(adm.Channels))
	return true
}

// Detach takes the session out of the hub when its connection has ended, and
// out of its user's count. As the hub's, it may come at any time, from any
// goroutine, more than once.
func (s *Session) Detach() {
	s.Subscriber.Detach()
	s.uncount(s.admission.Load())
}
