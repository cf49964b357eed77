package natsbroker

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/gateway/broker/enginetest"
)

// states is a receiver of what becomes of the link.
type states struct {
	listener
	downs chan error
	link  *Link
}

func (s *states) Down(err error) { s.downs <- err }

// B4: nodes that are no fleet, by their names, secrets or fleets' names, are told
// so, each of two: they are not ready, and their links are down.
func TestRejections(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(second *Options)
		want   error
	}{
		"one name":        {func(o *Options) { o.Node = "a" }, errNamesake},
		"two secrets":     {func(o *Options) { o.Embedded.Secret = "another" }, errSecret},
		"one has none":    {func(o *Options) { o.Embedded.Secret = "" }, errSecret},
		"names of fleets": {func(o *Options) { o.Embedded.ClusterName = "another" }, errCluster},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes := enginetest.FreeAddresses(t, 2)
			for i, s := range [2]*states{startAt(t, routes, 0, nil), startAt(t, routes, 1, tt.change)} {
				select {
				case err := <-s.downs:
					if !errors.Is(err, tt.want) {
						t.Error(err)
					}
					enginetest.Eventually(t, "word of why", func() bool { return s.link.Unfit() == tt.want.Error() })
				case <-time.After(enginetest.Patience):
					t.Errorf("node %d was not told", i)
				}
			}
		})
	}
}

// startAt starts the node of a fleet that listens at one of the routes.
func startAt(t *testing.T, routes []string, i int, change func(*Options)) *states {
	t.Helper()
	o := options(string(rune('a'+i)), 1<<20)
	o.Embedded = &Embedded{
		MaxPayload: 1 << 20, ClusterName: "test", Secret: "secret", ClusterListen: routes[i], Routes: routes, StoreDir: t.TempDir(),
	}
	if change != nil {
		change(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &states{listener{up: make(chan struct{}, 100)}, make(chan error, 100), l}
	if err := l.Start(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), enginetest.Patience)
		defer cancel()
		_ = l.Close(ctx)
	})
	return s
}

// A server that cannot start says why, at once.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]Embedded{
		"address already in use": {ClusterListen: taken.Addr().String(), ClusterName: "test", Routes: []string{"127.0.0.1:1"}},
		"storage directory":      {StoreDir: filepath.Join(file, "store")},
	} {
		o := options("a", 1<<20)
		o.Embedded = &e
		l, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := l.Start(&states{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if took := time.Since(begun); took > readyTimeout/2 {
			t.Errorf("%s: after %v", want, took)
		}
	}
}
