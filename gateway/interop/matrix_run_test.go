//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"sluice/gateway/config"
)

// A run is one client in one cell, against a node of its own.
type run struct {
	// Static after newRun.
	client  client
	cell    cell
	files   certificates
	browser context.Context

	// Owned by the test's goroutine.
	node     *node
	passed   []string
	families map[string]*dto.MetricFamily // the node's metrics before its drain
}

// due are the steps that the client has a way to do.
func (c client) due() []string {
	return slices.DeleteFunc(steps(), func(step string) bool { return c.lacks[step] != "" })
}

// offer is what the client is told to offer.
func (r *run) offer() string {
	if r.cell.deflate {
		return "deflate"
	}
	return "off"
}

func (r *run) do(t *testing.T) {
	ctx := within(t)
	r.node = start(t, r.config())
	lines := make(chan line)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(lines)
		done <- r.client.program(ctx, r, r.node.ws+"/", func(l line) {
			select {
			case lines <- l:
			case <-ctx.Done():
			}
		})
	}()
	// A test that fails in between must not leave the client behind.
	t.Cleanup(func() {
		cancel()
		for range lines {
		}
	})
	for l := range lines {
		r.hear(ctx, t, l)
	}
	if err := <-done; err != nil {
		t.Errorf("the client ended with %v", err)
	}
	if r.families != nil {
		r.judge(t)
	}
	if got, want := r.passed, r.client.due(); !slices.Equal(got, want) {
		t.Errorf("passed %v\n  want %v", got, want)
	}
}

// hear does what a line says.
func (r *run) hear(ctx context.Context, t *testing.T, l line) {
	t.Helper()
	switch {
	case l.Ask == "publish":
		r.publish(ctx, t)
	case l.Ask == "disconnect":
		r.disconnect(ctx, t)
	case l.Ask == "drain":
		r.settle(ctx, t)
		r.node.drain()
	case l.Step == "open" && l.OK && !r.agreed(l.Detail):
		t.Errorf("open: the client says that the extensions are %q", l.Detail)
	case l.Step != "" && l.OK:
		r.passed = append(r.passed, l.Step)
	default:
		t.Errorf("%s: %s", l.Step, l.Detail)
	}
}

// compressed is whether the client and the node agree on compression.
func (r *run) compressed() bool { return r.cell.deflate && r.client.deflate }

// agreed is whether a client that shows its extensions shows the right ones.
func (r *run) agreed(extensions string) bool {
	return r.client.blind || strings.Contains(extensions, "permessage-deflate") == r.compressed()
}

// config is the node's: 1 MiB messages, and keepalive that acts within a run.
// A connection is looked at every 5 seconds.
func (r *run) config() *config.Config {
	cfg := config.Default()
	cfg.Limits.MessageSize = 1 << 20
	cfg.Limits.Fragments = 1024 // gorilla sends 4 KiB in each, whatever the message
	cfg.Keepalive.PingInterval = config.Duration(time.Second)
	cfg.Keepalive.Timeout = config.Duration(7 * time.Second)
	cfg.Listeners[0].Endpoints[0].Page = "interop"
	cfg.Listeners[0].Endpoints[0].Compression.Enabled = r.cell.deflate
	if r.cell.tls {
		cfg.Listeners[0].TLS.Certificates = []config.Certificate{{CertFile: r.files.certificate, KeyFile: r.files.key}}
	}
	return cfg
}

// publish is what the step of that name waits for.
func (r *run) publish(ctx context.Context, t *testing.T) {
	t.Helper()
	type publication struct {
		Channel string `json:"channel"`
		Text    string `json:"text,omitempty"`
		Binary  string `json:"b64data,omitempty"`
	}
	list := make([]publication, 1000)
	for i := range list {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("y", i%300))
		list[i] = publication{Channel: "main", Text: text}
		if i%2 == 1 {
			list[i] = publication{Channel: "main", Binary: base64.StdEncoding.EncodeToString([]byte(text))}
		}
	}
	r.post(ctx, t, "/batch", map[string]any{"publish": list})
}

func (r *run) disconnect(ctx context.Context, t *testing.T) {
	t.Helper()
	var answer struct {
		Result struct {
			Connections []struct {
				Connection string
				Channels   []string
			}
		}
	}
	r.node.get(ctx, t, "/connections", &answer)
	for _, c := range answer.Result.Connections {
		if slices.Contains(c.Channels, "kick") {
			r.post(ctx, t, "/disconnect", map[string]any{"connection": c.Connection, "code": 4001, "reason": "signed out"})
			return
		}
	}
	t.Error("the node has no connection to disconnect")
}

func (r *run) post(ctx context.Context, t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.node.api+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, resp.Status)
	}
}

// settle reads the metrics when all connections but the last have ended.
func (r *run) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r.families = r.scrape(ctx, t)
		if sum(r.closes()) >= 4 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the node saw only the closes %v", r.closes())
		case <-tick.C:
		}
	}
}

func (r *run) scrape(ctx context.Context, t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.node.metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// counts are the values of a counter that are not 0, by its only label.
func (r *run) counts(name string) map[string]int {
	out := map[string]int{}
	for _, m := range r.families[name].GetMetric() {
		if v := int(m.GetCounter().GetValue()); v != 0 {
			label := ""
			if len(m.GetLabel()) > 0 {
				label = m.GetLabel()[0].GetValue()
			}
			out[label] = v
		}
	}
	return out
}

func (r *run) closes() map[string]int { return r.counts("sluice_session_closed_connections_total") }

func sum(counts map[string]int) (n int) {
	for _, v := range counts {
		n += v
	}
	return n
}

// largeBytes is what the client's two large messages come to, uncompressed.
const largeBytes = 2 << 20

// judge asks what the node saw: main, own and silent left politely, kick was
// sent away; nothing was dropped, and nobody panicked. And whether it compressed
// messages, and read fewer bytes than they have.
func (r *run) judge(t *testing.T) {
	t.Helper()
	out, in := sum(r.counts("sluice_hub_compressed_frames_total")), sum(r.counts("sluice_edge_read_bytes_total"))
	if (out > 0) == r.compressed() && (in < largeBytes) == r.compressed() {
		defer func() { r.passed = append(r.passed, stepCompression) }()
	} else {
		t.Errorf("the node compressed %d messages, and read %d bytes", out, in)
	}
	closes, drops, panics := r.closes(), r.counts("sluice_hub_dropped_messages_total"), sum(r.counts("sluice_node_panics_total"))
	if len(closes) == 2 && closes["client"] == 3 && closes["api"] == 1 && len(drops) == 0 && panics == 0 {
		r.passed = append(r.passed, stepNode)
	} else {
		t.Errorf("the node counts closes %v, drops %v, panics %d", closes, drops, panics)
	}
}
