package bench

import (
	"strconv"
	"strings"

	"sluice/gateway/ws"
)

// publisher is one source of messages. It is connection number conn, or, with
// the HTTP API, a goroutine that posts.
type publisher struct {
	conn    int
	channel int
	column  int     // of the checker: subscribers have one per publisher of their channel
	seq     uint64  // of the last message
	flight  *flight // its messages on the way
	out     []byte  // frames that leave together
	post    *poster // nil: over the WebSocket
}

// channels tells who is in which channel: connection i and publisher i both
// belong to channel i mod n.
type channels struct {
	n       int
	columns int // publishers per channel, at most
}

func channelsOf(p *Plan) channels {
	n := max(1, p.Channels)
	return channels{n: n, columns: (p.Publishers + n - 1) / n}
}

func (c channels) of(i int) int     { return i % c.n }
func (c channels) column(i int) int { return i / c.n }

func channelName(ch int) string { return "flood-" + strconv.Itoa(ch) }

// channelPath makes the request path of each connection, which names its
// channel; nil when the plan names none.
func channelPath(p *Plan, targets []target) func(i int) string {
	if p.Channels == 0 {
		return nil
	}
	return func(i int) string {
		path := targets[i%len(targets)].path
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		return path + sep + "channel=" + channelName(i%p.Channels)
	}
}

// publish makes the publisher's next message, planned for then; it leaves with
// the next flush.
func (p *publisher) publish(plan *Plan, scratch []byte, planned int64, id, waiting int) []byte {
	p.seq++
	scratch = appendPayload(scratch[:0], plan.Size, stamp{publisher: id, seq: p.seq, planned: planned})
	if waiting > 0 {
		p.flight.launch(p.seq, waiting)
	}
	switch {
	case p.post != nil:
		p.post.send(channelName(p.channel), scratch)
	case plan.Binary:
		p.out = appendMasked(p.out, ws.Binary, scratch)
	default:
		p.out = appendMasked(p.out, ws.Text, scratch)
	}
	return scratch
}

// flush sends what was published since the last one, in one write.
func (p *publisher) flush(s *swarm) {
	if len(p.out) > 0 {
		s.send(p.conn, p.out)
		p.out = p.out[:0]
	}
}
