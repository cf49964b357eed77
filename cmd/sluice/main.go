// Sluice is a WebSocket edge gateway: it holds many connections and fans
// messages out to them.
//
// What a command is asked for goes to standard output, and everything else,
// the log too, to standard error. Exit codes: 0 done, 1 failed, 2 the command
// line or the configuration is wrong.
package main

import (
	"io"
	"os"

	"github.com/alecthomas/kong"

	"sluice/gateway/config"
)

const description = `A WebSocket edge gateway: many connections, fast fan-out.

Without a configuration, "sluice serve" serves a demo on http://127.0.0.1:8080/.`

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve until SIGTERM or SIGINT."`
	Check   checkCmd   `cmd:"" help:"Check a configuration and print its problems."`
	Config  configCmd  `cmd:"" help:"Print the effective configuration as YAML, secrets redacted."`
	Token   tokenCmd   `cmd:"" help:"Make and explain tokens, for development."`
	Nodes   nodesCmd   `cmd:"" help:"Show the nodes of the fleet."`
	Drain   drainCmd   `cmd:"" help:"Have a node let its clients go, at a pace."`
	Doctor  doctorCmd  `cmd:"" help:"Say how many connections this host can hold, and what limits them."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// surroundings are what a command takes from the process that runs it.
type surroundings struct {
	environ        []string
	stdout, stderr io.Writer
}

// run carries out one command line and returns the exit code. Only --help ends
// the process itself.
func run(args, environ []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	var c cli
	parser, err := kong.New(
		&c,
		kong.Name("sluice"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80}),
	)
	if err != nil {
		return fail(stderr, err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return fail(stderr, usageError{err})
	}
	return fail(stderr, ctx.Run(&surroundings{environ, stdout, stderr}))
}

// sources are the flags that say where the configuration comes from. Later
// ones win: defaults, file, environment, flags.
type sources struct {
	File   string   `name:"config" short:"c" placeholder:"FILE" help:"Configuration file. Without it: the demo on 127.0.0.1:8080, the admin listener on 127.0.0.1:8081."`
	Listen string   `placeholder:"ADDR" help:"Address of the first listener, host:port."`
	Admin  string   `placeholder:"ADDR" help:"Address of the admin listener, host:port."`
	Set    []string `sep:"none" placeholder:"KEY=VALUE" help:"Set one key, such as limits.message_size=1MiB or listeners.0.endpoints.0.publish=false. Repeatable."`
}

func (s sources) load(around *surroundings) (*config.Config, config.Problems) {
	cfg, problems, _ := s.loadAndWarn(around)
	return cfg, problems
}

// loadAndWarn is load, and says what is allowed but unwise.
func (s sources) loadAndWarn(around *surroundings) (cfg *config.Config, problems, warnings config.Problems) {
	return config.LoadAndWarn(config.Source{
		File:   s.File,
		Env:    around.environ,
		Set:    s.Set,
		Listen: s.Listen,
		Admin:  s.Admin,
	})
}

const environmentHelp = `Every key can also be set in the environment: SLUICE_LIMITS_MESSAGE_SIZE=1MiB, SLUICE_LISTENERS_0_ADDRESS=:8080. Order: defaults, file, environment, flags.`
