package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// A network carries the messages of several fleets' nodes in one process.
type network struct {
	// Guarded by mu.
	mu   sync.Mutex
	ends map[string]*Fleet
	deaf map[string]bool // nothing goes there, nor comes from there
	lost string          // messages that contain it get lost
	// Static: places that do not hear each other.
	apart string
}

// end is one node's bus.
type end struct {
	net  *network
	node string
}

func (e end) Send(node string, m []byte) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.net.deaf[e.node] {
		return errors.New("the link is down")
	}
	if e.net.lost != "" && strings.Contains(string(m), e.net.lost) {
		return nil
	}
	for name, f := range e.net.ends {
		if name != e.node && !e.net.deaf[name] && (node == "" || node == f.o.Node) &&
			!(strings.Contains(e.net.apart, name) && strings.Contains(e.net.apart, e.node)) {
			f.Control(append([]byte(nil), m...))
		}
	}
	return nil
}

func (n *network) cut(node string, deaf bool) {
	n.mu.Lock()
	n.deaf[node] = deaf
	n.mu.Unlock()
}

// Two nodes with one name notice it, by themselves or, where they do not hear each
// other, by a third; the one that came later is not ready while both are there.
func TestNamesake(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{ends: map[string]*Fleet{}, deaf: map[string]bool{}}
			if deaf {
				n.apart = "one two"
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			node := func(place, name string) *Fleet {
				started := time.Now()
				f := New(Options{
					Node: name, Bus: end{n, place}, Log: zerolog.Nop(),
					Status: func() Status { return Status{Started: started} },
				})
				n.mu.Lock()
				n.ends[place] = f
				n.mu.Unlock()
				wg.Go(func() { f.Run(ctx) })
				time.Sleep(period + period/3)
				return f
			}
			older, other, younger := node("one", "a"), node("three", "b"), node("two", "a")
			time.Sleep(3 * period)
			if older.Namesake() || !younger.Namesake() || other.Namesake() {
				t.Errorf("deaf: %v; the older one: %v, the younger one: %v, the other: %v", deaf, older.Namesake(), younger.Namesake(), other.Namesake())
			}
			n.cut("one", true)
			time.Sleep(silence + 2*period)
			if younger.Namesake() {
				t.Error("the other one is gone, and its name still taken")
			}
			cancel()
			wg.Wait()
		})
	}
}

// rig runs f with three nodes that know each other.
func rig(t *testing.T, f func(n *network, nodes []*Fleet, joined func() string)) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{ends: map[string]*Fleet{}, deaf: map[string]bool{}}
		var mu sync.Mutex
		var joins []string
		var nodes []*Fleet
		for _, name := range []string{"a", "b", "c"} {
			started := time.Now()
			node := New(Options{
				Node: name, Bus: end{n, name}, Log: zerolog.Nop(),
				Status: func() Status {
					return Status{Node: name, Version: "v1", Started: started, Ready: true, Connections: 7, MaxConnections: 10}
				},
				Joined: func(other string) {
					mu.Lock()
					joins = append(joins, name+other)
					mu.Unlock()
				},
			})
			node.Handle("name", func(json.RawMessage) (any, error) { return name, nil })
			node.Handle("large", func(json.RawMessage) (any, error) { return strings.Repeat("ü", maxPart), nil })
			node.Handle("slow", func(json.RawMessage) (any, error) {
				if name == "c" {
					time.Sleep(2 * Patience)
				}
				return name, nil
			})
			node.Handle("fails", func(json.RawMessage) (any, error) { return nil, fmt.Errorf("%s cannot", name) })
			nodes = append(nodes, node)
			n.ends[name] = node
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer synctest.Wait()
		defer cancel()
		for _, node := range nodes {
			go node.Run(ctx)
		}
		synctest.Wait()
		f(n, nodes, func() string {
			mu.Lock()
			defer mu.Unlock()
			s := strings.Join(joins, " ")
			joins = nil
			return s
		})
	})
}

func names(f *Fleet) (list []string) {
	for _, s := range f.Nodes() {
		list = append(list, s.Node)
	}
	return list
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// Nodes know each other at once; one that falls silent is gone within seconds, and is told from one
// that joins when it is back.
func TestRegistry(t *testing.T) {
	rig(t, func(n *network, nodes []*Fleet, joined func() string) {
		for _, f := range nodes {
			same(t, "all are there", []string{"a", "b", "c"}, names(f))
		}
		same(t, "each was new to each", 6, len(strings.Fields(joined())))
		same(t, "what a node says", Status{Node: "b", Version: "v1", Started: nodes[1].Nodes()[1].Started, Ready: true, Connections: 7, MaxConnections: 10}, nodes[0].Nodes()[1])

		n.cut("c", true)
		time.Sleep(silence - period)
		same(t, "a moment of silence", []string{"a", "b", "c"}, names(nodes[0]))
		time.Sleep(2*period + time.Millisecond)
		same(t, "silent for too long", []string{"a", "b"}, names(nodes[0]))
		same(t, "and they for it", []string{"c"}, names(nodes[2]))
		n.cut("c", false)
		time.Sleep(period)
		same(t, "it is back", []string{"a", "b", "c"}, names(nodes[1]))

		nodes[1].Leave()
		synctest.Wait()
		same(t, "it said goodbye", []string{"c"}, func() (list []string) {
			for _, s := range nodes[0].Others() {
				list = append(list, s.Node)
			}
			return list
		}())
	})
}

// Nothing comes after a goodbye: a node that still runs is not listed again, whatever it had to say.
func TestLastWord(t *testing.T) {
	rig(t, func(_ *network, nodes []*Fleet, _ func() string) {
		nodes[1].Leave()
		nodes[1].Announce() // as the end of the link does
		time.Sleep(period)
		same(t, "it said goodbye", []string{"a", "c"}, names(nodes[0]))
	})
}

// All are asked; answers may be large, late, or none at all, and who is missing is named.
func TestAsk(t *testing.T) {
	rig(t, func(n *network, nodes []*Fleet, _ func() string) {
		ask := func(what string) *Answers {
			a, err := nodes[0].Ask(context.Background(), what, nil)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		a := ask("name")
		same(t, "each says its name", map[string]json.RawMessage{"a": json.RawMessage(`"a"`), "b": json.RawMessage(`"b"`), "c": json.RawMessage(`"c"`)}, a.ByNode)
		for node, raw := range ask("large").ByNode {
			if len(raw) != 2*maxPart+2 {
				t.Errorf("%s answers with %d bytes", node, len(raw))
			}
		}
		begin := time.Now()
		a = ask("slow")
		same(t, "one is late", []string{"c"}, a.Missing)
		same(t, "the others have answered", 2, len(a.ByNode))
		same(t, "it was waited for", Patience, time.Since(begin))
		a = ask("fails")
		if len(a.Failed) != 3 || a.Failed["b"].Error() != "b cannot" || a.Missing != nil {
			t.Errorf("%+v", a)
		}
		a = ask("what nobody knows")
		same(t, "nobody knows", 3, len(a.Failed))

		n.cut("b", true)
		a = ask("name")
		same(t, "one does not answer", []string{"b"}, a.Missing)
		time.Sleep(silence + period)
		begin = time.Now()
		a = ask("name")
		if a.Missing != nil || len(a.ByNode) != 2 || time.Since(begin) != 0 {
			t.Errorf("one that is gone is waited for: %+v", a)
		}
		n.cut("c", true)
		time.Sleep(silence + period)
		same(t, "nobody is heard: the bus may be silent", []string{"c"}, ask("name").Missing)
		time.Sleep(doubt - silence + period)
		same(t, "it would have noticed", []string(nil), ask("name").Missing)
	})
}

// A6: one node is asked alone, which a silent one does not pass for having answered; who missed
// something is told again as soon as it is heard.
func TestAskOne(t *testing.T) {
	rig(t, func(n *network, nodes []*Fleet, joined func() string) {
		joined()
		one := func(node, what string) (string, error) {
			raw, err := nodes[0].AskOne(context.Background(), node, what, nil)
			return string(raw), err
		}
		if s, err := one("b", "name"); s != `"b"` || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		if _, err := one("b", "fails"); err == nil || err.Error() != "b cannot" {
			t.Errorf("a refusal: %v", err)
		}
		begin := time.Now()
		if _, err := one("nobody", "name"); !errors.Is(err, ErrSilent) || time.Since(begin) != 0 {
			t.Errorf("one that is not there: %v", err)
		}
		n.cut("c", true)
		if _, err := one("c", "name"); !errors.Is(err, ErrSilent) || time.Since(begin) != Patience {
			t.Errorf("a silent one: %v", err)
		}
		nodes[0].Missed("c")
		nodes[0].Missed("nobody")
		n.cut("c", false)
		time.Sleep(2 * period)
		same(t, "told again, once", "ac", joined())
		same(t, "no question is left open", 0, len(nodes[0].questions))
	})
}

// An answer that lost a part on its way passes for none.
func TestLostPart(t *testing.T) {
	rig(t, func(n *network, nodes []*Fleet, _ func() string) {
		n.mu.Lock()
		n.lost = `"nth":1,`
		n.mu.Unlock()
		a, err := nodes[0].Ask(context.Background(), "large", nil)
		if err != nil || len(a.ByNode) != 1 || len(a.Failed) != 2 || a.Missing != nil {
			t.Errorf("%d answers, failed %v, missing %v, %v", len(a.ByNode), a.Failed, a.Missing, err)
		}
	})
}

// A part of an answer fits into what any broker takes: 64 KiB, whatever is in it.
func TestPartsFit(t *testing.T) {
	worst := strings.Repeat("\\\"", maxPart/2)
	b, err := json.Marshal(&message{Version: version, Kind: kindAnswer, From: strings.Repeat("n", 64), ID: 1 << 63, Part: worst, More: true})
	if err != nil || len(b) > 64<<10 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// What is no message is counted, and does no harm.
func TestMalformed(t *testing.T) {
	rig(t, func(_ *network, nodes []*Fleet, _ func() string) {
		for _, m := range []string{"", "{", "[]", `{"v":1}`, `{"v":1,"from":"x","kind":"status"}`} {
			nodes[0].Control([]byte(m))
		}
		nodes[0].Control([]byte(`{"v":2,"from":"x","kind":"status","status":{}}`))
		nodes[0].Control([]byte(`{"v":1,"from":"x","kind":"answer","id":99,"part":"x"}`))
		nodes[0].Control([]byte(`{"v":1,"from":"x","kind":"what"}`))
		synctest.Wait()
		same(t, "counted", uint64(5), nodes[0].Dropped.Load())
		same(t, "nobody else is there", []string{"a", "b", "c"}, names(nodes[0]))
	})
}
