//go:build fleet

package redisbroker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
)

// recorder is a link, and what came in on it.
type recorder struct {
	*Link

	// Guarded by mu.
	mu       sync.Mutex
	ups      int
	downs    []error
	messages map[string][]string
	places   map[string][]broker.Position
	wanted   []string // subscribed to again after a loss of the link
}

// record starts a link, which is closed with the test, and waits until it is up.
func record(t testing.TB, l *Link, err error) *recorder {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Link: l, messages: map[string][]string{}, places: map[string][]broker.Position{}}
	if err := l.Start(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), enginetest.Patience)
		defer cancel()
		_ = l.Close(ctx)
	})
	enginetest.Eventually(t, "link", func() bool { up, _ := r.state(); return up })
	return r
}

// Up subscribes again to all channels, when it is not the first.
func (r *recorder) Up() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ups++; r.ups == 1 || r.wanted == nil {
		return
	}
	for _, channel := range r.wanted {
		r.messages[channel] = append(r.messages[channel], missed)
		r.places[channel] = append(r.places[channel], broker.Position{})
	}
	channels := slices.Clone(r.wanted)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), enginetest.Patience)
		defer cancel()
		_ = r.Subscribe(ctx, channels) // where it fails, the test does
	}()
}

func (r *recorder) Down(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downs = append(r.downs, err)
}

func (r *recorder) Message(channel string, m []byte, at broker.Position, _ uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages[channel] = append(r.messages[channel], string(m))
	r.places[channel] = append(r.places[channel], at)
}

// Missing is kept among the channel's messages, and so is Missed.
func (r *recorder) Missing(channel string) { r.Message(channel, []byte(missing), broker.Position{}, 0) }

func (r *recorder) Missed(channel string) { r.Message(channel, []byte(missed), broker.Position{}, 0) }

const (
	missing = "(missing)"
	missed  = "(missed)"
)

func (r *recorder) Lost(string)    {}
func (r *recorder) Control([]byte) {}

// state is whether the link is up, and how often it was lost.
func (r *recorder) state() (up bool, downs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ups > len(r.downs), len(r.downs)
}

// got are the messages of a channel that begin so.
func (r *recorder) got(channel, prefix string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages[channel] {
		if strings.HasPrefix(m, prefix) {
			list = append(list, m)
		}
	}
	return list
}

func (r *recorder) subscribe(t testing.TB, channels ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	defer cancel()
	if err := r.Subscribe(ctx, channels); err != nil {
		t.Fatal(err)
	}
}

// want has channels subscribed to again after a loss of the link, as a broker does.
func (r *recorder) want(channels ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = channels
}

// published publishes a message, and waits for the outcome.
func (r *recorder) published(t testing.TB, channel, m string) error {
	t.Helper()
	outcome := make(chan error, 2)
	if err := r.Publish(channel, []byte(m), func() { outcome <- nil }, func(err error) { outcome <- err }); err != nil {
		return err
	}
	select {
	case err := <-outcome:
		return err
	case <-time.After(enginetest.Patience):
		t.Fatal("a publication was not answered")
		return nil
	}
}

// stored appends a message, and waits for the outcome.
func (r *recorder) stored(t testing.TB, channel, m string) (at broker.Position, err error) {
	t.Helper()
	done := make(chan struct{})
	if err := r.Append(testClass, channel, []byte(m), func(p broker.Position, e error) { at, err = p, e; close(done) }); err != nil {
		return at, err
	}
	select {
	case <-done:
	case <-time.After(enginetest.Patience):
		t.Fatal("an append was not answered")
	}
	return at, err
}

var testClass = broker.Class{Name: "test", Size: 1000, TTL: time.Hour}

// numbered fails where list is not 0 to n-1 in order, after a prefix.
func numbered(t testing.TB, what, prefix string, list []string, n int) {
	t.Helper()
	if len(list) != n {
		t.Fatalf("%s: %d messages, want %d", what, len(list), n)
	}
	for i, m := range list {
		if m != fmt.Sprint(prefix, i) {
			t.Fatalf("%s: message %d is %s", what, i, m)
		}
	}
}
