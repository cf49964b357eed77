package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
)

// fakeGateway drains for 10 s, unless it is stopped.
type fakeGateway struct{ stopped chan struct{} }

func (g fakeGateway) Run(ctx context.Context) error {
	<-ctx.Done()
	select {
	case <-g.stopped:
	case <-time.After(10 * time.Second):
	}
	return nil
}

func (g fakeGateway) Stop() error {
	close(g.stopped)
	return nil
}

func (fakeGateway) Reload(*config.Config) (changed, restart []string) { return nil, nil }

// Signals within a tenth of a second of the first are one, as a supervisor that signals the
// process and its group sends two; a later one cuts the drain short.
func TestSignals(t *testing.T) {
	type at struct {
		after  time.Duration // since the one before
		signal os.Signal
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		list []at
		took time.Duration
		want error
	}{
		{"one", []at{{0, syscall.SIGTERM}}, 10 * time.Second, nil},
		{"two at once", []at{{0, syscall.SIGTERM}, {0, syscall.SIGTERM}}, 10 * time.Second, nil},
		{"two within a tenth of a second", []at{{0, syscall.SIGTERM}, {99 * ms, syscall.SIGINT}}, 10 * time.Second, nil},
		{"two", []at{{0, syscall.SIGTERM}, {100 * ms, syscall.SIGTERM}}, 100 * ms, errSecondSignal},
		{"three, the second too early", []at{{0, syscall.SIGINT}, {60 * ms, syscall.SIGINT}, {60 * ms, syscall.SIGINT}}, 120 * ms, errSecondSignal},
		{"a reload is none of them", []at{{0, syscall.SIGTERM}, {time.Second, syscall.SIGHUP}}, 10 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 4)
				var log strings.Builder
				n := node{
					gateway: fakeGateway{make(chan struct{})}, log: zerolog.New(&log), signals: signals,
					load: func() (*config.Config, config.Problems) { return config.Default(), nil },
				}
				go func() {
					for _, s := range tt.list {
						time.Sleep(s.after)
						signals <- s.signal
					}
				}()
				start := time.Now()
				if err := n.run(); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %v, want %v:\n%s", took, tt.took, log.String())
				}
			})
		})
	}
}

// failing is a gateway that cannot run.
type failing struct{ fakeGateway }

func (failing) Run(context.Context) error { return fmt.Errorf("edge: %w", syscall.EMFILE) }

// What ends a node stands in its log before "stopped", as a line like the others;
// where people read the log, it is said once, beside.
func TestFailureIsLogged(t *testing.T) {
	for format, want := range map[config.LogFormat]string{
		config.JSON: `{"level":"error","error":"edge: too many open files","hint":"` + hint(syscall.EMFILE) + `","message":"ended by an error"}` + "\n" +
			`{"level":"info","message":"stopped"}` + "\n",
		config.Console: `{"level":"info","message":"stopped"}` + "\n",
	} {
		var log strings.Builder
		n := node{gateway: failing{}, log: zerolog.New(&log), format: format}
		if err := n.run(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("got %v", err)
		}
		if log.String() != want {
			t.Errorf("%s: got\n%swant\n%s", format, log.String(), want)
		}
	}
}
