//go:build fleet

package redisbroker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// What has outlived its time takes no place among what is read: who asks for a few messages gets
// those that are kept, and learns that some before them are not.
func TestFleetExpired(t *testing.T) {
	s := enginetest.Redis(t)
	s.Start(t)
	l, err := New(Options{Node: "a", Prefix: "sluice", Addresses: []string{s.Address}, QueueBytes: 1 << 20, Log: zerolog.Nop()})
	a := record(t, l, err)
	const old, all = 250, 254
	at := make([]broker.Position, all+1)
	for i := 1; i <= all; i++ {
		if at[i], err = a.stored(t, "news", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	// The first ones grow old: the same entries, of an earlier time.
	_, stream := l.keys("news")
	aged := `local all = redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('DEL', KEYS[1])
for i, e in ipairs(all) do
  local time = e[2][4]
  if i <= tonumber(ARGV[1]) then time = string.format('%.0f', time - ARGV[2]) end
  redis.call('XADD', KEYS[1], e[1], 'm', e[2][2], 't', time)
end
return #all`
	if out, ok := s.CLI(t, "eval", aged, "1", stream, fmt.Sprint(old), fmt.Sprint((2 * testClass.TTL).Microseconds())); !ok || out != fmt.Sprintln(all) {
		t.Fatal(out)
	}
	for _, tt := range []struct {
		what           string
		after          broker.Position
		limit, bytes   int
		complete, more bool
		floor          uint64
		want           []string
	}{
		{"one, after the first", at[1], 1, 0, false, true, old, []string{"251"}},
		{"two, after one of the last that are old", at[old-1], 2, 0, false, true, old, []string{"251", "252"}},
		{"all that are kept", at[1], 4, 0, false, false, old, []string{"251", "252", "253", "254"}},
		{"few bytes", at[1], 4, 4, false, true, old, []string{"251", "252"}},
		{"after the last that is old", at[old], 1, 0, true, true, old, []string{"251"}},
		{"the newest", broker.Position{}, 2, 0, true, false, 252, []string{"253", "254"}},
		{"no more than that", broker.Position{}, 100, 0, true, false, old, []string{"251", "252", "253", "254"}},
		{"after the end", at[all], 1, 0, true, false, all, nil},
	} {
		p, err := a.Read(t.Context(), testClass, "news", tt.after, tt.limit, tt.bytes)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range p.Messages {
			got = append(got, string(m.Message))
		}
		if !slices.Equal(got, tt.want) || p.Complete != tt.complete || p.More != tt.more || p.Floor != tt.floor || p.Top != at[all] {
			t.Errorf("%s: %v, complete %v, more %v, floor %d, top %v; want %v, %v, %v, %d", tt.what, got, p.Complete, p.More, p.Floor, p.Top, tt.want, tt.complete, tt.more, tt.floor)
		}
	}
	// When all are old, there is nothing, and something is missing.
	p, err := a.Read(t.Context(), broker.Class{Name: "test", Size: 1000, TTL: time.Millisecond}, "news", at[1], 1, 0)
	if err != nil || len(p.Messages) > 0 || p.Complete || p.More || p.Top != at[all] {
		t.Errorf("all are old: %+v, %v", p, err)
	}
}
