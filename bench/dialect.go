package bench

import (
	"errors"
	"fmt"
	"strings"
)

// Dialect is what a server and its clients say to each other beside payloads.
// It is data: a preset is a value of it, and a plan can replace any part. The
// zero value is the raw protocol, in which a message is the payload and channels
// come from the URL.
//
// Join and Publish, and the path of a URL, are templates with the blanks {index},
// {channel} and {payload}.
type Dialect struct {
	// Greeting is how many messages the server sends before the client speaks.
	Greeting int `json:"greeting,omitempty"`
	// Join are the messages with which a client begins, sent as text.
	Join []string `json:"join,omitempty"`
	// Ready is how many messages of the server follow Join before the connection
	// counts as open. Answered ones (Answers) and publications do not count.
	Ready int `json:"ready_frames,omitempty"`
	// Publish is the message that carries a payload; "": the payload is the message.
	Publish string `json:"publish,omitempty"`
	// Answers are what the server wants to hear again, such as its own kind of ping.
	Answers []Answer `json:"answers,omitempty"`
	// Refusals: a message of the server that carries no payload and contains one
	// of these ends its connection, as failed.
	Refusals []string `json:"refusals,omitempty"`
	// Lines: a message of the server may hold several, one a line.
	Lines bool `json:"lines,omitempty"`
	// NoEcho: a publisher does not get what it publishes over its own connection.
	NoEcho bool `json:"no_echo,omitempty"`
	// NoChannels: there are none; what anyone sends goes to everyone.
	NoChannels bool `json:"no_channels,omitempty"`

	// API is how to publish over HTTP.
	API APIDialect `json:"api,omitzero"`
}

// Answer is a reply to a message of the server.
type Answer struct {
	To  string `json:"to"`  // what the message begins with
	Say string `json:"say"` // the whole reply, sent as text
}

// APIDialect is the request that publishes over a server's HTTP API.
type APIDialect struct {
	Path string `json:"path"` // appended to Plan.API
	Body string `json:"body"` // template of the JSON body
	// Signed: the key is "KEY:SECRET", and the query is signed as the Pusher HTTP
	// API prescribes. Else the key is sent as X-API-Key.
	Signed bool `json:"signed,omitempty"`
}

// Preset is a dialect with a name.
type Preset struct {
	Name, About string
	Dialect     Dialect
}

// Presets are the names for Plan.Preset; the first is the default.
var Presets = []Preset{
	{"raw", "the payload is the message; channels come from the URL (Sluice)", Dialect{
		API: APIDialect{Path: "/api/publish", Body: `{"channel":"{channel}","text":"{payload}"}`},
	}},
	{"broadcast", "the payload is the message; what anyone sends goes to everyone (ws, uWebSockets, gorilla, ...)", Dialect{
		NoChannels: true,
	}},
	{"centrifuge", "the Centrifuge client protocol, JSON; --api is Centrifugo's HTTP API", Dialect{
		Join: []string{
			`{"id":1,"connect":{"name":"flood"}}`,
			`{"id":2,"subscribe":{"channel":"{channel}"}}`,
		},
		Ready:    2,
		Publish:  `{"id":3,"publish":{"channel":"{channel}","data":"{payload}"}}`,
		Answers:  []Answer{{To: "{}", Say: "{}"}},
		Refusals: []string{`"error":{`, `"disconnect":{`},
		Lines:    true,
		API:      APIDialect{Path: "/api/publish", Body: `{"channel":"{channel}","data":"{payload}"}`},
	}},
	{"pusher", "Pusher Channels protocol 7; --api is its HTTP API, e.g. http://host/apps/ID with --api-key KEY:SECRET", Dialect{
		Greeting: 1,
		Join:     []string{`{"event":"pusher:subscribe","data":{"channel":"{channel}"}}`},
		Ready:    1,
		Publish:  `{"event":"client-flood","channel":"{channel}","data":"{payload}"}`,
		Answers:  []Answer{{To: `{"event":"pusher:ping"`, Say: `{"event":"pusher:pong","data":{}}`}},
		Refusals: []string{`"pusher:error"`},
		NoEcho:   true,
		API:      APIDialect{Path: "/events", Body: `{"name":"flood","channel":"{channel}","data":"{payload}"}`, Signed: true},
	}},
}

// over returns base with every part that d sets in place of base's.
func (d Dialect) over(base Dialect) Dialect {
	out := base
	if d.Greeting != 0 {
		out.Greeting = d.Greeting
	}
	if d.Join != nil {
		out.Join = d.Join
	}
	if d.Ready != 0 {
		out.Ready = d.Ready
	}
	if d.Publish != "" {
		out.Publish = d.Publish
	}
	if d.Answers != nil {
		out.Answers = d.Answers
	}
	if d.Refusals != nil {
		out.Refusals = d.Refusals
	}
	out.Lines = base.Lines || d.Lines
	out.NoEcho = base.NoEcho || d.NoEcho
	out.NoChannels = base.NoChannels || d.NoChannels
	if d.API != (APIDialect{}) {
		out.API = d.API
	}
	return out
}

// resolve makes the plan's dialect whole: the preset with what the plan replaces.
func (p *Plan) resolve() error {
	if p.Preset == "" {
		p.Preset = Presets[0].Name
	}
	for _, preset := range Presets {
		if preset.Name == p.Preset {
			p.Dialect = p.Dialect.over(preset.Dialect)
			return p.Dialect.validate(p)
		}
	}
	return fmt.Errorf("bench: plan: unknown preset %q", p.Preset)
}

// maxReady bounds Greeting and Ready.
const maxReady = 1000

func (d *Dialect) validate(p *Plan) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("bench: plan: "+format, a...)) }
	if d.Greeting < 0 || d.Ready < 0 || d.Greeting > maxReady || d.Ready > maxReady {
		bad("ready frames must be 0 to %d", maxReady)
	}
	for _, j := range d.Join {
		if parseTemplate(j).has(payloadBlank) {
			bad("join %q: there is no {payload} to join with", j)
		}
	}
	if d.Publish != "" {
		if before, after, found := strings.Cut(d.Publish, "{payload}"); !found {
			bad("publish %q has no {payload}", d.Publish)
		} else if endsInLetter(before) || startsWithLetter(after) {
			bad("publish %q: no letter from a to p may touch {payload}, which is such letters", d.Publish)
		}
	}
	for _, a := range d.Answers {
		if a.To == "" {
			bad("an answer to nothing")
		}
	}
	if d.NoChannels && p.Channels > 1 {
		bad("preset %s has no channels", p.Preset)
	}
	if p.API != "" && d.API.Path == "" {
		bad("preset %s has no HTTP API", p.Preset)
	}
	if p.API != "" && d.API.Signed && !strings.Contains(p.APIKey, ":") {
		bad("preset %s: the API key must be KEY:SECRET", p.Preset)
	}
	return errors.Join(errs...)
}

func endsInLetter(s string) bool     { return s != "" && isLetter(s[len(s)-1]) }
func startsWithLetter(s string) bool { return s != "" && isLetter(s[0]) }
