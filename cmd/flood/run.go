package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/bench"
	"sluice/bench/report"
)

type runCmd struct {
	Scenario scenario     `arg:"" optional:"" help:"One of ${scenarios}; see 'flood scenarios'."`
	File     scenarioFile `short:"f" placeholder:"scenario.yaml" help:"Take what is not given here from a YAML file: each flag is a key of its name, and 'scenario' the scenario's."`
	Filed    scenario     `name:"scenario" hidden:"" help:"For files: the scenario."`

	URL         []string      `name:"url" default:"ws://127.0.0.1:8080/" help:"Server, ws://host:port/path or wss://; {index} and {channel} are filled in; repeat it for several, which connections take in turns."`
	Connections int           `short:"n" default:"1000" help:"Clients (fanout: subscribers; churn: at a time)."`
	Rate        float64       `default:"0" help:"Dials per second; 0: as fast as they come."`
	Procs       procs         `default:"1" help:"Processes that share the clients; auto: as many as the file limit asks for."`
	CA          string        `name:"ca" type:"path" help:"wss: PEM file with the roots to trust, in place of the system's."`
	TLSInsecure bool          `name:"tls-insecure" help:"wss: take any certificate."`
	Sources     string        `help:"Local addresses, e.g. 127.0.0.1-127.0.0.32: more ports."`
	Header      []string      `sep:"none" help:"'Name: value' for the upgrade request; repeatable."`
	Subprotocol string        `help:"Sec-WebSocket-Protocol."`
	Channels    int           `default:"0" help:"Channels that clients join in turns with ?channel=flood-N; 0: the URL is used as it is."`
	Zipf        float64       `help:"Exponent of the sizes of channels, e.g. 1: the second has half of the first, the third a third; 0: all the same."`
	Seed        uint64        `help:"Which of the clients are in which channel, with --zipf."`
	Publishers  int           `default:"0" help:"0: one per channel."`
	Size        int           `default:"128" help:"Payload bytes, at least 48."`
	Binary      bool          `help:"Publish binary messages, else text."`
	PublishRate float64       `help:"Open loop: publishes per second, all publishers together (echo: all connections)."`
	Window      int           `help:"Closed loop: publishes in flight (echo: on each connection)."`
	API         string        `name:"api" help:"Publish over HTTP to this server API, e.g. http://127.0.0.1:8081."`
	APIKey      string        `name:"api-key" env:"FLOOD_API_KEY" help:"X-API-Key for --api."`
	Gather      time.Duration `help:"Least time between two looks at the sockets: cheaper for the generator, and up to as much on top of every latency."`
	Duration    time.Duration `default:"10s" help:"Measured window (storm, slow, drain: how long all is well before it is not)."`
	Warmup      time.Duration `default:"1s" help:"Before it, at the same rate."`
	Hold        time.Duration `help:"connect: hold the connections this long, and measure the idle CPU."`
	Settle      time.Duration `default:"1s" help:"connect: rest before memory is read; storm: how long to publish on when all are back."`
	Steps       []int         `help:"connect: read the server's memory at these counts, e.g. 2000,15000."`
	GC          string        `name:"gc" help:"connect: GET this URL before memory is read (pprof's heap?gc=1)."`
	Messages    int           `help:"churn: messages to wait for before leaving (needs --publish-rate). connect --roll-call: to each channel, 0 is one."`
	RollCall    bool          `help:"connect: at the end, publish to every channel, and check that every connection got it exactly once."`
	Patience    time.Duration `default:"10s" help:"Give up when no handshake completes, or nothing of a roll call arrives, for this long."`

	Slow            float64       `group:"storm, slow, drain, mix" help:"slow, mix: the share of the subscribers that stop reading; slow: 0.2 unless given."`
	ReceiveBuffer   int           `group:"storm, slow, drain, mix" help:"slow, mix: SO_RCVBUF of those, in bytes: the smaller, the earlier the server feels it. 0: the system's."`
	Pause           time.Duration `group:"storm, slow, drain, mix" help:"mix: slow readers read nothing for up to this long, and then read for up to as long. 0: 1s."`
	Cut             string        `group:"storm, slow, drain, mix" enum:"${cuts}" default:"reset" help:"storm: how connections end: reset (by the clients, all at once), close (with a close frame), server (it is yours to cut them: restart it)."`
	Jitter          time.Duration `group:"storm, slow, drain, mix" help:"storm, mix: clients come back within this time, evenly spread. storm: 0 is at once; mix: 0 is 1s."`
	DialTimeout     time.Duration `group:"storm, slow, drain, mix" help:"storm, mix: a handshake that takes longer has failed, and is tried again. 0: 10s."`
	Leaves          float64       `group:"storm, slow, drain, mix" help:"mix: clients that leave, and come back within --jitter, per second."`
	PublishersShare float64       `group:"storm, slow, drain, mix" help:"mix: the share of the clients that publish, unless --publishers says how many. 0: 0.05."`
	Limit           time.Duration `group:"storm, slow, drain, mix" help:"storm, drain, hostile: give up waiting after this long. 0: 1m; hostile: 30s."`

	Attack        []string `group:"hostile" help:"Only these attacks, e.g. silent,big-headers; 'flood attacks' lists them."`
	List          bool     `group:"hostile" help:"List the attacks, as 'flood attacks' does, and do nothing else."`
	AttackURL     string   `group:"hostile" name:"attack-url" help:"What is attacked, unless it is the first --url."`
	AuthURL       string   `group:"hostile" name:"auth-url" help:"An endpoint that asks for a token, for the attack bad-tokens."`
	AttackSources string   `group:"hostile" help:"Local addresses of the attackers. For a server on 127.x: 127.0.2.1-127.0.5.250, and --sources 127.0.1.1-127.0.1.50, unless given."`
	AttackSockets int      `group:"hostile" help:"Sockets of an attack at a time, at most. 0: 500."`
	AttackCPUs    []int    `group:"hostile" name:"attack-cpus" help:"CPUs of the attacker's process, e.g. 2,3. Where they are the flood's own, or not given, the attacker gets what the flood leaves."`
	MaxRatio      float64  `group:"hostile" help:"The server has held when p99 is at most this many times that in quiet. 0: 3."`
	MaxRSS        size     `group:"hostile" name:"max-rss" placeholder:"64MiB" help:"And its memory (--pid) at most this. 0: any."`

	Preset      string            `default:"raw" enum:"${presets}" help:"What the server speaks: ${presets}; see 'flood presets'."`
	Join        []string          `sep:"none" help:"Message that a client begins with, in place of the preset's; {index} and {channel} are filled in; repeatable."`
	Publish     string            `help:"Message that publishes {payload}, with {index} and {channel}, in place of the preset's."`
	Greeting    int               `help:"Messages that the server sends before the client begins."`
	ReadyFrames int               `help:"Messages that the server sends after --join before a connection counts as open."`
	Answer      map[string]string `mapsep:"none" help:"'TO=SAY': what to say to a server's message that begins with TO; repeatable."`
	Refusal     []string          `sep:"none" help:"A server's message with this in it, and without a payload, is a failure; repeatable."`
	NoEcho      bool              `help:"Publishers do not get their own messages."`

	PID      []int  `name:"pid" help:"Process of the server, for its CPU and memory; repeatable."`
	DryRun   bool   `help:"Only print the plan, what this host can open, and which limit binds."`
	JSON     bool   `name:"json" xor:"form" help:"One line of JSON on stdout in place of the table."`
	Markdown bool   `xor:"form" help:"hostile: the attacks as a table of Markdown on stdout."`
	Out      string `type:"path" help:"Also save the result, with its histograms and how it went over time, for 'flood report' and 'flood compare'."`
	Quiet    bool   `short:"q" help:"No progress on stderr."`
}

// size is a number of bytes, with a unit of 1024 such as 64MiB.
type size int64

// UnmarshalText is for kong.
func (b *size) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for k, suffix := range []string{"KiB", "MiB", "GiB"} {
		if n, is := strings.CutSuffix(number, suffix); is {
			number, unit = n, 1<<(10*(k+1))
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || n < 0 {
		return fmt.Errorf("must be a size such as 64MiB")
	}
	*b = size(n * float64(unit))
	return nil
}

// scenario is the name of one.
type scenario string

// UnmarshalText is for kong.
func (s *scenario) UnmarshalText(text []byte) error {
	for _, known := range bench.Scenarios {
		if string(text) == known.Name {
			*s = scenario(text)
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", scenarioNames())
}

// scenario is the one that was asked for, in the file or as the argument.
func (c *runCmd) scenario() (string, error) {
	switch {
	case c.Scenario == "" && c.Filed == "":
		return "", fmt.Errorf("%w: name a scenario: one of %s", errUsage, scenarioNames())
	case c.Scenario != "" && c.Filed != "" && c.Scenario != c.Filed:
		return "", fmt.Errorf("%w: the argument is %s, and the file's scenario %s", errUsage, c.Scenario, c.Filed)
	}
	return string(cmp.Or(c.Scenario, c.Filed)), nil
}

func (c *runCmd) plan() (bench.Plan, error) {
	name, err := c.scenario()
	if err != nil {
		return bench.Plan{}, err
	}
	p := bench.Plan{
		Scenario: name, URLs: c.URL, Connections: c.Connections, ConnectRate: c.Rate,
		Headers: c.Header, Subprotocol: c.Subprotocol, Channels: c.Channels, Publishers: c.Publishers,
		Size: c.Size, Binary: c.Binary, PublishRate: c.PublishRate, Window: c.Window, API: c.API, APIKey: c.APIKey, Gather: c.Gather,
		Duration: c.Duration, Warmup: c.Warmup, Hold: c.Hold, Settle: c.Settle, Steps: c.Steps, GC: c.GC,
		Messages: c.Messages, RollCall: c.RollCall, Patience: c.Patience, PIDs: c.PID, Zipf: c.Zipf, Seed: c.Seed,
		Slow: c.Slow, ReceiveBuffer: c.ReceiveBuffer, Pause: c.Pause, Cut: c.Cut, Jitter: c.Jitter, DialTimeout: c.DialTimeout,
		Leaves: c.Leaves, PublishersShare: c.PublishersShare, Limit: c.Limit,
		Attacks: c.Attack, AttackURL: c.AttackURL, AuthURL: c.AuthURL, AttackSources: c.AttackSources, AttackSockets: c.AttackSockets,
		AttackCPUs: c.AttackCPUs, MaxRatio: c.MaxRatio, MaxRSS: int64(c.MaxRSS),
		Preset: c.Preset, CA: c.CA, TLSInsecure: c.TLSInsecure,
		Dialect: bench.Dialect{
			Greeting: c.Greeting, Join: c.Join, Ready: c.ReadyFrames, Publish: c.Publish, Refusals: c.Refusal, NoEcho: c.NoEcho,
		},
	}
	for _, to := range slices.Sorted(maps.Keys(c.Answer)) {
		p.Dialect.Answers = append(p.Dialect.Answers, bench.Answer{To: to, Say: c.Answer[to]})
	}
	if c.Sources != "" {
		p.Sources, err = bench.ParseSources(c.Sources)
	}
	return p, err
}

func (c *runCmd) Run(ctx context.Context) error {
	if c.List {
		return attacksCmd{}.Run()
	}
	plan, err := c.plan()
	if err != nil {
		return err
	}
	live := bench.Live{W: os.Stderr, Terminal: isTerminal(os.Stderr), Width: columns}
	limits, err := bench.Preflight(len(plan.URLs), len(plan.Sources))
	if err != nil {
		return err
	}
	limits.Procs = c.Procs.of(&plan, limits)
	if c.DryRun {
		return dryRun(plan, limits.Procs)
	}
	options := bench.Options{Version: version(), Interval: 3 * time.Second, Procs: limits.Procs, Worker: workerArgs(), Attacker: attackerArgs()}
	if live.Terminal {
		options.Interval = 200 * time.Millisecond
	}
	if !c.Quiet {
		options.Progress = live.Show
		fmt.Fprintln(os.Stderr, limits)
		if limits.Crowded(plan.Connections) {
			fmt.Fprintln(os.Stderr, "more than half of the local ports will be used, which makes connecting slow: give more --sources")
		}
	}
	result, runErr := bench.Run(ctx, plan, options)
	live.Clear()
	if result == nil || (runErr != nil && result.Operations == 0) {
		return runErr
	}
	if c.Out != "" {
		if err := result.Save(c.Out); err != nil {
			return err
		}
	}
	write := result.WriteText
	switch {
	case c.JSON:
		write = result.WriteJSON
	case c.Markdown:
		write = result.WriteAttacks
	}
	if err := write(os.Stdout); err != nil {
		return err
	}
	switch {
	case runErr != nil:
		return runErr
	case result.Invalid != "":
		return errInvalid
	case !result.OK():
		return errFaulty
	}
	return nil
}

// dryRun prints what would be done, and how much of it this host allows.
func dryRun(plan bench.Plan, procs int) error {
	limits, err := bench.Prepare(&plan, procs)
	if limits == (bench.Capacity{}) {
		return err
	}
	if err := report.Plan(os.Stdout, &plan, procs); err != nil {
		return err
	}
	fmt.Printf("\n%v\n", limits)
	return err
}
