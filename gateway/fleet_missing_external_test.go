//go:build fleet

package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/gateway/broker/enginetest"
)

// B2: a node that publishes to a master of a Redis Cluster, and hears nothing of it any more, does
// not pass its own messages off as all there are: they come behind a gap until it is subscribed again.
func TestFleetGapBeforeOwn(t *testing.T) {
	ctx := within(t)
	c := enginetest.StartCluster(t)
	e := &engine{c[0], c}
	configs := e.configs(1)
	configs[0].Broker.Address = c[1:].Addresses() // the link itself is to one of them
	n := startFleet(ctx, t, configs)[0]
	straight := e.publisher(ctx, t)
	channel, other := "", ""
	for i := 0; channel == "" || other == ""; i++ {
		if name := fmt.Sprint("plain.", i); c.Owner(t, "sluice:c:"+name) == c[0] {
			channel = name
		} else {
			other = name
		}
	}
	client := n.dial(ctx, t, "/?channel="+channel+"&positions=true")
	bystander := n.dial(ctx, t, "/?channel="+other+"&positions=true")
	message := func(text string) string { return "message " + channel + " -\n" + text }
	if err := straight(channel, "before"); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, client, message("before"))

	hear := c[0].Deafen(t)
	if err := straight(channel, "lost"); err != nil {
		t.Fatal(err)
	}
	// own publishes a message, and says whether it came behind a gap.
	own := func(text string) (behind bool) {
		n.posted(t, channel, text)
		_, b, err := client.Read(ctx)
		if behind = strings.HasPrefix(string(b), "gap "); behind {
			_, b, err = client.Read(ctx)
		}
		if err != nil || string(b) != message(text) {
			t.Fatalf("got %q, %v, want %q", b, err, message(text))
		}
		return behind
	}
	for begun := time.Now(); !own("soon"); time.Sleep(10 * time.Millisecond) { // until the node has noticed
		if time.Since(begun) > 10*time.Second {
			t.Fatal("others' messages were lost, and the node's own come all the same, without a gap before them")
		}
	}
	if !own("still") {
		t.Error("nothing is heard yet, and a message came without a gap before it")
	}
	late := n.dial(ctx, t, "/?channel="+channel+"&positions=true")
	if !own("late") {
		t.Error("nothing is heard yet, and a message came without a gap before it")
	}
	expect(ctx, t, late, "gap "+channel+" -\n")
	expect(ctx, t, late, message("late"))

	hear()
	expect(ctx, t, client, "gap "+channel+" -\n")
	if own("after") {
		t.Error("the channel is subscribed to again, and the node's own come behind a gap")
	}
	if err := straight(channel, "heard"); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, client, message("heard"))
	n.posted(t, other, "the first")
	expect(ctx, t, bystander, "message "+other+" -\nthe first") // nobody there was told of a gap
}
