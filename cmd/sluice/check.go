package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway"
)

// checkCmd prints what is wrong with a configuration on standard output, where
// an editor or a pipe finds it, and warnings on standard error.
type checkCmd struct {
	sources
	Connect bool `help:"Connect to the broker beside the node, too, and say whether a node could use it."`
}

// Help is the long help text.
func (checkCmd) Help() string {
	return "Prints nothing and exits 0 when the configuration is good. Otherwise every problem stands on a line of its own " +
		"on standard output, as file:line:col: key: message, and the exit code is 1. What a node runs with, although somebody should " +
		"look at it, is a warning on standard error.\n\n" +
		"With --connect, a good configuration's broker (nats-server or Redis) is connected to as a node does it: with its credentials and " +
		"TLS, and the rights that a node needs at once. Where a node would get no link, the exit code is 1. Nothing is made or published there.\n\n" + environmentHelp
}

// connectTimeout bounds one attempt to connect. Each address that does not answer takes 5 s of it.
const connectTimeout = 30 * time.Second

// Run is the command.
func (c checkCmd) Run(around *surroundings) error {
	cfg, problems, warnings := c.loadAndWarn(around)
	for _, w := range warnings {
		fmt.Fprintf(around.stderr, "warning: %v\n", w)
	}
	if len(problems) > 0 {
		_, _ = io.WriteString(around.stdout, problems.String())
		return errQuiet
	}
	if !c.Connect {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	engine, err := gateway.CheckBroker(ctx, cfg, newLogger(around.stderr, cfg.Log).Level(zerolog.WarnLevel))
	switch {
	case err != nil:
		return err
	case engine == "":
		_, err = fmt.Fprintln(around.stdout, "there is no broker beside the node to connect to (broker.type, broker.embedded)")
	default:
		_, err = fmt.Fprintf(around.stdout, "%s: a node can use this broker\n", engine)
	}
	return err
}

// configCmd prints what serve would run with.
type configCmd struct{ sources }

// Help is the long help text.
func (configCmd) Help() string { return environmentHelp }

// Run is the command.
func (c configCmd) Run(around *surroundings) error {
	cfg, problems := c.load(around)
	if len(problems) > 0 {
		return problemsError{problems}
	}
	return cfg.Print(around.stdout)
}
