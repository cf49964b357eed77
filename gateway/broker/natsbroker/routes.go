package natsbroker

// routes remembers the connections to other servers from one look to the next. A
// server that was started anew is another one, by its ID.
//
// One of a server's connections may end while the others stay: where a network
// takes nothing for a while, only one that has much to send finds out. Which of
// them carries the channels, the server does not tell.
type routes struct {
	here  map[uint64]string
	ended map[string]int // by server: connections that no other has taken the place of
	due   bool
}

// maxGone bounds the servers that are remembered: those that were stopped never come back.
const maxGone = 10_000

// look compares, and says whether messages may have been lost that are not lost
// any more. It says so one look later than it sees the new connection: until
// then the server at its other end has said what its clients are subscribed to.
func (r *routes) look(now map[uint64]string) (healed bool) {
	healed, r.due = r.due, false
	for connection, server := range r.here {
		if _, ok := now[connection]; !ok {
			r.ended[server]++
		}
	}
	for connection, server := range now {
		if _, ok := r.here[connection]; ok || r.ended[server] == 0 {
			continue
		}
		r.due = true
		if r.ended[server]--; r.ended[server] == 0 {
			delete(r.ended, server)
		}
	}
	if len(r.ended) > maxGone {
		clear(r.ended)
	}
	r.here = now
	return healed
}
