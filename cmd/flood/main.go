// Command flood is a WebSocket load generator: see package bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"sluice/bench"
	"sluice/bench/report"
)

type cli struct {
	Run       runCmd       `cmd:"" help:"Run a scenario against a WebSocket server."`
	Worker    workerCmd    `cmd:"" hidden:"" help:"One of the processes of 'flood run --procs'."`
	Attacker  attackerCmd  `cmd:"" hidden:"" help:"The attacker of 'flood run hostile'."`
	Bench     benchCmd     `cmd:"" hidden:"" help:"Measure Sluice beside the floor: see bench/run.sh."`
	Report    reportCmd    `cmd:"" help:"Show saved results again, as a table or as a page with pictures."`
	Compare   compareCmd   `cmd:"" help:"Show saved results of the same plan side by side, with ratios."`
	Million   millionCmd   `cmd:"" hidden:"" help:"Judge a run of bench/million/run.sh, and write its table."`
	Scenarios scenariosCmd `cmd:"" help:"List the scenarios, one line each."`
	Attacks   attacksCmd   `cmd:"" help:"List the attacks of 'flood run hostile', with what a server should do about each."`
	Presets   presetsCmd   `cmd:"" help:"List the presets for servers of other kinds, one line each."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// Exit codes: 0 everything that was asked for happened; 1 it did not (messages
// or connections were lost, or the run failed); 2 wrong usage; 3 INVALID.
var (
	errFaulty  = errors.New("not everything arrived as it should: see the report")
	errInvalid = errors.New("the generator was the limit")
	errUsage   = errors.New("wrong usage")
)

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, parser := newParser(ctx)
	command, err := parser.Parse(args)
	var file fileError
	if errors.As(err, &file) {
		fmt.Fprintln(os.Stderr, file)
		return 2
	}
	if err != nil {
		parser.Errorf("%s", err)
		return 2
	}
	err = command.Run()
	if err == nil {
		return 0
	}
	if errors.Is(err, errInvalid) {
		return 3 // the report has said so
	}
	for line := range strings.Lines(err.Error()) {
		for _, pkg := range []string{"bench: ", "plan: ", "report: "} {
			line = strings.TrimPrefix(line, pkg)
		}
		fmt.Fprintf(os.Stderr, "flood: %s\n", strings.TrimSuffix(line, "\n"))
	}
	for _, wrong := range []error{errUsage, bench.ErrPlan, bench.ErrIndivisible, report.ErrDifferent} {
		if errors.Is(err, wrong) {
			return 2
		}
	}
	return 1
}

// newParser makes the parser of command lines, and what it fills in.
func newParser(ctx context.Context) (*cli, *kong.Kong) {
	var c cli
	parser, err := kong.New(
		&c,
		kong.Name("flood"),
		kong.Description("Opens many WebSocket connections, publishes, and checks every message on every one of them."),
		kong.Vars{"presets": presetNames(), "scenarios": scenarioNames(), "cuts": strings.Join(bench.Cuts, ",")},
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // the struct tags above are wrong
	}
	return &c, parser
}

type scenariosCmd struct{}

func (scenariosCmd) Run() error {
	for _, s := range bench.Scenarios {
		fmt.Printf("%-8s  %s\n", s.Name, s.About)
	}
	return nil
}

// scenarioNames is for kong's enum and help.
func scenarioNames() string {
	var names []string
	for _, s := range bench.Scenarios {
		names = append(names, s.Name)
	}
	return strings.Join(names, ",")
}

type presetsCmd struct{}

func (presetsCmd) Run() error {
	for _, p := range bench.Presets {
		fmt.Printf("%-10s  %s\n", p.Name, p.About)
	}
	return nil
}

// presetNames is for kong's enum and help.
func presetNames() string {
	var names []string
	for _, p := range bench.Presets {
		names = append(names, p.Name)
	}
	return strings.Join(names, ",")
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("flood", version())
	return nil
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
