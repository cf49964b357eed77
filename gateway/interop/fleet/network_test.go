//go:build fleet

package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// A network has a namespace for each node. Its nodes reach each other over a
// switch, from which one can be cut off, and the test reaches each by a link of its own.
type network struct {
	prefix string // of the namespaces' names
	block  int    // of its addresses: the first node's, of four each
}

var networks atomic.Int32

// Addresses are of the range for benchmarks (RFC 2544), which nobody else has.

// link is the network of a node and the test: the test is 1 in it, the node 2.
func (n *network) link(i, host int) string {
	at := n.block + i
	return fmt.Sprintf("198.18.%d.%d", at>>6, at&63<<2+host)
}

// client is where the test, and clients, reach a node; inner, where the other nodes do.
func (n *network) client(i int) string { return n.link(i, 2) }
func (n *network) inner(i int) string  { return fmt.Sprintf("198.19.0.%d", i+1) }

// space is a node's namespace.
func (n *network) space(i int) string { return fmt.Sprint(n.prefix, i) }

// newNetwork makes it for so many nodes; the end of the test removes it. Where that
// takes rights that nobody gave, the test is skipped, but in CI it fails. At most four nodes.
func newNetwork(ctx context.Context, t testing.TB, nodes int) *network {
	t.Helper()
	serial := int(networks.Add(1)) // a link's name is free again some time after its namespace is gone
	id := fmt.Sprintf("%d-%d", os.Getpid(), serial)
	n := &network{prefix: "sluice-" + id + "-", block: (os.Getpid()*16 + serial%4*4) % (1 << 14)}
	hub := n.prefix + "switch"
	if why := tryIP(ctx, "netns add "+hub); why != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no network namespaces: %v", why)
		}
		t.Skipf("no network namespaces, which take root and iproute2: %v", why)
	}
	remove := func(space string) {
		t.Cleanup(func() {
			if err := tryIP(context.WithoutCancel(ctx), "netns del "+space); err != nil {
				t.Error(err)
			}
		})
	}
	remove(hub)
	ip(ctx, t, "-n "+hub+" link add switch type bridge")
	ip(ctx, t, "-n "+hub+" link set switch up")
	for i := range nodes {
		space, outer := n.space(i), fmt.Sprintf("s%s-%d", id, i)
		ip(ctx, t, "netns add "+space)
		remove(space)
		ip(ctx, t, "-n "+space+" link set lo up")
		ip(ctx, t, fmt.Sprintf("link add %s type veth peer name clients netns %s", outer, space))
		ip(ctx, t, fmt.Sprintf("addr add %s/30 dev %s", n.link(i, 1), outer))
		ip(ctx, t, "link set "+outer+" up")
		t.Cleanup(func() { ip(context.WithoutCancel(ctx), t, "link del "+outer) })
		ip(ctx, t, fmt.Sprintf("-n %s addr add %s/30 dev clients", space, n.client(i)))
		ip(ctx, t, "-n "+space+" link set clients up")
		ip(ctx, t, fmt.Sprintf("-n %s link add nodes type veth peer name port%d netns %s", space, i, hub))
		ip(ctx, t, fmt.Sprintf("-n %s addr add %s/24 dev nodes", space, n.inner(i)))
		ip(ctx, t, "-n "+space+" link set nodes up")
		ip(ctx, t, fmt.Sprintf("-n %s link set port%d up", hub, i))
		n.join(ctx, t, i)
	}
	return n
}

// cut takes a node off the switch: what it sends, and what is sent to it, is lost without a word.
func (n *network) cut(ctx context.Context, t testing.TB, i int) {
	ip(ctx, t, fmt.Sprintf("-n %sswitch link set port%d nomaster", n.prefix, i))
}

// join puts it there.
func (n *network) join(ctx context.Context, t testing.TB, i int) {
	ip(ctx, t, fmt.Sprintf("-n %sswitch link set port%d master switch", n.prefix, i))
}

func ip(ctx context.Context, t testing.TB, args string) {
	t.Helper()
	if err := tryIP(ctx, args); err != nil {
		t.Fatal(err)
	}
}

func tryIP(ctx context.Context, args string) error {
	out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}
