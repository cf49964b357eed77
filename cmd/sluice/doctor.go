package main

import (
	"encoding/json"
	"os"

	"sluice/cmd/sluice/internal/doctor"
)

type doctorCmd struct {
	Connections int64  `placeholder:"N" help:"Exit 1 when this host cannot hold N connections, and print what to raise."`
	JSON        bool   `name:"json" help:"Print the report as JSON."`
	Root        string `default:"/" placeholder:"DIR" help:"Root directory of the host to read, where /proc and /sys are found."`
}

// Help is the long help text.
func (doctorCmd) Help() string {
	return "Reads the limits of this process and host, works out how many idle connections each allows, names the one that " +
		"binds, and prints the commands that raise it. Changes nothing."
}

// Run is the command.
func (d doctorCmd) Run(around *surroundings) error {
	report, err := doctor.Examine(os.DirFS(d.Root), d.Connections)
	if err != nil {
		return err
	}
	if d.JSON {
		err = json.NewEncoder(around.stdout).Encode(report)
	} else {
		err = report.WriteText(around.stdout)
	}
	if err == nil && !report.Enough() {
		err = errQuiet
	}
	return err
}
