//go:build fleet

package redisbroker

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/rs/zerolog"

	"sluice/gateway/broker/enginetest"
)

// A master has no room for the connection on which messages come in: it is tried
// at times, with a word in the log, and not all the time, whether a channel is
// wanted there or not. Once there is room, channels are subscribed to as ever.
func TestFleetClusterNoRoom(t *testing.T) {
	t.Run("idle", func(t *testing.T) { noRoom(t, false) })
	t.Run("wanted", func(t *testing.T) { noRoom(t, true) })
}

func noRoom(t *testing.T, wanted bool) {
	c := enginetest.StartCluster(t)
	var log lines
	o := clusterOptions(c, "b", true)
	o.Addresses, o.Log = c[1:].Addresses(), zerolog.New(&log).Level(zerolog.InfoLevel)
	l, err := New(o)
	b := record(t, l, err)
	channel := channelOf(t, c, c[0])
	if wanted {
		b.subscribe(t, channel)
	}
	admin, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{c[0].Address}, ForceSingleClient: true, DisableCache: true, ClientSetInfo: rueidis.DisableClientSetInfo,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ask := func(arguments ...string) rueidis.RedisResult {
		return admin.Do(t.Context(), admin.B().Arbitrary(arguments...).Build())
	}
	number := func(section, name string) (n int) {
		text, err := ask("info", section).ToString()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(field("\n"+text, name), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// There is room for all but one.
	room := number("clients", "connected_clients") + number("clients", "cluster_connections") - 1
	if err := ask("config", "set", "maxclients", fmt.Sprint(room)).Error(); err != nil {
		t.Fatal(err)
	}
	ask("client", "kill", "type", "normal", "skipme", "yes")
	ask("client", "kill", "type", "pubsub", "skipme", "yes")
	time.Sleep(4 * time.Second)
	refused, said := number("stats", "rejected_connections"), log.n.Load()
	if refused == 0 {
		t.Error("there was room")
	}
	if refused > 100 || said > 6 {
		t.Errorf("in 4 s, %d attempts to connect, and %d lines in the log", refused, said)
	}
	t.Logf("%d attempts to connect, %d lines", refused, said)

	told := len(b.got(channel, missed))
	if err := ask("config", "set", "maxclients", "10000").Error(); err != nil {
		t.Fatal(err)
	}
	if wanted {
		enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(channel, missed)) > told })
	} else {
		enginetest.Eventually(t, "connection to the master", func() bool { return b.reaches(c[0].Address) })
		b.subscribe(t, channel)
	}
	if err := ask("spublish", "sluice:c:"+channel, "x").Error(); err != nil {
		t.Fatal(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(b.got(channel, "x")) == 1 })
	if n := len(b.got(channel, missed)); !wanted && n > 0 {
		t.Errorf("a channel of a master that works was said to have missed something, %d times", n)
	}
}

// reaches says whether there is a connection for the channels of a master.
func (r *recorder) reaches(address string) bool {
	c, err := r.live()
	if err != nil {
		return false
	}
	c.shards.mu.Lock()
	defer c.shards.mu.Unlock()
	return c.shards.live[address] != nil
}

// lines counts those of a log.
type lines struct{ n atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.n.Add(1)
	return len(b), nil
}
