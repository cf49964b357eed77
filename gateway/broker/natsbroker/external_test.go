//go:build fleet

package natsbroker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// A nats-server in a process of its own.
func TestLinkExternal(t *testing.T) {
	s := enginetest.NATS(t)
	s.Start(t)
	linktest.Run(t, linktest.Engine{
		Stop: func(testing.TB) { s.Kill() }, Start: s.Start, Keeps: true,
		Swaps: true, // nats-server 2.9 republishes what it has stored without a lock
		New: func(node string, queueBytes int) (broker.Link, error) {
			o := options(node, queueBytes)
			o.URLs = []string{"nats://" + s.Address}
			return New(o)
		},
	})
}

// B1: a server without JetStream keeps no histories: the log says so, and what to
// do, as soon as the link is up; so is told who publishes where there should be one,
// and nothing was sent. All other channels flow.
func TestFleetWithoutJetStream(t *testing.T) {
	s := enginetest.NATSWithoutJetStream(t)
	s.Start(t)
	class := broker.Class{Name: "test", Size: 5, TTL: time.Minute}
	said := make(lines, 100)
	o := options("a", 1<<20)
	o.URLs, o.Classes, o.Log = []string{"nats://" + s.Address}, []broker.Class{class}, zerolog.New(said)
	l := linked(t, o)
	if line := <-said; !strings.Contains(line, "nats-server needs -js") {
		t.Errorf("the log says %s", line)
	}
	outcome := make(chan error, 2)
	if err := l.Append(class, "kept", []byte("x"), func(_ broker.Position, err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; !errors.Is(err, broker.ErrDown) || !strings.Contains(err.Error(), "nats-server needs -js") {
		t.Errorf("the publisher is told %v", err)
	}
	if err := l.Publish("live", []byte("x"), func() { outcome <- nil }, func(err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

// B2: nodes that meet a class of channels at once make one stream, and nobody's
// message is refused because another node was faster.
func TestFleetStreamsMadeAtOnce(t *testing.T) {
	const nodes, classes = 4, 100
	s := enginetest.NATS(t)
	s.Start(t)
	var links []*Link
	for i := range nodes {
		o := options(string(rune('a'+i)), 1<<20)
		o.URLs = []string{"nats://" + s.Address}
		links = append(links, linked(t, o))
	}
	for i := range classes {
		class := broker.Class{Name: fmt.Sprint("class", i), Size: 5, TTL: time.Minute}
		type outcome struct {
			at  broker.Position
			err error
		}
		outcomes := make(chan outcome, nodes)
		for _, l := range links {
			if err := l.Append(class, "room", []byte("x"), func(at broker.Position, err error) { outcomes <- outcome{at, err} }); err != nil {
				t.Fatal(err)
			}
		}
		epochs := map[string]bool{}
		for range links {
			o := <-outcomes
			if o.err != nil {
				t.Errorf("%s: %v", class.Name, o.err)
			}
			epochs[o.at.Epoch] = true
		}
		if len(epochs) != 1 {
			t.Errorf("%s has the epochs %v", class.Name, epochs)
		}
	}
}

// A server before 2.11 cannot be asked how many messages there are: all are read, and the answer is the same.
func TestFleetReadNewest(t *testing.T) {
	s := enginetest.NATS(t)
	s.Start(t)
	o := options("a", 1<<20)
	o.URLs = []string{"nats://" + s.Address}
	readNewest(t, linked(t, o), 1000)
}

// lines are what is written.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}
