package bench

import (
	"math"
	"time"
)

// RollCall is what became of the messages that a connect run ends with.
type RollCall struct {
	Channels  int           `json:"channels"`
	Messages  int           `json:"messages"`  // to each channel
	Expected  uint64        `json:"expected"`  // deliveries: connections that were open, times messages
	Delivered uint64        `json:"delivered"` // of them, each counted once; duplicates are faults
	Took      time.Duration `json:"took_ns"`   // until the last of them
}

// complete says whether everyone answered; there is nothing to answer without a roll call.
func (c *RollCall) complete() bool { return c == nil || c.Delivered == c.Expected }

// callsAhead is how many messages are on the way at a time: while the last
// subscribers of one are read, the next is sent. To send to a million
// connections at once makes a slow machine send again what is only late.
const callsAhead = 2

// afterCall is how long what comes twice is waited for, when everything came once.
const afterCall = time.Second

// checkRollCall says what of a plan's roll call cannot be.
func checkRollCall(p *Plan, bad func(string, ...any)) {
	if !p.RollCall {
		return
	}
	if p.Channels > p.Connections {
		bad("a roll call of %d channels needs as many connections", p.Channels)
	}
	if p.Publishers != max(1, p.Channels) {
		bad("a roll call has one publisher for each channel")
	}
}

// rollCall publishes to every channel, and follows every message to every
// connection, as fanout does, on the connections that are open by now. From here
// on the fanout is what the swarm tells its news.
func (r *run) rollCall() error {
	f := newFanout(r)
	f.from, f.to = 0, math.MaxInt64
	var post *poster // nil: over the WebSockets
	if r.plan.API != "" {
		var err error
		if post, err = newPoster(r.plan); err != nil {
			return err
		}
		defer post.stop()
		for i := range f.publishers {
			f.publishers[i].post = post
		}
	}
	f.takeOver()
	call := &RollCall{Channels: f.channels.n, Messages: max(1, r.plan.Messages)}
	r.result.RollCall = call
	r.each = &f.delivery
	r.enter("roll call", 0)

	begun := r.clock.now()
	f.arrived = begun
	err := f.call(call, post)
	call.Took = time.Duration(f.arrived - begun)
	if err == nil {
		err = r.rest("roll call", afterCall)
	}
	f.settle(err != nil || f.broken != nil)
	call.Delivered = f.deliveries - f.check.faults.Duplicated
	return firstOf(err, f.broken, post.failure())
}

// takeOver makes the first open connection of each channel its publisher, and
// counts who waits for messages. What came before is nobody's message.
func (f *fanout) takeOver() {
	has := make([]bool, f.channels.n)
	for i := range f.swarm.conns {
		if f.swarm.conns[i].state != open {
			continue
		}
		ch := f.channelOf(i)
		f.alive[ch]++
		if !has[ch] {
			has[ch] = true
			f.publishers[ch].conn = i
		}
	}
	for p := range f.publishers {
		if f.publishers[p].post == nil {
			f.publishers[p].over(f.plan, f.swarm)
		}
	}
	f.swarm.handler = f
}

// call sends the messages, each to one channel after the other, and returns when
// all have them, or nothing has come for the plan's patience.
func (f *fanout) call(call *RollCall, post *poster) error {
	total := call.Messages * len(f.publishers)
	for ch, n := range f.alive {
		if pub := &f.publishers[ch]; n > 0 && !pub.reaches(pub.conn) {
			n--
		}
		call.Expected += uint64(n * call.Messages)
	}
	sent := 0
	handshakes := f.done
	return f.loop(func(now int64) (bool, time.Duration) {
		f.done = handshakes + f.deliveries
		for sent < total && f.flying() < callsAhead {
			p := sent % len(f.publishers)
			if f.alive[f.publishers[p].channel] > 0 {
				f.publish(p, now)
				f.publishers[p].flush(f.swarm)
			}
			sent++
		}
		over := sent == total && f.flying() == 0 || f.broken != nil || post.failure() != nil
		return over || now-f.arrived > int64(f.plan.Patience), maxWait
	})
}
