package fleet

import "time"

// namesake is another node that has this one's name, by mistake: what is asked of
// one of them reaches both, and the others take them for one that restarts all the time.
type namesake struct {
	heard, logged time.Time
	older         bool // than this node
}

// Namesake says that another node has this one's name, and had it before.
func (f *Fleet) Namesake() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.namesake.older && time.Since(f.namesake.heard) <= silence
}

// namesakeWarning is how often it is said.
const namesakeWarning = 10 * time.Second

// heardNamesake takes the status of a node with this one's name, from itself or from
// one that hears both: NATS servers that have one name do not talk to each other.
func (f *Fleet) heardNamesake(m *message) {
	if m.Kind != kindStatus && m.Kind != kindTwins || m.Status == nil {
		return
	}
	started := f.o.Status().Started
	if m.Kind == kindStatus && m.Status.Started.Equal(started) {
		return // it is our own
	}
	now := time.Now()
	f.mu.Lock()
	n := &f.namesake
	n.heard, n.older = now, m.Status.Started.Before(started)
	warn := now.Sub(n.logged) >= namesakeWarning
	if warn {
		n.logged = now
	}
	f.mu.Unlock()
	if warn {
		f.o.Log.Error().Str("node", f.o.Node).
			Msg("another node of the fleet has this one's name: give each its own broker.node; the one that started later is not ready until then")
	}
}
