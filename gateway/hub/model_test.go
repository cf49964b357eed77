package hub

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"sluice/gateway/metrics"
)

// TestModel lets random clients join, leave, block and go while messages are
// published to several channels, with slices and batches small enough that
// everything happens in the middle of something else. Each client must get
// each channel's messages in order and without a gap, from the first one
// published after it joined: all of them if it stays, a beginning if it leaves.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { model(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// member is a client's time in a channel.
type member struct {
	from, to int // numbers of the first message it must get, and of the first one after it left; to < 0: it stays
}

type modelClient struct {
	conn    *fakeConn
	members map[string]*member
}

func model(t *testing.T, rnd *rand.Rand) {
	r := newRig(t, func(o *Options) {
		o.Shards = 1 + rnd.IntN(3)
		o.Slice = 1 + rnd.IntN(5)
		o.BatchBytes = 20 + rnd.IntN(100)
		o.Settings.WriteQueue = 30 + rnd.IntN(100)
		o.Settings.OutboxFrames = 1 << 20
	})
	names := []string{"a", "b", "c"}
	count := map[string]int{}
	var clients []*modelClient
	alive := func() *modelClient {
		if len(clients) == 0 {
			return nil
		}
		return clients[rnd.IntN(len(clients))]
	}
	gone := map[*modelClient]bool{}
	for range 3000 {
		switch op := rnd.IntN(20); {
		case op < 2:
			clients = append(clients, &modelClient{conn: r.client(), members: map[string]*member{}})
		case op < 6:
			c, name := alive(), names[rnd.IntN(len(names))]
			if c == nil || gone[c] || c.members[name] != nil {
				continue
			}
			if err := join(r, c.conn.sub, name); err != nil {
				t.Fatal(err)
			}
			c.members[name] = &member{from: count[name], to: -1}
		case op < 7:
			if c, name := alive(), names[rnd.IntN(len(names))]; c != nil && !gone[c] && c.members[name] != nil && c.members[name].to < 0 {
				r.Unsubscribe(c.conn.sub, name)
				c.members[name].to = count[name]
			}
		case op < 8:
			if c := alive(); c != nil && !gone[c] && rnd.IntN(3) == 0 {
				gone[c] = true
				for name, m := range c.members {
					if m.to < 0 {
						m.to = count[name]
					}
				}
				c.conn.close()
			}
		case op < 9:
			if c := alive(); c != nil {
				c.conn.mu.Lock()
				c.conn.blocked = true
				c.conn.mu.Unlock()
			}
		case op < 10:
			if c := alive(); c != nil {
				c.conn.unblock()
			}
		case op < 11:
			r.settled()
		default:
			name := names[rnd.IntN(len(names))]
			r.publish(fmt.Sprintf("%s:%d", name, count[name]), name)
			count[name]++
		}
	}
	for _, c := range clients {
		c.conn.unblock()
	}
	r.settled()
	for i, c := range clients {
		c.conn.unblock()
		got := map[string][]int{}
		for _, m := range c.conn.messages() {
			name, number, _ := strings.Cut(m, ":")
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = append(got[name], n)
		}
		for name, m := range c.members {
			checkMember(t, fmt.Sprintf("client %d, channel %s", i, name), got[name], m, count[name])
			delete(got, name)
		}
		if len(got) != 0 {
			t.Errorf("client %d got %v of channels that it never joined", i, got)
		}
		if !gone[c] {
			c.conn.close()
		}
	}
	r.settled()
	consistent(t, r)
}

// checkMember holds what a client got of a channel against its time there.
func checkMember(t *testing.T, who string, got []int, m *member, published int) {
	t.Helper()
	for i, n := range got {
		if n != m.from+i {
			t.Errorf("%s: message %d stands where %d belongs", who, n, m.from+i)
			return
		}
	}
	switch end := m.from + len(got); {
	case m.to < 0 && end != published:
		t.Errorf("%s: got %d to %d, want up to %d", who, m.from, end, published)
	case m.to >= 0 && end > m.to:
		t.Errorf("%s: got up to %d, but left at %d", who, end, m.to)
	}
}

// consistent checks that a hub that everyone has left holds nothing any more.
func consistent(t *testing.T, r *rig) {
	t.Helper()
	st := r.Stats()
	if st.Connections != 0 || st.Channels != 0 || st.QueuedBytes != 0 {
		t.Errorf("left over: %+v", st)
	}
	for i, sh := range r.shards {
		if n := sh.inbox.waiting.Load(); n != 0 {
			t.Errorf("shard %d: %d publications still count as waiting", i, n)
		}
		if n := sh.inbox.waitingBytes.Load(); n != 0 {
			t.Errorf("shard %d: %d bytes still count as waiting", i, n)
		}
		sh.call(func() {
			if len(sh.runs) != 0 || len(sh.dirty) != 0 {
				t.Errorf("shard %d: %d runs, %d dirty", i, len(sh.runs), len(sh.dirty))
			}
		})
	}
	if n := r.closed(metrics.CloseLost); n == 0 {
		t.Error("no connection counts as lost")
	}
}
