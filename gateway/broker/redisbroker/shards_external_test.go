//go:build fleet

package redisbroker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/broker/enginetest"
)

// With sharded pub/sub, each message goes to one master, which says how many nodes it reached.
func TestFleetNodesRedisCluster(t *testing.T) {
	c := enginetest.StartCluster(t)
	a, b := links(t, clusterOptions(c, "", true))
	nodesReached(t, a, b)
}

// What a server cannot do is said when the link begins, with what to do about it.
func TestFleetUnusable(t *testing.T) {
	single := enginetest.Redis(t)
	single.Start(t)
	if out, ok := single.CLI(t, "acl", "setuser", "small", "on", ">x", "~*", "&*", "+@all", "-eval"); !ok {
		t.Fatal(out)
	}
	protected := enginetest.Redis(t, "--requirepass", "secret")
	protected.Start(t)
	cluster := enginetest.StartCluster(t)
	old := enginetest.StartCluster(t, "--rename-command", "SSUBSCRIBE", "")
	for what, test := range map[string]struct {
		o    Options
		want string
	}{
		"no sharded pub/sub":    {clusterOptions(old, "a", true), "set broker.redis_pubsub to plain"},
		"a cluster, not said":   {Options{Addresses: cluster.Addresses()[:1]}, "set broker.redis_cluster"},
		"no cluster":            {Options{Addresses: []string{single.Address}, Cluster: true, Sharded: true}, "leave out broker.redis_cluster"},
		"no password":           {Options{Addresses: []string{protected.Address}}, "broker.password_file"},
		"another password":      {Options{Addresses: []string{protected.Address}, Password: "x"}, "broker.password_file"},
		"a user without rights": {Options{Addresses: []string{single.Address}, User: "small", Password: "x"}, "what the broker's user needs"},
	} {
		test.o.Node, test.o.Prefix, test.o.QueueBytes = "a", "sluice", 1<<20
		l, err := New(test.o)
		if err != nil {
			t.Fatal(err)
		}
		downs := make(chan error, 1)
		if err := l.Start(downer{&recorder{}, downs}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-downs:
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", what, err, test.want)
			}
		case <-time.After(enginetest.Patience):
			t.Errorf("%s: the link says nothing", what)
		}
		_ = l.Close(t.Context())
	}
}

// downer gives Down on.
type downer struct {
	*recorder
	downs chan<- error
}

func (d downer) Down(err error) { d.downs <- err }

// stream publishes and appends numbers on a channel until it is stopped, and
// returns which of each were taken.
func (r *recorder) stream(t *testing.T, channel string) (stop func() (plain, kept taken)) {
	end, ended := make(chan struct{}), make(chan struct{})
	plain, kept := taken{}, taken{}
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
			}
			plain[i] = r.published(t, channel, fmt.Sprint("plain ", i)) == nil
			_, err := r.stored(t, channel, fmt.Sprint("kept ", i))
			kept[i] = err == nil
		}
	}()
	return func() (taken, taken) {
		close(end)
		<-ended
		return plain, kept
	}
}

// taken are the numbers of messages that were taken.
type taken map[int]bool

func (k taken) last() (last int) {
	for i, ok := range k {
		if ok {
			last = max(last, i)
		}
	}
	return last
}

// ascending fails where a message came twice, or after a newer one, and where one
// is missing that was taken, and nothing was said of it. Those of late may come after newer ones.
func (k taken) ascending(t *testing.T, list []string, prefix string, late numbers) {
	t.Helper()
	next, told, lost := 0, false, 0
	came, awaited := map[int]bool{}, map[int]bool{}
	for _, m := range list {
		if m == missed {
			told = true
			clear(awaited)
			continue
		}
		if !strings.HasPrefix(m, prefix) {
			continue
		}
		number := numberOf(t, m, prefix)
		if came[number] {
			t.Fatalf("%s came twice", m)
		}
		came[number] = true
		if number < next {
			if !late.has(number) {
				t.Fatalf("%s came after %s%d", m, prefix, next-1)
			}
			t.Logf("%s came after %s%d", m, prefix, next-1)
			delete(awaited, number)
			continue
		}
		for ; next < number; next++ {
			switch {
			case !k[next]:
			case told:
				lost++
			case late.has(next):
				awaited[next] = true
			default:
				t.Fatalf("%s came, %s%d did not, and nothing was said", m, prefix, next)
			}
		}
		next, told = number+1, false
	}
	if len(awaited) > 0 {
		t.Fatalf("of %s%v did not come, and nothing was said", prefix, slices.Sorted(maps.Keys(awaited)))
	}
	t.Logf("%s: %d sent, the last taken was %d, %d were missed and that was told", prefix, len(k), k.last(), lost)
}

// numbers are those from one to before another.
type numbers struct{ from, to int }

func (s numbers) has(number int) bool { return s.from <= number && number < s.to }

func numberOf(t *testing.T, m, prefix string) (number int) {
	t.Helper()
	if _, err := fmt.Sscan(strings.TrimPrefix(m, prefix), &number); err != nil {
		t.Fatal(err)
	}
	return number
}

// arrived waits for the last messages that were taken, and looks at all of them.
// Those of late, of the plain ones, may come after newer ones.
func (r *recorder) arrived(t *testing.T, channel string, plain, kept taken, late numbers) {
	t.Helper()
	has := func(m string) bool { return slices.Contains(r.got(channel, ""), m) }
	enginetest.Eventually(t, "last message", func() bool {
		return has(fmt.Sprint("plain ", plain.last())) && has(fmt.Sprint("kept ", kept.last()))
	})
	plain.ascending(t, r.got(channel, ""), "plain ", late)
	kept.ascending(t, r.got(channel, ""), "kept ", numbers{})
}

// A slot gets another master under load: its channels are subscribed to there,
// and told that they may have missed something; no others are.
func TestFleetClusterSlotMoves(t *testing.T) {
	c := enginetest.StartCluster(t)
	a, b := links(t, clusterOptions(c, "", true))
	from, to := c[0], c[1]
	moving, other := channelOf(t, c, from), channelOf(t, c, c[2])
	b.subscribe(t, moving, other)
	a.meet(t, b)
	stop := a.stream(t, moving)
	enginetest.Eventually(t, "messages", func() bool { return len(b.got(moving, "kept ")) > 20 })

	c.Move(t, "sluice:c:"+moving, from, to)
	enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(moving, missed)) > 0 })
	before := len(b.got(moving, "plain "))
	enginetest.Eventually(t, "messages", func() bool { return len(b.got(moving, "plain ")) > before+20 })
	plain, kept := stop()
	b.arrived(t, moving, plain, kept, numbers{})
	if n := len(b.got(other, missed)); n > 0 {
		t.Errorf("a channel of another slot was said to have missed something, %d times", n)
	}
	if up, downs := b.state(); !up || downs > 0 {
		t.Errorf("the link was lost %d times", downs)
	}
}

// A replica becomes the master by an operator's word, and its master the replica,
// which becomes the master again when the new one is killed. Each time messages go on, what was
// missed is told, and no other channels are concerned. As a replica, the old master takes the plain messages
// that are on their way to it, and passes them on, and so does the new one for who is still subscribed at the old one. Redis
// gives no guarantee for these: they may come after newer ones, and what is lost is told when the node has moved.
func TestFleetClusterFailover(t *testing.T) {
	c := enginetest.StartCluster(t)
	a, b := links(t, clusterOptions(c, "", true))
	old := c[0]
	replica := c.Replica(t, old)
	moving, other := channelOf(t, c, old), channelOf(t, c, c[2])
	b.subscribe(t, moving, other)
	b.want(moving, other)
	a.meet(t, b)
	stop := a.stream(t, moving)
	// again waits until both kinds come again, and it was told that some may not have.
	again := func(told int) {
		published, stored := len(b.got(moving, "plain ")), len(b.got(moving, "kept "))
		enginetest.Eventually(t, "messages", func() bool {
			return len(b.got(moving, "plain ")) > published+20 && len(b.got(moving, "kept ")) > stored+20 && len(b.got(moving, missed)) > told
		})
	}
	highest := func() (n int) {
		for _, m := range b.got(moving, "plain ") {
			n = max(n, numberOf(t, m, "plain "))
		}
		return n
	}
	enginetest.Eventually(t, "messages", func() bool { return len(b.got(moving, "plain ")) > 0 })
	late := numbers{from: highest() + 1}
	replica.TakeOver(t)
	enginetest.Eventually(t, "publications at the new master alone", func() bool {
		before, begun := spublished(t, old), spublished(t, replica)
		enginetest.Eventually(t, "publications", func() bool { return spublished(t, old) > before || spublished(t, replica) > begun+20 })
		return spublished(t, old) == before
	})
	again(0)
	late.to = highest() + 1

	c.Replicates(t, old)
	told := len(b.got(moving, missed))
	replica.Kill()
	again(told)
	plain, kept := stop()
	b.arrived(t, moving, plain, kept, late)
	_, downs := b.state() // it is, with a cluster that takes more than 5 s to get over the loss
	t.Logf("the link was lost %d times", downs)
	if n := len(b.got(other, missed)); n > downs {
		t.Errorf("a channel of another master was said to have missed something, %d times", n)
	}
}

// spublished is how many messages clients have published at a server.
func spublished(t *testing.T, s *enginetest.Server) (calls int) {
	t.Helper()
	out, _ := s.CLI(t, "info", "commandstats")
	if _, after, ok := strings.Cut(out, "cmdstat_spublish:calls="); ok {
		if _, err := fmt.Sscan(strings.Split(after, ",")[0], &calls); err != nil {
			t.Fatal(err)
		}
	}
	return calls
}
