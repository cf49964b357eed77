package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"
)

type nodesCmd struct {
	server
	JSON bool `name:"json" help:"Print them as JSON."`
}

// Help is the long help text.
func (nodesCmd) Help() string {
	return "Asks one node, which says what all of them have said within the last seconds: connections, room for more, version and state."
}

// nodeRow is one node, as /api/info shows it.
type nodeRow struct {
	Node           string    `json:"node"`
	Version        string    `json:"version"`
	Started        time.Time `json:"started"`
	Ready          bool      `json:"ready"`
	Why            string    `json:"why,omitempty"`
	Draining       bool      `json:"draining"`
	Connections    int       `json:"connections"`
	MaxConnections int       `json:"max_connections"`
}

// state is what the node is doing.
func (n nodeRow) state() string {
	switch {
	case n.Draining && n.Connections == 0:
		return "drained"
	case n.Draining:
		return "draining"
	case n.Ready:
		return "ready"
	case n.Why != "":
		return "not ready: " + n.Why
	default:
		return "not ready"
	}
}

// Run is the command.
func (c nodesCmd) Run(around *surroundings) error {
	var info struct {
		nodeRow
		Nodes   []nodeRow `json:"nodes"`
		Unheard bool      `json:"nodes_unheard"`
	}
	if err := c.call(http.MethodGet, "/api/info", nil, around.environ, &info); err != nil {
		return err
	}
	if info.Unheard {
		fmt.Fprintf(around.stderr, "warning: %s has no link to the broker, and hears no other node; ask each at its own admin address (--api)\n", info.Node)
	}
	nodes := info.Nodes
	if nodes == nil { // it is alone
		nodes = []nodeRow{info.nodeRow}
	}
	if c.JSON {
		return json.NewEncoder(around.stdout).Encode(nodes)
	}
	w := tabwriter.NewWriter(around.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "node\tstate\tconnections\troom for\tup\tversion")
	connections, room := 0, 0
	for _, n := range nodes {
		more := "?"
		if n.MaxConnections > 0 {
			more = fmt.Sprint(max(0, n.MaxConnections-n.Connections))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%v\t%s\n", n.Node, n.state(), n.Connections, more, time.Since(n.Started).Round(time.Second), n.Version)
		connections += n.Connections
		if n.Ready {
			room += max(0, n.MaxConnections-n.Connections)
		}
	}
	if len(nodes) > 1 {
		fmt.Fprintf(w, "%d nodes\t\t%d\t%d\t\t\n", len(nodes), connections, room)
	}
	return w.Flush()
}
