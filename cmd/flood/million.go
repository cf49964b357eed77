package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"sluice/bench"
	"sluice/bench/million"
	"sluice/bench/suite"
)

// millionCmd is what bench/million/run.sh calls.
type millionCmd struct {
	Result string `arg:"" type:"path" help:"What flood run connect saved."`

	Connections int    `required:"" help:"So many must have been held."`
	About       string `help:"Where it ran."`
	Command     string `default:"make million" help:"What was typed."`
	Out         string `type:"path" help:"Also write the table to this file."`
	Save        string `type:"path" help:"When the proof holds, put the table into this file, as its part."`
}

func (c *millionCmd) Run() error {
	b, err := os.ReadFile(c.Result)
	if err != nil {
		return err
	}
	p := million.Proof{Result: new(bench.Result), Connections: c.Connections, About: c.About, Command: c.Command}
	if err := json.Unmarshal(b, p.Result); err != nil {
		return fmt.Errorf("%s is not whole: the run ended before its result was: %w", c.Result, err)
	}
	var table bytes.Buffer
	if err := p.Write(&table); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(table.Bytes()); err != nil {
		return err
	}
	if c.Out != "" {
		if err := os.WriteFile(c.Out, table.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if why := p.Failures(); len(why) > 0 {
		for _, w := range why {
			fmt.Fprintln(os.Stderr, "million:", w)
		}
		return fmt.Errorf("the proof of %d connections does not hold", c.Connections)
	}
	fmt.Printf("\nThe proof holds: %d connections, every one of them answered.\n", c.Connections)
	if c.Save == "" {
		return nil
	}
	return suite.SavePart(c.Save, suite.MillionPart, table.Bytes())
}
