package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"sluice/bench/attack"
)

// attackerCmd is the process that attacks in 'flood run hostile'.
type attackerCmd struct{}

func (attackerCmd) Run() error {
	// It ends with the process that started it.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	return attack.Serve(os.Stdin, os.Stdout)
}

// attackerArgs are the arguments that make this executable an attacker.
func attackerArgs() []string { return []string{os.Args[0], "attacker"} }

type attacksCmd struct{}

func (attacksCmd) Run() error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, a := range attack.All() {
		var needs []string
		if a.TLS {
			needs = append(needs, "wss")
		}
		if a.Auth {
			needs = append(needs, "--auth-url")
		}
		need := ""
		if len(needs) > 0 {
			need = " (needs " + strings.Join(needs, ", ") + ")"
		}
		fmt.Fprintf(t, "%s\t%s%s\t-> %s\n", a.Name, a.About, need, a.Wants)
	}
	return t.Flush()
}
