package session

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// What clients send goes to backends, and to channels where the endpoint says so.
// Who sends what backends cannot get is told, and nobody else gets it either.
func TestForward(t *testing.T) {
	for _, publish := range []bool{false, true} {
		t.Run(fmt.Sprint("publish ", publish), func(t *testing.T) {
			var got []string
			var fail error
			endpoint := func(ep *Endpoint) {
				ep.Publish = publish
				ep.Forward = func(f *Forwarded) error {
					if fail == nil {
						got = append(got, fmt.Sprintf("%v %q %v %q %v", f.Connection, f.User, f.Channels, f.Payload, f.Binary))
					}
					return fail
				}
			}
			inBubble(t, hub.Settings{}, endpoint, func(t *testing.T, r *rig) {
				a, b := r.join(t, "channel=x"), r.join(t, "channel=x")
				a.send(ws.Text, "one")
				a.send(ws.Binary, "\xff")
				want := []string{fmt.Sprintf(`%v "" [x] "one" false`, a.ID()), fmt.Sprintf(`%v "" [x] "\xff" true`, a.ID())}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				if publish {
					b.check(frame{ws.Text, "one"}, frame{ws.Binary, "\xff"})
				} else {
					b.check()
				}
				a.frames()
				fail = errors.New("the link is down")
				a.send(ws.Text, "two")
				a.check(farewell(ws.TryAgainLater, "the message could not be taken"))
				b.check()
				a.Detach()
				synctest.Wait()
				if n := r.set.Edge().Drops[metrics.DropForward].Load(); n != 1 || r.closed(metrics.CloseForward) != 1 {
					t.Errorf("%d drops, %d closed", n, r.closed(metrics.CloseForward))
				}
			})
		})
	}
}
