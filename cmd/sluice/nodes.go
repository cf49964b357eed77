package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// server says how a command reaches the server API of a node.
type server struct {
	API     string `name:"api" default:"http://127.0.0.1:8081" env:"SLUICE_API" placeholder:"URL" help:"The node's server API (admin.address)."`
	KeyFile string `name:"api-key-file" placeholder:"FILE" help:"File with its key, if it has one; or the key in $$SLUICE_API_KEY."`
}

// callTimeout bounds a call. A node waits up to 2 s for the others.
const callTimeout = 10 * time.Second

// get asks for a path, and reads the result.
func (s server) get(path string, environ []string, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(s.API, "/")+path, nil)
	if err != nil {
		return usageError{err}
	}
	key := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, "SLUICE_API_KEY="); ok {
			key = v
		}
	}
	if s.KeyFile != "" {
		text, err := os.ReadFile(s.KeyFile)
		if err != nil {
			return usageError{err}
		}
		key = strings.TrimSpace(string(text))
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: does a node listen there (admin.address)? --api says where", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var a struct{ Error struct{ Message string } }
		if json.Unmarshal(text, &a) != nil || a.Error.Message == "" {
			return fmt.Errorf("%s answers %s: is it the server API of a node?", s.API, resp.Status)
		}
		return errors.New(a.Error.Message)
	}
	return json.Unmarshal(text, &struct{ Result any }{result})
}

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
	Draining       bool      `json:"draining"`
	Connections    int       `json:"connections"`
	MaxConnections int       `json:"max_connections"`
}

// state is what the node is doing.
func (n nodeRow) state() string {
	switch {
	case n.Draining:
		return "draining"
	case n.Ready:
		return "ready"
	default:
		return "not ready"
	}
}

// Run is the command.
func (c nodesCmd) Run(around *surroundings) error {
	var info struct {
		nodeRow
		Nodes []nodeRow `json:"nodes"`
	}
	if err := c.get("/api/info", around.environ, &info); err != nil {
		return err
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
		room += max(0, n.MaxConnections-n.Connections)
	}
	if len(nodes) > 1 {
		fmt.Fprintf(w, "%d nodes\t\t%d\t%d\t\t\n", len(nodes), connections, room)
	}
	return w.Flush()
}
