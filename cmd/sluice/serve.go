package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway"
	"sluice/gateway/config"
)

// stopGrace is how long Stop may take after a second signal before the process
// ends without it.
const stopGrace = time.Second

// sameSignal is how long after the first signal others count as the same one: a
// supervisor tells a process and its group, a shell its wrapper and the process.
const sameSignal = 100 * time.Millisecond

// errSecondSignal ends serve with exit code 1: connections were cut.
var errSecondSignal = errors.New("ended at once by a second signal")

type serveCmd struct{ sources }

// Help is the long help text.
func (serveCmd) Help() string {
	return "SIGTERM or SIGINT: the node drains (see drain: in the configuration) and exits 0; a second one ends it at once " +
		"with exit code 1. SIGHUP: the configuration is loaded again, all or nothing; the log says what changed and what " +
		"needs a restart. A wrong configuration at start is exit code 2.\n\n" + environmentHelp
}

// Run is the command.
func (s serveCmd) Run(around *surroundings) error {
	// From here on a signal waits in the channel until the node can act on it.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	cfg, problems, warnings := s.loadAndWarn(around)
	if len(problems) > 0 {
		return problemsError{problems}
	}
	if len(signals) == 0 { // what was caught would be lost
		relaxTimers(time.Duration(cfg.Engine.TimerSlack))
	}
	setLevel(cfg.Log.Level)
	base := newLogger(around.stderr, cfg.Log)
	log := base.With().Str("component", "sluice").Logger()
	v, _ := build()
	log.Info().Str("version", v).Str("go", runtime.Version()).Str("config", s.File).Int("pid", os.Getpid()).Msg("starting")
	for _, w := range warnings {
		log.Warn().Str("at", w.String()).Msg("configuration")
	}
	prepare(cfg, log)

	g, err := gateway.New(cfg, gateway.Options{Log: base, Version: v})
	if err != nil {
		logFailure(log, cfg.Log.Format, err)
		return err
	}
	if s.File == "" {
		greet(log, g)
	}
	n := node{gateway: g, log: log, format: cfg.Log.Format, signals: signals, load: func() (*config.Config, config.Problems) { return s.load(around) }}
	return n.run()
}

// greet tells who started sluice without a configuration where to look.
func greet(log zerolog.Logger, g *gateway.Gateway) {
	e := log.Info().Str("demo", "open "+browse(g.Addresses()[0]))
	if address := g.AdminAddress(); address != "" {
		e = e.Str("admin", browse(address))
	}
	e.Msg("serving the built-in configuration")
}

// browse is the URL under which this machine's browser finds a listener.
func browse(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address + "/"
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// served is what a node needs of its gateway.
type served interface {
	Run(ctx context.Context) error
	Stop() error
	Reload(next *config.Config) (changed, restart []string)
}

// A node is a gateway and the signals that it obeys.
type node struct {
	gateway served
	log     zerolog.Logger
	format  config.LogFormat
	signals <-chan os.Signal
	load    func() (*config.Config, config.Problems)
}

// run serves until a signal, or an error of the gateway, ends it.
func (n node) run() error {
	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	done := make(chan error, 1)
	go func() { done <- n.gateway.Run(ctx) }()

	var first time.Time // signal to end
	for {
		select {
		case err := <-done:
			if err != nil {
				logFailure(n.log, n.format, err)
			}
			n.log.Info().Msg("stopped")
			return err
		case s := <-n.signals:
			switch {
			case s == syscall.SIGHUP:
				n.reload()
			case ctx.Err() == nil:
				n.log.Info().Str("signal", s.String()).Msg("draining: a second signal ends at once")
				first = time.Now()
				drain()
			case time.Since(first) < sameSignal:
				n.log.Info().Str("signal", s.String()).Stringer("within", sameSignal).Msg("the same signal again: the drain goes on")
			default:
				n.log.Warn().Str("signal", s.String()).Msg("ending at once")
				n.stop(done)
				return errSecondSignal
			}
		}
	}
}

// stop ends the gateway without a drain and waits for it, but not for long.
func (n node) stop(done <-chan error) {
	go func() {
		if err := n.gateway.Stop(); err != nil {
			n.log.Warn().Err(err).Msg("stop")
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			n.log.Warn().Err(err).Msg("run")
		}
	case <-time.After(stopGrace):
	}
}

// reload loads the configuration again and gives it to the gateway, unless
// anything is wrong with it: then everything stays as it is.
func (n node) reload() {
	next, problems := n.load()
	for _, p := range problems {
		n.log.Error().Str("problem", p.String()).Msg("configuration not reloaded")
	}
	if len(problems) > 0 {
		return
	}
	changed, restart := n.gateway.Reload(next)
	setLevel(next.Log.Level)
	e := n.log.Info()
	if len(restart) > 0 {
		e = n.log.Warn()
	}
	e.Strs("changed", changed).Strs("needs_restart", restart).Msg("configuration reloaded")
}
