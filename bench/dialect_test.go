package bench

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"hello":                           "hello",
		"{payload}":                       "PAY",
		`{"i":{index},"c":"{channel}"}`:   `{"i":7,"c":"flood-2"}`,
		"{channel}{index}{channel}":       "flood-27flood-2",
		"{unknown} {Payload} {payload":    "{unknown} {Payload} {payload",
		`{"data":"{payload}","n":{"a":1}`: `{"data":"PAY","n":{"a":1}`,
	} {
		if got := string(parseTemplate(in).append(nil, 7, 2, []byte("PAY"))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestDialectIsChecked(t *testing.T) {
	for _, tt := range []struct {
		want   string // within the error; "" for none
		change func(*Plan)
	}{
		{"", func(p *Plan) { p.Preset = "centrifuge" }},
		{"unknown preset", func(p *Plan) { p.Preset = "x" }},
		{"ready frames", func(p *Plan) { p.Dialect.Ready = -1 }},
		{"ready frames", func(p *Plan) { p.Dialect.Greeting = 1001 }},
		{"no {payload} to join", func(p *Plan) { p.Dialect.Join = []string{"{payload}"} }},
		{"has no {payload}", func(p *Plan) { p.Dialect.Publish = "x" }},
		{"may touch", func(p *Plan) { p.Dialect.Publish = "a{payload}" }},
		{"may touch", func(p *Plan) { p.Dialect.Publish = "{payload}p" }},
		{"", func(p *Plan) { p.Dialect.Publish = "q{payload}q" }},
		{"answer to nothing", func(p *Plan) { p.Dialect.Answers = []Answer{{"", "x"}} }},
		{"no channels", func(p *Plan) { p.Preset, p.Channels = "broadcast", 2 }},
		{"no HTTP API", func(p *Plan) { p.Preset, p.API = "broadcast", "http://h" }},
		{"KEY:SECRET", func(p *Plan) { p.Preset, p.API, p.APIKey = "pusher", "http://h", "key" }},
	} {
		p := Plan{Scenario: "fanout", URLs: []string{"ws://h/"}, Connections: 10, Window: 1}
		tt.change(&p)
		err := p.normalise()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", p, err, tt.want)
		}
	}
}

// A preset's parts can be replaced one by one, and to resolve a plan again
// changes nothing.
func TestPresetIsReplacedInParts(t *testing.T) {
	p := Plan{
		Scenario: "fanout", URLs: []string{"ws://h/"}, Connections: 1, Window: 1,
		Preset: "centrifuge", Dialect: Dialect{Join: []string{"x"}, Ready: 5},
	}
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	once := p.Dialect
	if once.Publish == "" || !once.Lines || once.Ready != 5 || !slices.Equal(once.Join, []string{"x"}) {
		t.Errorf("%+v", once)
	}
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once, p.Dialect); diff != "" {
		t.Error(diff)
	}
}

// What presets send is what its protocol calls JSON.
func TestPresetsAreJSON(t *testing.T) {
	for _, preset := range Presets {
		d := preset.Dialect
		texts := append(slices.Clone(d.Join), d.Publish, d.API.Body)
		for _, a := range d.Answers {
			texts = append(texts, a.Say)
		}
		for _, text := range texts {
			said := parseTemplate(text).append(nil, 1, 2, appendPayload(nil, minPayload, stamp{1, 2, 3}))
			if len(said) > 0 && !json.Valid(said) {
				t.Errorf("%s: %s", preset.Name, said)
			}
		}
	}
}

// The example of the Pusher HTTP API's documentation, signature for signature.
func TestSignQuery(t *testing.T) {
	const (
		body = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
		want = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0" +
			"&body_md5=ec365a775a4cd0599faeb73354201b6f" +
			"&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	)
	got := signQuery("POST", "/apps/3/events", "278d425bdf160c739803:7ad3773142a6692b25b8", []byte(body), time.Unix(1353088179, 0))
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
