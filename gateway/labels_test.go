package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
)

// O2: whatever clients are called, wherever they come from and whatever they
// ask for, the series are the same ones.
func TestSeriesAreConstant(t *testing.T) {
	ctx := within(t)
	n := start(t, testConfig())
	series := func() (list []string) {
		_, body := get(t, "http://"+n.AdminAddress()+"/metrics")
		for line := range strings.SplitSeq(body, "\n") {
			if line != "" && line[0] != '#' {
				list = append(list, line[:strings.LastIndexByte(line, ' ')])
			}
		}
		return list
	}
	before := series()
	for i := range 300 {
		name := fmt.Sprintf("channel-%d", i)
		c := n.dial(ctx, t, "/?channel="+name)
		say(ctx, t, c, name)
		expect(ctx, t, c, name)
		header := http.Header{"Origin": {fmt.Sprintf("https://site-%d.example", i)}, "User-Agent": {name}, "X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i%256)}}
		if refused, _, err := websocket.Dial(ctx, public("ws", n.Addresses()[0])+"/"+name, &websocket.DialOptions{HTTPClient: web, HTTPHeader: header}); err == nil {
			_ = refused.CloseNow()
			t.Fatal("let in")
		}
		_ = c.CloseNow()
	}
	for i := range 100_000 {
		if _, err := n.hub.Publish([]string{fmt.Sprintf("nobody-%d", i)}, hub.Publication{}); err != nil {
			t.Fatal(err)
		}
	}
	if after := series(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("%d series have become %d", len(before), len(after))
	}
	if got := n.metrics.Edge().HandshakeFailures[metrics.HandshakeNotFound].Load(); got != 300 {
		t.Errorf("%d refusals were counted", got)
	}
}
