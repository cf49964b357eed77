//go:build fleet

package redisbroker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// B2: a Redis that comes back without some of what it had confirmed gives those
// offsets again, in another epoch: who has seen one of the lost ones learns of it, and nobody else.
func TestFleetLostOffsets(t *testing.T) {
	s := enginetest.Redis(t)
	s.Start(t)
	l, err := New(Options{Node: "a", Prefix: "sluice", Addresses: []string{s.Address}, QueueBytes: 1 << 20, Log: zerolog.Nop()})
	a := record(t, l, err)
	appended := func(from, to int) (at broker.Position) {
		for i := from; i <= to; i++ {
			var err error
			if at, err = a.stored(t, "news", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		return at
	}
	again := func() {
		t.Helper()
		_, downs := a.state()
		s.Kill()
		enginetest.Eventually(t, "Down", func() bool { _, n := a.state(); return n > downs })
		s.Start(t)
		enginetest.Eventually(t, "Up", func() bool { up, _ := a.state(); return up })
	}
	past := func(after broker.Position) string {
		t.Helper()
		p, err := a.Read(t.Context(), testClass, "news", after, 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, m := range p.Messages {
			fmt.Fprintf(&b, "%d=%s ", m.Offset, m.Message)
		}
		return fmt.Sprintf("%sfloor %d, complete %v", b.String(), p.Floor, p.Complete)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}

	saved := appended(1, 5)
	if out, ok := s.CLI(t, "save"); !ok {
		t.Fatal(out)
	}
	lost := appended(6, 8)
	again() // with what was saved
	now := appended(106, 107)
	if now.Epoch == saved.Epoch || now.Offset != 7 {
		t.Errorf("%v after %v was lost", now, lost)
	}
	old := func(offset uint64) broker.Position { return broker.Position{Epoch: saved.Epoch, Offset: offset} }
	want("one that saw all that was saved", past(saved), "6=106 7=107 floor 5, complete true")
	want("one that did not", past(old(3)), "4=4 5=5 6=106 7=107 floor 3, complete true")
	want("one that saw what was lost", past(lost), "6=106 7=107 floor 5, complete false")
	want("one that is at another message of that offset", past(old(7)), "6=106 7=107 floor 5, complete false")
	want("one of now", past(broker.Position{Epoch: now.Epoch, Offset: 6}), "7=107 floor 6, complete true")
	want("one of nowhere", past(broker.Position{Epoch: "other", Offset: 6}), "1=1 2=2 3=3 4=4 5=5 6=106 7=107 floor 0, complete false")
	want("one without a position", past(broker.Position{}), "1=1 2=2 3=3 4=4 5=5 6=106 7=107 floor 0, complete true")

	// A run without a loss, and without a message before it is read.
	if out, ok := s.CLI(t, "save"); !ok {
		t.Fatal(out)
	}
	again()
	want("one of the run before", past(now), "floor 7, complete true")
	appended(8, 8)
	want("one of the run before, later", past(now), "8=8 floor 7, complete true")
	want("one of two runs before", past(saved), "1=1 2=2 3=3 4=4 5=5 6=106 7=107 8=8 floor 0, complete false")
}
