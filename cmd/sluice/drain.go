package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type drainCmd struct {
	server
	Node    string         `placeholder:"NAME" help:"The node to drain, as sluice nodes names it. Default: the one that is asked."`
	Over    *time.Duration `placeholder:"10m" help:"The time over which connections are closed, evenly. Default: drain.period."`
	MaxRate *perSecond     `placeholder:"2000/s" help:"Connections closed a second, at most; 0: no limit. Default: drain.max_rate."`
	Delay   *time.Duration `placeholder:"5s" help:"From readiness off to the first close: what load balancers need to notice. Default: drain.delay."`
	Force   bool           `help:"Go on when no other node takes connections; without, the drain is refused, or waits."`
	NoWait  bool           `help:"Return when the drain has begun."`
	Status  bool           `xor:"what" help:"Say how far the drain is, and change nothing."`
	Abort   bool           `xor:"what" help:"Have the node take clients again."`
	JSON    bool           `name:"json" help:"Print the state as JSON."`
}

// Help is the long help text.
func (drainCmd) Help() string {
	return "Has a node let go of its clients, so that others take them: readiness is off at once; after the delay it takes no more " +
		"connections, and closes those that it has at a pace that the other nodes can take (engine.accept_rate). It stays up: end " +
		"it when nobody is left, or have it take clients again with --abort. The command shows how far it is, and returns when " +
		"nobody is left; when it is interrupted, the drain goes on. Called again, it changes the plan."
}

// perSecond is a rate: 2000/s or 2000.
type perSecond int

// UnmarshalText reads it.
func (r *perSecond) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "/s"))
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no rate such as 2000/s", text)
	}
	*r = perSecond(n)
	return nil
}

// drainState is the state of a node's drain, as /api/drain shows it.
type drainState struct {
	Node        string `json:"node"`
	State       string `json:"state"`
	Connections int    `json:"connections"`
	Total       int    `json:"total"`
	Open        int    `json:"open"`
	Rate        int    `json:"rate"`
	Limit       string `json:"limit"`
	Over        string `json:"over"`
	MaxRate     int    `json:"max_rate"`
}

// limits says in words what holds a drain back.
var limits = map[string]string{
	"max_rate":     ", as many as --max-rate allows",
	"room":         ", as many as the other nodes have room for",
	"no_survivors": ": it waits, no other node takes connections",
}

func (d drainState) String() string {
	switch d.State {
	case "none":
		return fmt.Sprintf("%s takes connections, and has %d: there is no drain", d.Node, d.Connections)
	case "delayed":
		return fmt.Sprintf("%s is not ready any more, and has %d connections", d.Node, d.Connections)
	case "drained":
		return fmt.Sprintf("%s is drained: of %d connections none is left", d.Node, d.Total)
	default:
		return fmt.Sprintf("%s has %d of %d connections, %d/s leave%s%s", d.Node, d.Connections, d.Total, d.Rate, limits[d.Limit], d.left())
	}
}

// left says how long the rest takes at the present rate, and whether that is longer than planned.
func (d drainState) left() string {
	if d.Rate == 0 {
		return ""
	}
	text := fmt.Sprintf("; about %v to go", (time.Duration(d.Open) * time.Second / time.Duration(d.Rate)).Round(time.Second))
	over, _ := time.ParseDuration(d.Over)
	if d.Limit == "max_rate" && over > 0 {
		text += fmt.Sprintf(", %v is not enough at %d/s", over, d.MaxRate)
	}
	return text
}

// Run is the command.
func (c drainCmd) Run(around *surroundings) error {
	path := "/api/drain"
	if c.Node != "" {
		path += "?node=" + url.QueryEscape(c.Node)
	}
	var d drainState
	var err error
	switch {
	case c.Status:
		err = c.call(http.MethodGet, path, nil, around.environ, &d)
	case c.Abort:
		err = c.call(http.MethodDelete, path, nil, around.environ, &d)
	default:
		err = c.call(http.MethodPost, "/api/drain", c.plan(), around.environ, &d)
	}
	if err == nil && !c.Status && !c.Abort && !c.NoWait {
		err = c.watch(path, around, &d)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(around.stdout).Encode(d)
	}
	_, err = fmt.Fprintln(around.stdout, d)
	return err
}

// plan is the body of the call.
func (c drainCmd) plan() map[string]any {
	p := map[string]any{}
	if c.Node != "" {
		p["node"] = c.Node
	}
	if c.Over != nil {
		p["over"] = c.Over.String()
	}
	if c.Delay != nil {
		p["delay"] = c.Delay.String()
	}
	if c.MaxRate != nil {
		p["max_rate"] = int(*c.MaxRate)
	}
	if c.Force {
		p["force"] = true
	}
	return p
}

// Times between two looks, and between two lines where nobody looks at them live.
const (
	drainLook = 500 * time.Millisecond
	drainLine = 5 * time.Second
)

// again are the flags that another call needs to mean the same node.
func (c drainCmd) again() (flags string) {
	if c.API != defaultAPI {
		flags += " --api " + c.shown()
	}
	if c.Node != "" {
		flags += " --node " + c.Node
	}
	return flags
}

// watch shows how far the drain is until nobody is left.
func (c drainCmd) watch(path string, around *surroundings, d *drainState) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	shown := line{w: around.stderr, terminal: isTerminal(around.stderr)}
	defer shown.end()
	for {
		shown.show(d.String())
		select {
		case <-interrupted:
			shown.end()
			fmt.Fprintf(around.stderr, "the drain goes on; sluice drain%s --status says how far it is, --abort ends it\n", c.again())
			return errQuiet
		case <-time.After(drainLook):
		}
		if err := c.call(http.MethodGet, path, nil, around.environ, d); err != nil {
			return err
		}
		switch d.State {
		case "drained":
			return nil
		case "none":
			return errors.New("the drain was aborted")
		}
	}
}

// line is one that is written over and over on a terminal, and now and then elsewhere.
type line struct {
	w        io.Writer
	terminal bool
	width    int
	last     time.Time
}

func (l *line) show(text string) {
	if l.terminal {
		fmt.Fprintf(l.w, "\r%-*s", l.width, text)
		l.width = len(text)
		return
	}
	if now := time.Now(); now.Sub(l.last) >= drainLine {
		l.last = now
		fmt.Fprintln(l.w, text)
	}
}

// end leaves the line.
func (l *line) end() {
	if l.width > 0 {
		fmt.Fprintln(l.w)
		l.width = 0
	}
}
