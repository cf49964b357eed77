//go:build fleet

package redisbroker

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker/enginetest"
)

// B1: a hundred thousand channels are subscribed to and left again on one link,
// without a goroutine for any.
func TestFleetManyChannels(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		s := enginetest.Redis(t)
		s.Start(t)
		manyChannels(t, Options{Node: "a", Prefix: "sluice", Addresses: []string{s.Address}, QueueBytes: 1 << 20, Log: zerolog.Nop()}, s)
	})
	t.Run("cluster", func(t *testing.T) {
		c := enginetest.StartCluster(t)
		manyChannels(t, clusterOptions(c, "a", true), c...)
	})
}

func manyChannels(t *testing.T, o Options, servers ...*enginetest.Server) {
	const many, batch = 100_000, 1000
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	defer cancel()
	l, err := New(o)
	r := record(t, l, err)
	o.Node = "b"
	l, err = New(o)
	other := record(t, l, err)
	var names []string
	for i := range many {
		names = append(names, fmt.Sprintf("room.%d", i))
	}
	heapBefore, serverBefore, goroutines := heap(), used(t, servers), runtime.NumGoroutine()
	begun := time.Now()
	for b := range slices.Chunk(names, batch) {
		if err := r.Subscribe(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begun)
	if n := runtime.NumGoroutine() - goroutines; n > 10 {
		t.Errorf("%d goroutines more", n)
	}
	t.Logf("%d channels in %v, %d bytes of heap each, and %d of the servers", many, took.Round(time.Millisecond),
		(heap()-heapBefore)/many, (used(t, servers)-serverBefore)/many)
	runtime.KeepAlive(names)
	if err := other.published(t, "room.99999", "x"); err != nil {
		t.Fatal(err)
	}
	enginetest.Eventually(t, "message", func() bool { return len(r.got("room.99999", "x")) == 1 })
	begun = time.Now()
	for b := range slices.Chunk(names, batch) {
		if err := r.Unsubscribe(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("left in %v", time.Since(begun).Round(time.Millisecond))
	for _, s := range servers {
		for _, ask := range []string{"channels", "shardchannels"} {
			out, _ := s.CLI(t, "pubsub", ask, "sluice:c:*")
			if strings.Contains(out, "room") {
				t.Errorf("subscriptions are left: %.100s", out)
			}
		}
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// used is the memory of servers.
func used(t *testing.T, servers []*enginetest.Server) (all uint64) {
	for _, s := range servers {
		out, _ := s.CLI(t, "info", "memory")
		var n uint64
		if _, err := fmt.Sscan(field("\n"+out, "used_memory"), &n); err != nil {
			t.Fatal(err)
		}
		all += n
	}
	return all
}
