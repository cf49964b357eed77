package session

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/ws"
)

// W9: a silent client is pinged, and cut when it does not answer; one that answers stays.
func TestKeepalive(t *testing.T) {
	inBubble(t, hub.Settings{
		PingInterval: 10 * time.Second, Timeout: 30 * time.Second, CloseTimeout: 5 * time.Second,
	}, nil, func(t *testing.T, r *rig) {
		alive, dead := r.join(t, "channel=a"), r.join(t, "channel=b")
		const sweep = 5 * time.Second // how exact it is
		pings := 0
		for start := time.Now(); time.Since(start) < 2*time.Minute; {
			time.Sleep(time.Second)
			synctest.Wait()
			for _, f := range alive.frames() {
				if f != (frame{ws.Ping, ""}) {
					t.Fatalf("got %q", f)
				}
				pings++
				alive.send(ws.Pong, "")
			}
			_, cut := dead.ended()
			if since := time.Since(start); cut && since < 30*time.Second || !cut && since > 31*time.Second+sweep {
				t.Fatalf("after %v of silence, cut: %v", since, cut)
			}
		}
		if pings < 7 || pings > 12 {
			t.Errorf("%d pings in two minutes, want one in 10 to 15 s", pings)
		}
		got := dead.frames()
		if want := farewell(ws.PolicyViolation, "nothing heard within the keepalive timeout"); got[len(got)-1] != want {
			t.Errorf("the last frame is %q, want %q", got[len(got)-1], want)
		}
		for _, f := range got[:len(got)-1] {
			if f != (frame{ws.Ping, ""}) {
				t.Errorf("a silent client got %q", f)
			}
		}
		if finished, aborted := alive.ended(); finished || aborted {
			t.Error("a client that answers was cut")
		}
	})
}

// W8: a client that does not leave after our close frame is cut after the close timeout.
func TestCloseTimeout(t *testing.T) {
	inBubble(t, hub.Settings{CloseTimeout: 5 * time.Second}, nil, func(t *testing.T, r *rig) {
		c := r.join(t, "")
		c.send(ws.Text, "\xff")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if _, cut := c.ended(); cut {
			t.Error("cut too early")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if _, cut := c.ended(); !cut {
			t.Error("not cut")
		}
	})
}
