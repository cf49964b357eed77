//go:build fleet

package redisbroker

import (
	"slices"
	"testing"

	"sluice/gateway/broker/enginetest"
)

// A master ends a node's subscriptions, takes no new ones for a while, and takes messages all the
// same: each of its channels is told of at once, one that is subscribed to meanwhile as well, and
// again when messages come; no other is.
func TestFleetClusterDeaf(t *testing.T) {
	t.Parallel()
	c, a, b := silentLinks(t)
	channel, other := channelOf(t, c, c[0]), channelOf(t, c, c[2])
	late := channel + "{sluice:c:" + channel + "}" // in the same slot
	b.subscribe(t, channel, other)
	a.meet(t, b)
	hear := c[0].Deafen(t)
	enginetest.Eventually(t, "word of what is missing", func() bool { return len(b.got(channel, missing)) > 0 })
	b.subscribe(t, late)
	enginetest.Eventually(t, "word of what is missing", func() bool { return len(b.got(late, missing)) > 0 })
	for _, name := range []string{channel, late} {
		if err := a.published(t, name, "lost"); err != nil {
			t.Error(err)
		}
	}
	hear()
	for _, name := range []string{channel, late} {
		enginetest.Eventually(t, "word of what was missed", func() bool { return len(b.got(name, missed)) > 0 })
		if err := a.published(t, name, "heard"); err != nil {
			t.Error(err)
		}
		enginetest.Eventually(t, "message", func() bool { return len(b.got(name, "heard")) > 0 })
		if got := slices.Compact(b.got(name, "")); !slices.Equal(got, []string{missing, missed, "heard"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := b.got(other, ""); len(got) > 0 {
		t.Errorf("a channel of another master: %q", got)
	}
	if up, downs := b.state(); !up || downs > 0 {
		t.Errorf("the link was lost %d times", downs)
	}
}
