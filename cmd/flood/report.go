package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sluice/bench"
	"sluice/bench/report"
)

type reportCmd struct {
	Runs     []string `arg:"" name:"run.json" type:"existingfile" help:"What 'flood run --out' saved; several are laid over each other."`
	Markdown bool     `help:"Print the attacks of 'flood run hostile' as a table of Markdown."`
	Out      string   `short:"o" type:"path" placeholder:"report.html" help:"Write one page with pictures to this file; without it the tables are printed."`
}

func (c *reportCmd) Run() error {
	results, err := load(c.Runs)
	if err != nil {
		return err
	}
	if c.Out == "" {
		for i, n := range results {
			if len(results) > 1 {
				if i > 0 {
					fmt.Println()
				}
				fmt.Printf("%s\n\n", n.Name)
			}
			write := n.Result.WriteText
			if c.Markdown {
				write = n.Result.WriteAttacks
			}
			if err := write(os.Stdout); err != nil {
				return err
			}
		}
		return nil
	}
	f, err := os.Create(c.Out)
	if err != nil {
		return err
	}
	return errors.Join(report.HTML(f, results...), f.Close())
}

type compareCmd struct {
	Runs []string `arg:"" name:"run.json" type:"existingfile" help:"What 'flood run --out' saved; ratios are to the first."`
}

func (c *compareCmd) Run() error {
	results, err := load(c.Runs)
	if err != nil {
		return err
	}
	if len(results) < 2 {
		return fmt.Errorf("%w: name two results or more", errUsage)
	}
	return report.Compare(os.Stdout, results...)
}

// load reads results; they are called by their files' names.
func load(paths []string) ([]report.Named, error) {
	var list []report.Named
	for _, path := range paths {
		r, err := bench.Load(path)
		if err != nil {
			return nil, err
		}
		list = append(list, report.Named{Name: strings.TrimSuffix(filepath.Base(path), ".json"), Result: r})
	}
	return list, nil
}
