//go:build fleet

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// D1: a node of three, which have 10,000 clients under load, is drained over 20 s
// by a command that asks another node. Its clients come back elsewhere as evenly as
// they were let go, and nobody misses a message; then the node ends with 0.
func TestFleetDrain(t *testing.T) {
	const (
		clients  = 10_000
		channels = 100
		count    = 35 // numbers on each channel, one a second
		over     = 20 * time.Second
	)
	ctx := within(t)
	list := up(ctx, t, 3, embedded(t, 3))

	var mu sync.Mutex
	var backs []time.Time
	var wg, joined sync.WaitGroup
	followers := make([]*follower, clients)
	dialling := make(chan struct{}, 50)
	for i := range followers {
		joined.Add(1)
		dialling <- struct{}{}
		f := &follower{
			members: list, channel: fmt.Sprint("news.drain-", i%channels),
			joined: func() { joined.Done(); <-dialling },
			back:   func() { mu.Lock(); backs = append(backs, time.Now()); mu.Unlock() },
		}
		followers[i] = f
		wg.Go(func() {
			if err := f.follow(ctx, count); err != nil {
				t.Error(err)
			}
		})
	}
	joined.Wait()
	for i := range channels {
		p := &publisher{members: list, channel: fmt.Sprint("news.drain-", i), pause: time.Second}
		wg.Go(func() {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			if err := p.publish(ctx, count); err != nil {
				t.Error(err)
			}
		})
	}

	time.Sleep(2 * time.Second) // the load stands
	counted := make(chan []tally, 1)
	go func() { counted <- list[0].goodbyes(ctx) }()
	begun := time.Now()
	said := sluice(ctx, t, list[1], "drain", "--node", list[0].name, "--over", over.String(), "--delay", "0s")
	took := time.Since(begun)
	t.Logf("%s after %v", strings.TrimSpace(said), took.Round(time.Millisecond))
	var of int
	if _, err := fmt.Sscanf(said, list[0].name+" is drained: of %d connections none is left", &of); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	told := <-counted
	list[0].stop(ctx, t)
	var times []time.Time
	for end := time.Now().Add(20 * time.Second); len(times) < of && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		mu.Lock()
		times = slices.Clone(backs)
		mu.Unlock()
	}

	perSecond := make([]int, int(took.Seconds())+3)
	for _, at := range times {
		perSecond[min(int(at.Sub(begun).Seconds()), len(perSecond)-1)]++
	}
	plan := float64(of) / over.Seconds()
	t.Logf("%d came back, %.0f a second by the plan; by seconds: %v, at most %.2f times the plan", len(times), plan, perSecond, float64(slices.Max(perSecond))/plan)
	if len(times) != of {
		t.Errorf("%d of %d came back", len(times), of)
	}
	if len(told) < 2 || told[len(told)-1].n != of {
		t.Errorf("%d looks at the drain, the last one of %d connections", len(told), toldBy(told, time.Now()))
	}
	// By five seconds at a time: what the node does is held to its plan whatever this machine does meanwhile.
	for i, a := range told {
		for _, b := range told[i+1:] {
			if took := b.to.Sub(a.from); took >= 5*time.Second {
				if n := b.n - a.n; float64(n) > 1.3*took.Seconds()*plan {
					t.Errorf("%d were told to leave within %v: more than 1.3 times the plan", n, took)
				}
				break
			}
		}
	}
	// So are the clients, but for those whom the machine kept from coming back before: they
	// wait for up to a second, drain.retry_within, and half of one in the mean.
	came := 0
	for i := range len(perSecond) - 4 {
		sum := 0
		for _, n := range perSecond[i : i+5] {
			sum += n
		}
		due := toldBy(told, begun.Add(time.Duration(i)*time.Second-500*time.Millisecond))
		late := max(0, due-came)
		if float64(sum) > 1.3*5*plan+float64(late) {
			t.Errorf("%d came back in the 5 s from second %d on, and %d were late: more than 1.3 times the plan", sum, i, late)
		}
		came += perSecond[i]
	}
	wg.Wait()
	for _, f := range followers {
		if f.gaps > 0 {
			t.Fatalf("a gap was told, and none was there")
		}
	}
}

// A tally is how many connections a node had told to leave at some time between two.
type tally struct {
	from, to time.Time
	n        int
}

// goodbyes looks at how many the node has told to leave, from the beginning of its drain to its end.
func (m *member) goodbyes(ctx context.Context) (list []tally) {
	for ctx.Err() == nil {
		c := tally{from: time.Now()}
		answer, _, err := m.call(ctx, http.MethodGet, "/api/drain", nil)
		c.to = time.Now()
		var v struct {
			Result struct {
				State       string `json:"state"`
				Total, Open int
			} `json:"result"`
		}
		if err != nil || json.Unmarshal(answer, &v) != nil {
			break
		}
		if v.Result.State != "none" {
			c.n = v.Result.Total - v.Result.Open
			list = append(list, c)
		}
		if v.Result.State == "drained" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return list
}

// toldBy is how many had been told by a time, at most: a look may take long.
func toldBy(list []tally, at time.Time) (n int) {
	for _, c := range list {
		if n = c.n; !c.from.Before(at) {
			break
		}
	}
	return n
}

// sluice runs a command of the server's binary against a node, and returns what it printed.
func sluice(ctx context.Context, t testing.TB, m *member, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, append(args, "--api", "http://"+m.admin)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sluice %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}
