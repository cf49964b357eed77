package main

import (
	"fmt"
	"io"
)

// checkCmd prints what is wrong with a configuration on standard output, where
// an editor or a pipe finds it, and warnings on standard error.
type checkCmd struct{ sources }

// Help is the long help text.
func (checkCmd) Help() string {
	return "Prints nothing and exits 0 when the configuration is good. Otherwise every problem stands on a line of its own " +
		"on standard output, as file:line:col: key: message, and the exit code is 1. What a node runs with, although somebody should " +
		"look at it, is a warning on standard error.\n\n" + environmentHelp
}

// Run is the command.
func (c checkCmd) Run(around *surroundings) error {
	_, problems, warnings := c.loadAndWarn(around)
	for _, w := range warnings {
		fmt.Fprintf(around.stderr, "warning: %v\n", w)
	}
	if len(problems) > 0 {
		_, _ = io.WriteString(around.stdout, problems.String())
		return errQuiet
	}
	return nil
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
