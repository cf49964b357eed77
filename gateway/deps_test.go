package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A layer is a row of the import table: which packages stand in it, what of
// this module they may import, and why no more. A trailing /... takes the
// packages below, too.
type layer struct {
	packages []string
	imports  []string
	because  string
}

// layerTable is the rule of who may import whom, from the ground up.
func layerTable() []layer {
	const (
		gw       = "sluice/gateway"
		internal = gw + "/internal/..."
		protocol = gw + "/protocol/..."
	)
	return []layer{
		{[]string{internal}, nil, "internal packages are the ground"},
		{
			[]string{gw + "/ws", protocol, gw + "/demo", gw + "/spell"},
			[]string{internal, protocol},
			"codecs and pages are pure: bytes in, bytes out",
		},
		{
			[]string{gw + "/metrics"},
			nil,
			"everyone may count, so metrics know nobody",
		},
		{
			[]string{gw + "/auth"},
			[]string{internal, protocol, gw + "/metrics"},
			"who somebody is, is decided from bytes and a time: no sockets, no sessions",
		},
		{
			[]string{gw + "/auth/jwks"},
			[]string{gw + "/auth", gw + "/metrics"},
			"keys are fetched aside from those who need them",
		},
		{
			[]string{gw + "/config"},
			[]string{internal, protocol, gw + "/auth", gw + "/auth/jwks", gw + "/spell"},
			"a configuration knows what a channel name and a certificate are, and nobody who reads it",
		},
		{
			[]string{gw + "/hub"},
			[]string{internal, gw + "/metrics"},
			"the hub fans out frames: no sockets, no protocol",
		},
		{
			[]string{gw + "/drain"},
			[]string{gw + "/metrics"},
			"a drain knows numbers of connections and what others can take, and not from whom",
		},
		{
			[]string{gw + "/fleet"},
			nil,
			"what nodes say to each other is theirs, and the broker a bus",
		},
		{
			[]string{gw + "/broker"},
			[]string{gw + "/hub", internal},
			"what carries publications between nodes knows what a publication is, and no engine",
		},
		{
			[]string{gw + "/broker/natsbroker", gw + "/broker/redisbroker"},
			[]string{gw + "/broker"},
			"an engine knows the contract of a link, and no other engine",
		},
		{
			[]string{gw + "/broker/enginetest"},
			nil,
			"processes of engines for tests: it knows programs and addresses",
		},
		{
			[]string{gw + "/broker/linktest"},
			[]string{gw + "/broker"},
			"the suite that holds any engine's link to the contract knows no engine",
		},
		{
			[]string{gw + "/session"},
			[]string{gw + "/hub", gw + "/ws", protocol, gw + "/auth", gw + "/metrics", internal},
			"a session is one connection's life, whatever carries its bytes",
		},
		{
			[]string{gw + "/edge"},
			[]string{gw + "/session", gw + "/hub", gw + "/ws", protocol, gw + "/metrics", internal},
			"the edge turns sockets into sessions and knows no configuration",
		},
		{
			[]string{gw + "/api"},
			[]string{gw + "/hub", gw + "/session", protocol, gw + "/metrics"},
			"the server API sees the hub and views of sessions, never a socket; it writes positions as clients do",
		},
		{
			[]string{gw},
			[]string{gw + "/..."},
			"the gateway wires everything below it",
		},
		{
			[]string{"sluice/cmd/sluice"},
			[]string{gw, gw + "/config", gw + "/auth", "sluice/cmd/sluice/internal/..."},
			"the command is flags, configuration and one gateway",
		},
		{[]string{"sluice/cmd/sluice/internal/..."}, nil, "what the command needs for itself stands alone"},
		{
			[]string{"sluice/bench/..."},
			[]string{"sluice/bench/...", gw + "/ws"},
			"a load tool that shares the server's engine would share its mistakes",
		},
		{
			[]string{"sluice/cmd/flood"},
			[]string{"sluice/bench/...", gw + "/spell"},
			"the flood's command is thin over bench",
		},
		{
			[]string{gw + "/interop/..."},
			[]string{gw, gw + "/config"},
			"tests with real clients drive a gateway from outside",
		},
	}
}

// A fence is a package from outside that only some of ours may import.
type fence struct {
	pkg     string // a trailing /... takes the packages below, too
	inside  []string
	because string
}

func fenceTable() []fence {
	const (
		nbio = "github.com/lesismal/nbio"
		gw   = "sluice/gateway"
	)
	return []fence{
		{nbio + "/nbhttp/...", nil, "our own codec is stricter and takes half the memory"},
		{"github.com/lesismal/llib/std/crypto/tls/...", nil, "it is a fork of 2021 with known holes; use crypto/tls"},
		{nbio + "/...", []string{gw + "/edge"}, "one package knows the event loop"},
		{"net/http/pprof", []string{gw + "/api"}, "profiles are served by the admin listener alone"},
		{"testing", []string{gw + "/broker/linktest", gw + "/broker/enginetest", gw + "/interop/chromiumtest"}, "tests do not ship; what tests share does not either"},
		{"unsafe", []string{gw + "/ws", gw + "/edge", "sluice/bench/..."}, "memory tricks stay where the bytes are"},
	}
}

// TestImports holds every package of the module to the tables.
func TestImports(t *testing.T) {
	graph := listImports(t)
	if len(graph) < 2 {
		t.Fatalf("go list found %d packages", len(graph))
	}
	for _, v := range violations(graph) {
		t.Error(v)
	}
}

// TestViolations shows that the tables bite.
func TestViolations(t *testing.T) {
	const edge, hub, ws = "sluice/gateway/edge", "sluice/gateway/hub", "sluice/gateway/ws"
	tests := []struct {
		name  string
		graph map[string][]string
		want  []string
	}{
		{"clean", map[string][]string{
			edge: {hub, ws, "net", "github.com/lesismal/nbio"},
			hub:  {"sluice/gateway/internal/ring"},
			ws:   nil, "sluice/gateway/internal/ring": nil,
		}, nil},
		{
			"upwards",
			map[string][]string{hub: {edge}, edge: nil},
			[]string{hub + " -> " + edge + ": the hub fans out frames: no sockets, no protocol"},
		},
		{
			"a chain names how the command gets there",
			map[string][]string{"sluice/cmd/sluice": {"sluice/gateway"}, "sluice/gateway": {hub}, hub: {"net/http/pprof"}},
			[]string{"sluice/cmd/sluice -> sluice/gateway -> " + hub + " -> net/http/pprof: " +
				"profiles are served by the admin listener alone"},
		},
		{
			"not in the table",
			map[string][]string{"sluice/gateway/utils": nil},
			[]string{"sluice/gateway/utils: stands in no row of the import table: give it one"},
		},
		{
			"fence with one gate",
			map[string][]string{edge: {"github.com/lesismal/nbio/nbhttp/websocket"}},
			[]string{edge + " -> github.com/lesismal/nbio/nbhttp/websocket: " +
				"our own codec is stricter and takes half the memory"},
		},
		{
			"bench",
			map[string][]string{"sluice/cmd/flood": {"sluice/bench"}, "sluice/bench": {ws, hub}, ws: nil, hub: nil},
			[]string{"sluice/cmd/flood -> sluice/bench -> " + hub + ": " +
				"a load tool that shares the server's engine would share its mistakes"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, violations(tt.graph)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// violations compares an import graph, package -> direct imports, with the
// tables, and returns one line for each import that breaks a rule: the chain
// from a command down to it, and the reason.
func violations(graph map[string][]string) []string {
	var out []string
	layers, fences := layerTable(), fenceTable()
	pkgs := make([]string, 0, len(graph))
	for pkg := range graph {
		pkgs = append(pkgs, pkg)
	}
	slices.Sort(pkgs)
	for _, pkg := range pkgs {
		row := slices.IndexFunc(layers, func(l layer) bool { return matchAny(l.packages, pkg) })
		if row < 0 {
			out = append(out, pkg+": stands in no row of the import table: give it one")
			continue
		}
		for _, dep := range graph[pkg] {
			reason := ""
			if strings.HasPrefix(dep, "sluice/") {
				if !matchAny(layers[row].imports, dep) {
					reason = layers[row].because
				}
			} else if i := slices.IndexFunc(fences, func(f fence) bool { return match(f.pkg, dep) }); i >= 0 {
				if !matchAny(fences[i].inside, pkg) {
					reason = fences[i].because
				}
			}
			if reason != "" {
				out = append(out, fmt.Sprintf("%s -> %s: %s", chain(graph, pkg), dep, reason))
			}
		}
	}
	return out
}

// chain returns the shortest way from a command to pkg, or pkg alone when no
// command gets there.
func chain(graph map[string][]string, pkg string) string {
	above := make([]string, 0, len(graph))
	for p := range graph {
		above = append(above, p)
	}
	slices.Sort(above)

	seen := map[string]bool{pkg: true}
	for ways := [][]string{{pkg}}; len(ways) > 0; ways = ways[1:] {
		way := ways[0]
		if strings.HasPrefix(way[0], "sluice/cmd/") {
			return strings.Join(way, " -> ")
		}
		for _, p := range above {
			if !seen[p] && slices.Contains(graph[p], way[0]) {
				seen[p] = true
				ways = append(ways, append([]string{p}, way...))
			}
		}
	}
	return pkg
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, pkg) })
}

func match(pattern, pkg string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == above || strings.HasPrefix(pkg, above+"/")
	}
	return pkg == pattern
}

// listImports asks the go command for the direct imports of every package of
// the module, tests left out.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	graph := make(map[string][]string)
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		graph[p.ImportPath] = p.Imports
	}
	return graph
}

// Nothing that is linked into the commands is llib's fork of crypto/tls, so no
// path that takes connections can lead there: nbio's package with the event loop
// does not import it, and the fences keep the others of nbio's out.
func TestNoForkOfTLS(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, want := range []string{"crypto/tls", "github.com/lesismal/nbio"} {
		if !slices.Contains(deps, want) {
			t.Errorf("%s is not linked: this test looks at something else", want)
		}
	}
	for _, dep := range deps {
		if match("github.com/lesismal/llib/...", dep) {
			t.Errorf("%s is linked", dep)
		}
	}
}
