package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/bench/suite"
)

// benchCmd is what bench/run.sh calls.
type benchCmd struct {
	Rows []string `arg:"" optional:"" help:"Rows to measure; none: all."`

	List       bool   `help:"Only list the rows."`
	Smoke      bool   `help:"Small, short, one round: shows that every row works, and judges nothing."`
	Rounds     int    `default:"3" help:"Rounds."`
	Sluice     string `default:"bin/sluice" help:"The sluice binary."`
	Floor      string `default:"bin/floor" help:"The floor binary."`
	ServerCore string `default:"0" help:"Core of the servers."`
	ClientCore string `default:"1" help:"Core of the generator."`
	Only       string `help:"Measure this server alone, e.g. 'floor -b'."`
	Out        string `type:"path" help:"Also write the table to this file."`
	Page       string `type:"path" help:"Also write a page with pictures of the last round to this file, and the runs beside it."`
}

func (c *benchCmd) Run(ctx context.Context) error {
	rows, err := c.rows()
	if err != nil {
		return err
	}
	if c.List {
		for _, r := range rows {
			fmt.Printf("%-11s %s\n", r.Name, r.Title(suite.Full))
		}
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s := &suite.Suite{
		SluiceBin: c.Sluice, FloorBin: c.Floor, FloodBin: self,
		ServerCore: c.ServerCore, ClientCore: c.ClientCore,
		Rounds: c.Rounds, Scale: suite.Full, Log: os.Stderr,
	}
	if c.Page != "" {
		s.Runs = filepath.Join(filepath.Dir(c.Page), "runs")
	}
	if c.Smoke {
		s.Scale, s.Rounds = suite.Smoke, 1
	}
	outcomes, err := s.Run(ctx, rows)
	if err != nil {
		return err
	}
	if c.Page != "" {
		if err := s.Page(c.Page, outcomes); err != nil {
			return err
		}
	}
	if c.Smoke || c.Only != "" {
		fmt.Println("every row ran, nothing was lost, doubled, reordered or corrupted")
		return nil
	}
	if err := s.Write(os.Stdout, outcomes); err != nil {
		return err
	}
	if c.Out != "" {
		if err := writeFile(c.Out, s, outcomes); err != nil {
			return err
		}
	}
	if !suite.Holds(outcomes) {
		return errors.New("a bar was missed")
	}
	return nil
}

// writeFile writes bench's part of a file of results.
func writeFile(path string, s *suite.Suite, outcomes []suite.Outcome) error {
	var b bytes.Buffer
	if err := s.Write(&b, outcomes); err != nil {
		return err
	}
	return suite.SavePart(path, suite.BenchPart, b.Bytes())
}

func (c *benchCmd) rows() ([]suite.Row, error) {
	var rows []suite.Row
	all := suite.Rows()
	for _, name := range c.Rows {
		i := slices.IndexFunc(all, func(r suite.Row) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no row %q; 'flood bench --list' names them", name)
		}
		rows = append(rows, all[i])
	}
	if len(c.Rows) == 0 {
		rows = all
	}
	if c.Only != "" {
		for i := range rows {
			if rows[i].Servers = slices.DeleteFunc(slices.Clone(rows[i].Servers), func(s string) bool { return s != c.Only }); len(rows[i].Servers) == 0 {
				rows[i].Servers = []string{c.Only}
			}
		}
	}
	if strings.HasPrefix(c.Only, "floor") { // the floor has no shards
		rows = slices.DeleteFunc(rows, func(r suite.Row) bool { return r.Name == "shards" })
	}
	return rows, nil
}
