package session

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// check compares what the client was sent since the last look.
func (c *client) check(want ...frame) {
	c.t.Helper()
	if d := cmp.Diff(want, c.frames()); d != "" {
		c.t.Errorf("(-want +got):\n%s", d)
	}
}

// Text and binary are delivered as they were published, to everyone on the
// channel, once, with nothing around.
func TestPublish(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		a, b, other := r.join(t, ""), r.join(t, "channel=lobby&channel=x"), r.join(t, "channel=x")
		a.send(ws.Text, "hello")
		a.send(ws.Binary, "\x00\xff")
		a.send(ws.Text, "")
		want := []frame{{ws.Text, "hello"}, {ws.Binary, "\x00\xff"}, {ws.Text, ""}}
		a.check(want...)
		b.check(want...)
		other.check()
		b.send(ws.Text, "to both channels")
		a.check(frame{ws.Text, "to both channels"})
		b.check(frame{ws.Text, "to both channels"})
		other.check(frame{ws.Text, "to both channels"})
		if n := r.set.Edge().MessagesIn.Load(); n != 4 {
			t.Errorf("%d messages came in, want 4", n)
		}
	})
}

// A message in fragments is published when it is whole, and control frames
// between them are answered before.
func TestFragments(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		c := r.join(t, "")
		key := [4]byte{1, 2, 3, 4}
		all := ws.AppendMaskedFragment(nil, ws.Text, false, key, []byte("one "))
		all = ws.AppendMaskedFrame(all, ws.Ping, key, []byte("?"))
		all = ws.AppendMaskedFragment(all, ws.Continuation, true, key, []byte("two"))
		for i := range all { // byte by byte, as a session may be fed
			c.Feed(all[i : i+1])
		}
		synctest.Wait()
		c.check(frame{ws.Pong, "?"}, frame{ws.Text, "one two"})
	})
}

// echo_self: false: everyone but the publisher gets the message, on all of its channels.
func TestEchoSelfOff(t *testing.T) {
	inBubble(t, hub.Settings{}, func(ep *Endpoint) { ep.EchoSelf = false }, func(t *testing.T, r *rig) {
		a, b := r.join(t, "channel=x&channel=y"), r.join(t, "channel=y&channel=x")
		a.send(ws.Text, "mine")
		b.send(ws.Text, "yours")
		a.check(frame{ws.Text, "yours"})
		b.check(frame{ws.Text, "mine"})
	})
}

// publish: false: what clients send is dropped and counted, and the
// connection stays.
func TestPublishOff(t *testing.T) {
	inBubble(t, hub.Settings{}, func(ep *Endpoint) { ep.Publish = false }, func(t *testing.T, r *rig) {
		a, b := r.join(t, ""), r.join(t, "")
		a.send(ws.Text, "not for you")
		a.send(ws.Ping, "but this is answered")
		a.check(frame{ws.Pong, "but this is answered"})
		b.check()
		if n := r.drops(metrics.DropNotAllowed); n != 1 {
			t.Errorf("%d drops, want 1", n)
		}
	})
}

// $stats can be joined where the endpoint says so, and not be written to.
func TestStatsIsReadOnly(t *testing.T) {
	inBubble(t, hub.Settings{}, func(ep *Endpoint) { ep.Stats = true }, func(t *testing.T, r *rig) {
		a, b, c := r.join(t, "channel=$stats"), r.join(t, "channel=%24stats&channel=lobby"), r.join(t, "")
		a.send(ws.Text, "forged")
		b.send(ws.Text, "to the lobby alone")
		a.check()
		b.check(frame{ws.Text, "to the lobby alone"})
		c.check(frame{ws.Text, "to the lobby alone"})
		if _, err := r.hub.Publish([]string{"$stats"}, hub.Publication{Payload: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.check(frame{ws.Text, "{}"})
		b.check(frame{ws.Text, "{}"})
		c.check()
	})
}

// Each ping is answered with its own payload, in order (RFC 6455 section 5.5.3),
// by a client that reads.
func TestPings(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		c := r.join(t, "")
		var all []byte
		want := []frame{{ws.Text, "before"}}
		all = append(all, masked(ws.Text, "before")...)
		for i := range 10 {
			p := fmt.Sprint("ping ", i)
			all = append(all, masked(ws.Ping, p)...)
			want = append(want, frame{ws.Pong, p})
		}
		all = append(all, masked(ws.Pong, "nobody asked")...)
		all = append(all, masked(ws.Text, "after")...)
		c.Feed(all)
		synctest.Wait()
		c.check(append(want, frame{ws.Text, "after"})...)
		c.send(ws.Ping, strings.Repeat("x", 125))
		c.check(frame{ws.Pong, strings.Repeat("x", 125)})
	})
}

// The code of a close frame is echoed (RFC 6455 section 5.5.1), once (W8), and
// nothing that follows it is looked at (W10).
func TestClose(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		want          frame
	}{
		{"normal", "\x03\xe8bye", farewell(ws.NormalClosure, "")},
		{"going away", "\x03\xe9", farewell(ws.GoingAway, "")},
		{"an application's code", "\x0f\xa0", farewell(4000, "")},
		{"no code", "", farewell(ws.NormalClosure, "")},
		{"a code that is never sent", "\x03\xed", farewell(ws.ProtocolError, "a reserved close code")},
		{"half a code", "\x03", farewell(ws.ProtocolError, "")},
		{"a reason that is not UTF-8", "\x03\xe8\xff", farewell(ws.InvalidPayload, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
				a, b := r.join(t, ""), r.join(t, "")
				a.Feed(append(masked(ws.Close, c.payload), masked(ws.Text, "too late")...))
				a.send(ws.Text, "later still")
				a.send(ws.Close, c.payload)
				a.send(ws.Ping, "")
				got := a.frames()
				if len(got) != 1 || got[0].Op != ws.Close || !strings.HasPrefix(got[0].Payload, c.want.Payload[:2]) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				b.check()
				if finished, aborted := a.ended(); !finished || aborted {
					t.Errorf("finished: %v, aborted: %v", finished, aborted)
				}
				a.Detach()
				synctest.Wait()
				if st := r.hub.Stats(); st.Connections != 1 {
					t.Errorf("%d connections, want 1", st.Connections)
				}
			})
		})
	}
}

// What breaks the protocol is answered with its code, and counted.
func TestBrokenClients(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  []byte
		code   ws.CloseCode
		reason metrics.CloseReason
	}{
		{"unmasked (W1)", ws.AppendFrame(nil, ws.Text, []byte("x")), ws.ProtocolError, metrics.CloseProtocol},
		{"a reserved opcode (W2)", masked(3, "x"), ws.ProtocolError, metrics.CloseProtocol},
		{"too big (W3)", masked(ws.Binary, strings.Repeat("x", 1001)), ws.MessageTooBig, metrics.CloseTooBig},
		{"not UTF-8 (W7)", masked(ws.Text, "\xff"), ws.InvalidPayload, metrics.CloseProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
				a, b := r.join(t, ""), r.join(t, "")
				a.Feed(append(masked(ws.Text, "before"), c.bytes...))
				a.send(ws.Text, "after")
				b.check(frame{ws.Text, "before"})
				got := a.frames()
				if len(got) != 2 || got[1].Op != ws.Close || got[1].Payload[:2] != farewell(c.code, "").Payload {
					t.Errorf("got %q, want close %d", got, c.code)
				}
				a.Detach()
				synctest.Wait()
				if n := r.closed(c.reason); n != 1 {
					t.Errorf("%d were closed as %v, want 1", n, c.reason)
				}
			})
		})
	}
}

// L1: above messages_per_second, with bursts of twice as many, a client is
// closed with 1008; at the rate, second after second, it is not.
func TestL1MessageRate(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		r.limit(func(l *Limits) { l.MessagesPerSecond = 3 })
		c := r.join(t, "")
		x := slices.Repeat([]frame{{ws.Text, "x"}}, 6)
		for range 5 {
			for range 3 {
				c.send(ws.Text, "x")
			}
			c.check(x[:3]...)
			time.Sleep(hub.TickInterval)
			synctest.Wait()
		}
		for range 7 {
			c.send(ws.Text, "x")
		}
		c.check(append(x, farewell(ws.PolicyViolation, "too many messages"))...)
		if n := r.drops(metrics.DropRateLimit); n != 1 {
			t.Errorf("%d drops, want 1", n)
		}
	})
}

// L1, W4: above bytes_per_second, with bursts of twice as many, a client is closed
// with 1008, whatever its frames are, also empty continuations; at the rate it is not, and one message of
// the largest size is always within it.
func TestL1ByteRate(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		r.limit(func(l *Limits) { l.BytesPerSecond, l.Rules.MaxMessage, l.Rules.MaxFragments = 100, 150, 1 })
		c, empty := r.join(t, ""), r.join(t, "channel=other")
		for range 5 {
			for range 2 {
				c.send(ws.Binary, strings.Repeat("x", 44)) // and 6 of header
			}
			time.Sleep(hub.TickInterval)
			synctest.Wait()
		}
		if n := len(c.frames()); n != 10 {
			t.Errorf("%d messages came back, want 10", n)
		}
		time.Sleep(2 * hub.TickInterval)
		synctest.Wait()
		c.send(ws.Binary, strings.Repeat("x", 150))
		c.check(frame{ws.Binary, strings.Repeat("x", 150)})
		c.send(ws.Binary, strings.Repeat("x", 80))
		c.check(farewell(ws.PolicyViolation, "too many bytes"))
		for range 40 { // 6 bytes each: headers count
			empty.send(ws.Pong, "")
		}
		empty.check(farewell(ws.PolicyViolation, "too many bytes"))
		// So do those of empty continuations. One message may have as many as
		// limits.fragments (W4), and the burst has room for one: 48 bytes each here.
		r.limit(func(l *Limits) { l.Rules.MaxFragments = 8 })
		fragments := r.join(t, "channel=third")
		key := [4]byte{1, 2, 3, 4}
		for range byteBurst(r.limits.Load())/48 + 1 {
			fragments.Feed(ws.AppendMaskedFragment(nil, ws.Text, false, key, nil))
			for i := range 7 {
				fragments.Feed(ws.AppendMaskedFragment(nil, ws.Continuation, i == 6, key, nil))
			}
		}
		synctest.Wait()
		got := fragments.frames()
		if last := got[len(got)-1]; last != farewell(ws.PolicyViolation, "too many bytes") {
			t.Errorf("empty continuations ended with %q", last)
		}
		for _, over := range []*client{c, empty, fragments} {
			over.Detach()
		}
		synctest.Wait()
		if n := r.closed(metrics.CloseByteRate); n != 3 {
			t.Errorf("%d were closed for it, want 3", n)
		}
	})
}

// W4: a million empty continuations are not taken: the message ends the
// connection with its 129th fragment.
func TestW4EmptyContinuations(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		c := r.join(t, "")
		key := [4]byte{1, 2, 3, 4}
		c.Feed(ws.AppendMaskedFragment(nil, ws.Text, false, key, nil))
		empty := ws.AppendMaskedFragment(nil, ws.Continuation, false, key, nil)
		for range 1000 {
			c.Feed(slices.Repeat(slices.Clone(empty), 1000))
		}
		synctest.Wait()
		got := c.frames()
		if len(got) != 1 || got[0].Op != ws.Close || got[0].Payload[:2] != farewell(ws.PolicyViolation, "").Payload {
			t.Errorf("got %.60q", got)
		}
	})
}

// W5: above control_frames_per_second, with bursts of twice as many, a client
// that pings or pongs is closed with 1008; at the rate it is not.
func TestW5ControlFrameRate(t *testing.T) {
	for _, op := range []ws.Opcode{ws.Ping, ws.Pong} {
		t.Run(fmt.Sprint("opcode ", op), func(t *testing.T) {
			inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
				l := *r.limits.Load()
				l.ControlFramesPerSecond = 3
				r.limits.Store(&l)
				c := r.join(t, "")
				var pongs []frame
				if op == ws.Ping {
					pongs = slices.Repeat([]frame{{ws.Pong, "x"}}, 6)
				}
				for range 5 { // a burst of six is fine once it has had two seconds
					for range 6 {
						c.send(op, "x")
						synctest.Wait()
					}
					c.check(pongs...)
					time.Sleep(2 * hub.TickInterval)
					synctest.Wait()
				}
				for range 7 {
					c.send(op, "x")
					synctest.Wait()
				}
				c.check(append(pongs, farewell(ws.PolicyViolation, "too many control frames"))...)
				c.Detach()
				synctest.Wait()
				if n := r.closed(metrics.CloseControlRate); n != 1 {
					t.Errorf("%d were closed for it, want 1", n)
				}
			})
		})
	}
}

// W4: a message that is not complete within message_timeout ends the
// connection at the next byte; control frames in between do not help, and
// messages that come in time may follow each other for ever.
func TestW4MessageTimeout(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		l := *r.limits.Load()
		l.MessageTimeout = 3 * time.Second
		r.limits.Store(&l)
		c := r.join(t, "")
		drip := func(parts ...[]byte) {
			for _, p := range parts {
				c.Feed(slices.Clone(p))
				time.Sleep(hub.TickInterval)
				synctest.Wait()
			}
		}
		x := masked(ws.Text, "x")
		for range 4 {
			drip(x[:2], x[2:5], x[5:])
		}
		c.check(slices.Repeat([]frame{{ws.Text, "x"}}, 4)...)
		first := slices.Clone(x)
		first[0] &^= 0x80 // FIN: a message of several fragments begins
		pong := masked(ws.Pong, "")
		drip(first, pong, pong, pong)
		c.check()
		drip(pong)
		c.check(farewell(ws.PolicyViolation, "a message took too long"))
		c.Detach()
		synctest.Wait()
		if n := r.closed(metrics.CloseMessageTimeout); n != 1 {
			t.Errorf("%d were closed for it, want 1", n)
		}
	})
}

// Where a channel is full, the client is told to try again later.
func TestFullChannel(t *testing.T) {
	inBubble(t, hub.Settings{Namespace: func(string) hub.Namespace { return hub.Namespace{MaxSubscribers: 1} }}, nil, func(t *testing.T, r *rig) {
		r.join(t, "")
		c := r.join(t, "channel=free&channel=lobby")
		c.check(farewell(ws.TryAgainLater, "the channel is full"))
		if n := r.hub.Subscribers("free"); n != 0 {
			t.Errorf("it is still on another channel: %d", n)
		}
	})
}

// Limits may be replaced while sessions run.
func TestLimitsAreLive(t *testing.T) {
	inBubble(t, hub.Settings{}, nil, func(t *testing.T, r *rig) {
		c := r.join(t, "")
		c.send(ws.Binary, strings.Repeat("x", 1000))
		l := *r.limits.Load()
		l.Rules.MaxMessage = 10
		r.limits.Store(&l)
		c.send(ws.Binary, strings.Repeat("x", 11))
		got := c.frames()
		if len(got) != 2 || got[1].Op != ws.Close || got[1].Payload[:2] != farewell(ws.MessageTooBig, "").Payload {
			t.Errorf("got %.40q", got)
		}
	})
}

// Every reason that the node itself may have to end a connection has a close
// frame that a client can read.
func TestCodecs(t *testing.T) {
	hint := regexp.MustCompile(`(^|, )retry in (\d+)ms$`)
	for _, within := range []time.Duration{0, 2 * time.Second} {
		dialects := &Dialects{RetryWithin: within, list: []Dialect{{}, {Positions: true}, {OnGap: GapClose, GapCode: CodeGap}}}
		for _, codec := range dialects.Codecs(new(metrics.Cell)) {
			for reason := range metrics.NumCloseReasons {
				waits := map[int]bool{}
				for _, frame := range codec.Close[reason] {
					var p ws.Parser
					m, rest, err := p.Next(&ws.Rules{Client: true}, frame)
					if err != nil || m.Opcode != ws.Close || len(rest) > 0 {
						t.Errorf("%v: %v %v", reason, m, err)
					}
					code, text, err := ws.ParseClose(m.Payload)
					if err != nil || !code.ValidReceived() {
						t.Errorf("%v: close code %d, %v", reason, code, err)
					}
					if found := hint.FindStringSubmatch(text); found != nil {
						wait, _ := strconv.Atoi(found[2])
						waits[wait] = true
						if wait > 2000 {
							t.Errorf("%v: %q", reason, text)
						}
					}
				}
				if want := within > 0 && comesBack(reason); want != (len(waits) == numHints) || !want && len(waits) > 0 {
					t.Errorf("%v within %v: %d different hints", reason, within, len(waits))
				}
			}
		}
	}
}
