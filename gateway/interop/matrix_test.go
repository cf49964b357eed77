//go:build interop

package interop

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	onlyClients = flag.String("clients", "", "the ecosystems that TestMatrix drives, separated by spaces; empty = all")
	tableFile   = flag.String("table", "", "the file that TestMatrix writes its table to, for people")
	update      = flag.Bool("update", false, "write the table in docs/interop.md anew")
)

// A cell is one column of the matrix: what the node serves.
type cell struct{ tls, deflate bool }

func (c cell) String() string {
	transport, compression := "plain", "off"
	if c.tls {
		transport = "TLS"
	}
	if c.deflate {
		compression = "deflate"
	}
	return transport + ", " + compression
}

// cells are the columns.
func cells() []cell {
	return []cell{{false, false}, {true, false}, {false, true}, {true, true}}
}

// steps are what clients/README.md says, in its order; then what the node says about it.
func steps() []string {
	return []string{
		"open", "text", "binary", "empty", "large", "fragments", "ping", "order", "publish", "close", "close_own", "disconnect",
		"silent", "pinged", "drain", stepNode, stepCompression,
	}
}

// What the node says about a run.
const (
	// It saw the closes for what they were, and dropped nothing.
	stepNode = "node"
	// Messages were compressed, in both directions, if the client and the node
	// agreed on that, and else none.
	stepCompression = "compression"
)

// A score is what came of a client in a cell.
type score struct{ passed, due int }

func (s score) String() string { return fmt.Sprintf("%d/%d", s.passed, s.due) }

// A scoreboard is what came of all. Its methods may be called concurrently.
type scoreboard struct {
	// Guarded by mu.
	mu     sync.Mutex
	scores map[string]map[cell]score // by the client's name
}

func (b *scoreboard) set(client string, c cell, s score) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.scores[client] == nil {
		b.scores[client] = map[cell]score{}
	}
	b.scores[client][c] = s
}

// TestMatrix: the clients that platforms use, each from its own registry, do
// and see what clients/README.md says, over plain connections and TLS, with
// compression and without (W1, W2, W6).
func TestMatrix(t *testing.T) {
	chosen := choose(t)
	prepare(t, chosen)
	files := authority(t)
	browser := chromium(t, chosen, files)
	board := &scoreboard{scores: map[string]map[cell]score{}}
	t.Run("run", func(t *testing.T) {
		for _, cl := range chosen {
			for _, c := range cells() {
				t.Run(cl.name+"/"+c.String(), func(t *testing.T) {
					t.Parallel()
					r := &run{client: cl, cell: c, files: files, browser: browser}
					defer func() { board.set(cl.name, c, score{len(r.passed), len(cl.due())}) }()
					r.do(t)
				})
			}
		}
	})
	report(t, chosen, board)
}

// choose returns the clients that -clients names.
func choose(t *testing.T) []client {
	t.Helper()
	names := strings.Fields(*onlyClients)
	if len(names) == 0 {
		return clientTable()
	}
	for _, name := range names {
		if !slices.ContainsFunc(ecosystems(), func(e ecosystem) bool { return e.name == name }) {
			t.Fatalf("-clients %s: there is no %s, only %s", *onlyClients, name, ecosystemNames())
		}
	}
	return slices.DeleteFunc(clientTable(), func(c client) bool { return !slices.Contains(names, c.ecosystem) })
}

// prepare gets what the chosen clients need. It fails the test for each
// ecosystem that cannot be had, and then goes no further.
func prepare(t *testing.T, chosen []client) {
	t.Helper()
	begin := time.Now()
	var wg sync.WaitGroup
	for _, e := range ecosystems() {
		if !slices.ContainsFunc(chosen, func(c client) bool { return c.ecosystem == e.name }) {
			continue
		}
		wg.Go(func() {
			if err := e.prepare(t.Context()); err != nil {
				t.Errorf("%s: %v", e.name, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("clients are ready after %v", time.Since(begin).Round(time.Second))
}

// A line is what a client prints; see clients/README.md.
type line struct {
	Step   string
	OK     bool
	Detail string
	Ask    string
}

// A program runs a client's steps. say may be called until it returns.
type program func(ctx context.Context, r *run, url string, say func(line)) error
