package bench

import "sluice/gateway/ws"

// publisher is one source of messages. It is the connection with index conn, or,
// with the HTTP API, a goroutine that posts. Those of other processes are known
// here too, as their messages come here.
type publisher struct {
	conn    int // -1: it is no connection of this process
	own     bool
	channel int
	column  int       // of the checker: subscribers have one per publisher of their channel
	seq     uint64    // of the last message; of others: that is known of
	flight  *flight   // its messages on the way
	out     []byte    // frames that leave together
	post    *poster   // nil: over the WebSocket
	wrap    *template // what its messages are; nil: the payload
	wrapped []byte
	quiet   bool // its own connection does not get its messages
}

// publish makes the publisher's next message, planned for then; it leaves with
// the next flush.
func (p *publisher) publish(plan *Plan, scratch []byte, planned int64, id, waiting int) []byte {
	p.seq++
	scratch = appendPayload(scratch[:0], plan.Size, stamp{publisher: id, seq: p.seq, planned: planned})
	if waiting > 0 {
		p.flight.launch(p.seq, waiting)
	}
	if p.post != nil {
		p.post.send(id, p.channel, p.seq, scratch)
		return scratch
	}
	opcode, message := ws.Text, scratch
	if plan.Binary {
		opcode = ws.Binary
	}
	if p.wrap != nil {
		p.wrapped = p.wrap.append(p.wrapped[:0], id, p.channel, scratch)
		message = p.wrapped
	}
	p.out = appendMasked(p.out, opcode, message)
	return scratch
}

// flush sends what was published since the last one, in one write.
func (p *publisher) flush(s *swarm) {
	if len(p.out) > 0 {
		s.send(p.conn, p.out)
		p.out = p.out[:0]
	}
}

// over has the publisher speak the plan's dialect on its connection, conn of s.
func (p *publisher) over(plan *Plan, s *swarm) {
	s.conns[p.conn].noDelay = true
	p.quiet = plan.Dialect.NoEcho
	if plan.Dialect.Publish != "" {
		wrap := parseTemplate(plan.Dialect.Publish)
		p.wrap = &wrap
	}
}

// hear takes note of messages up to seq that another process published, and that
// so many subscribers of this one wait for.
func (p *publisher) hear(seq uint64, waiting int) {
	for p.seq < seq {
		p.seq++
		if waiting > 0 {
			p.flight.launch(p.seq, waiting)
		}
	}
}

// reaches says whether connection i, of the publisher's channel, gets its messages.
//
// hot: once per received message.
func (p *publisher) reaches(i int) bool { return !p.quiet || p.conn != i }
