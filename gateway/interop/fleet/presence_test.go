//go:build fleet

package fleet

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

var churn = flag.Duration("churn", 10*time.Second, "how long members come and go")

// churnRate is how many come or go in a second.
const churnRate = 500

// presence is the list of a channel, by node.
type presence map[string]int

// presence asks the node for it; false: not all nodes have answered.
func (m *member) presence(ctx context.Context, channel string) (p presence, whole bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.admin+"/api/presence?limit=10000&channel="+channel, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	var a struct {
		Result struct {
			Members []struct{ Node, Connection string }
			Total   int
			Missing []string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return nil, false, err
	}
	p = presence{}
	seen := map[string]bool{}
	for _, c := range a.Result.Members {
		id := c.Node + "/" + c.Connection
		if seen[id] {
			return nil, false, fmt.Errorf("%s is listed twice", id)
		}
		seen[id] = true
		p[c.Node]++
	}
	if len(seen) != a.Result.Total {
		return nil, false, fmt.Errorf("%d are listed, of %d", len(seen), a.Result.Total)
	}
	return p, a.Result.Missing == nil, nil
}

// sees waits until each of the nodes lists so many, and no others, and returns how long that took.
func sees(ctx context.Context, t *testing.T, list []*member, channel string, want presence, patience time.Duration) time.Duration {
	t.Helper()
	begun := time.Now()
	for _, m := range list {
		for {
			got, whole, err := m.presence(ctx, channel)
			if err == nil && whole && fmt.Sprint(got) == fmt.Sprint(want) {
				break
			}
			if time.Since(begun) > patience {
				t.Fatalf("%s lists %v (all have answered: %v, %v), want %v", m.name, got, whole, err, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return time.Since(begun)
}

// Two thousand are on a channel. When a node is killed, the others list those of
// the others within 10 s; when members come and go, 500 a second, each node ends
// with exactly those who are there.
func TestFleetPresence(t *testing.T) {
	t.Parallel()
	onEach(t, 3, func(t *testing.T, list []*member) {
		const channel, members = "room.1", 2000
		ctx, cancel := context.WithTimeout(context.Background(), patience+*churn)
		defer cancel()
		var mu sync.Mutex
		there := map[string][]*websocket.Conn{} // by node
		join := func(m *member) error {
			c, _, err := websocket.Dial(ctx, "ws://"+m.public+"/?channel="+channel, nil)
			if err != nil {
				return err
			}
			c.CloseRead(ctx)
			mu.Lock()
			there[m.name] = append(there[m.name], c)
			mu.Unlock()
			return nil
		}
		count := func() presence {
			mu.Lock()
			defer mu.Unlock()
			p := presence{}
			for name, conns := range there {
				p[name] = len(conns)
			}
			return p
		}
		for i := range members {
			if err := join(list[i%len(list)]); err != nil {
				t.Fatal(err)
			}
		}
		sees(ctx, t, list, channel, count(), 10*time.Second)

		list[0].kill()
		mu.Lock()
		delete(there, list[0].name)
		mu.Unlock()
		took := sees(ctx, t, list[1:], channel, count(), 10*time.Second)
		t.Logf("%d members; the list is right %v after a node was killed", members, took.Round(10*time.Millisecond))

		joins, leaves := 0, 0
		begun := time.Now()
		for time.Since(begun) < *churn {
			time.Sleep(time.Until(begun.Add(time.Duration(joins+leaves) * time.Second / churnRate)))
			m := list[1+rand.IntN(2)]
			if (joins+leaves)%2 == 0 {
				if err := join(m); err != nil {
					t.Fatal(err)
				}
				joins++
				continue
			}
			mu.Lock()
			conns := there[m.name]
			k := rand.IntN(len(conns))
			c := conns[k]
			conns[k] = conns[len(conns)-1]
			there[m.name] = conns[:len(conns)-1]
			mu.Unlock()
			_ = c.CloseNow()
			leaves++
		}
		took = time.Since(begun)
		after := sees(ctx, t, list[1:], channel, count(), 10*time.Second)
		t.Logf("%d came and %d went in %v; the list is right %v after the last: %v", joins, leaves, took.Round(time.Second), after.Round(10*time.Millisecond), count())
	})
}
