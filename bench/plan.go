package bench

import (
	"errors"
	"fmt"
	"time"
)

// Plan is what to do. It is data: a Result carries it, so that only runs of the
// same plan are compared. Zero values are the defaults written here.
type Plan struct {
	Scenario string   `json:"scenario"`
	URLs     []string `json:"urls"` // ws://host:port/path or wss://; connections take them in turns
	// Connections is how many clients there are (fanout: subscribers; churn: at a time).
	Connections int      `json:"connections"`
	ConnectRate float64  `json:"connect_rate,omitempty"` // dials per second; 0: as fast as they come
	Sources     []string `json:"sources,omitempty"`      // local addresses, taken in turns
	Headers     []string `json:"headers,omitempty"`      // "Name: value", for the upgrade
	Subprotocol string   `json:"subprotocol,omitempty"`
	// Channels: connection i joins channel i mod Channels, as ?channel=NAME where
	// neither the URL nor Dialect.Join says how. 0: the URL is used as it is.
	Channels int `json:"channels,omitempty"`
	// Zipf > 0: the sizes of channels fall as 1, 1/2^Zipf, 1/3^Zipf, ...; which of
	// the connections are in which one depends on Seed. 0: all have the same size.
	Zipf float64 `json:"zipf,omitempty"`
	Seed uint64  `json:"seed,omitempty"`

	// Preset names the dialect of the server, Dialect what to replace in it.
	Preset  string  `json:"preset,omitempty"` // one of Presets; "": raw
	Dialect Dialect `json:"dialect,omitzero"`

	// TLS, for wss URLs and an https API.
	CA          string `json:"ca,omitempty"`           // a PEM file with the roots to trust; "": the system's
	TLSInsecure bool   `json:"tls_insecure,omitempty"` // take any certificate

	// Publishing. Publisher p is connection p, or with API the server's HTTP
	// endpoint; it publishes to channel p mod Channels.
	Publishers  int     `json:"publishers,omitempty"`   // 0: one per channel
	Size        int     `json:"size,omitempty"`         // payload bytes, at least 48
	Binary      bool    `json:"binary,omitempty"`       // as binary messages, else text
	PublishRate float64 `json:"publish_rate,omitempty"` // open loop: publishes per second, all publishers together
	Window      int     `json:"window,omitempty"`       // closed loop: publishes in flight; excludes PublishRate
	API         string  `json:"api,omitempty"`          // http://host:port of the server API
	APIKey      string  `json:"-"`
	// Gather is the least time between two looks at the sockets. What arrives
	// meanwhile is read at once, which costs the generator less and adds up to
	// as much to every latency. 0: look whenever there is news.
	Gather time.Duration `json:"gather_ns,omitempty"`

	Duration time.Duration `json:"duration_ns"`         // of the measured window
	Warmup   time.Duration `json:"warmup_ns,omitempty"` // before it, at the same rate
	Hold     time.Duration `json:"hold_ns,omitempty"`   // connect: how long to hold them, idle
	Settle   time.Duration `json:"settle_ns,omitempty"` // connect: rest before memory is read
	Steps    []int         `json:"steps,omitempty"`     // connect: memory is read at these counts too
	Messages int           `json:"messages,omitempty"`  // churn: messages that a client waits for before it leaves; RollCall: to each channel
	// RollCall: connect ends with Messages (0: one) to every channel, which every
	// connection must get exactly once.
	RollCall bool `json:"roll_call,omitempty"`
	// Patience is how long nothing may happen, no handshake complete or no message
	// of a roll call arrive, until it is given up. 0: 10 s.
	Patience time.Duration `json:"patience_ns,omitempty"`

	// What of a run goes wrong on purpose.
	Slow            float64       `json:"slow,omitempty"`             // slow, mix: the share of the subscribers that read slowly
	ReceiveBuffer   int           `json:"receive_buffer,omitempty"`   // slow, mix: SO_RCVBUF of those, in bytes; 0: the system's
	Pause           time.Duration `json:"pause_ns,omitempty"`         // mix: how long those read nothing, at most
	Cut             string        `json:"cut,omitempty"`              // storm: one of Cuts
	Jitter          time.Duration `json:"jitter_ns,omitempty"`        // storm, mix: clients come back within this time, evenly spread; 0: at once
	Leaves          float64       `json:"leaves,omitempty"`           // mix: clients that leave per second
	PublishersShare float64       `json:"publishers_share,omitempty"` // mix: the share of the clients that publish
	DialTimeout     time.Duration `json:"dial_timeout_ns,omitempty"`  // storm, mix: of a handshake; then it is tried again
	Limit           time.Duration `json:"limit_ns,omitempty"`         // storm, drain, hostile: when to give up waiting

	// hostile: which attacks, from where, and when the server has held.
	Attacks       []string `json:"attacks,omitempty"`        // names of attack.All; empty: all that the URL allows
	AttackURL     string   `json:"attack_url,omitempty"`     // "": the first of URLs
	AuthURL       string   `json:"auth_url,omitempty"`       // of an endpoint that asks for a token; "": attacks that need one are left out
	AttackSources string   `json:"attack_sources,omitempty"` // as ParseSources takes them
	AttackSockets int      `json:"attack_sockets,omitempty"` // of an attack at a time, at most
	AttackCPUs    []int    `json:"attack_cpus,omitempty"`    // empty: where the generator may run
	MaxRatio      float64  `json:"max_ratio,omitempty"`      // p99 under attack to p99 in quiet, at most
	MaxRSS        int64    `json:"max_rss,omitempty"`        // bytes, of the server under attack; 0: any

	PIDs []int  `json:"-"` // processes of the server, for its CPU time and memory
	GC   string `json:"-"` // connect: a URL to GET before memory is read, which makes the server collect its garbage
}

// normalise fills in defaults and says what cannot be run.
func (p *Plan) normalise() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("bench: plan: "+format, a...)) }
	if len(p.URLs) == 0 {
		bad("no url")
	}
	for _, u := range p.URLs {
		if _, err := parseURL(u); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := tlsConfig(p); err != nil {
		errs = append(errs, err)
	}
	if p.Connections < 1 {
		bad("connections must be at least 1")
	}
	if p.Size == 0 {
		p.Size = 128
	}
	if err := p.resolve(); err != nil {
		errs = append(errs, err)
	}
	if p.Size < minPayload || p.Size > maxFrame-16 {
		bad("size %d is not within %d and %d", p.Size, minPayload, maxFrame-16)
	}
	if p.API != "" && p.Channels == 0 && !p.Dialect.NoChannels {
		p.Channels = 1 // the HTTP API publishes to a named one, which clients must join
	}
	if s := scenarioNamed(p.Scenario); s != nil && s.prepare != nil {
		s.prepare(p)
	}
	if p.Publishers == 0 {
		p.Publishers = max(1, p.Channels)
	}
	if p.Publishers > maxPublishers {
		bad("publishers must be at most %d", maxPublishers)
	}
	if p.ConnectRate < 0 || p.PublishRate < 0 || p.Window < 0 || p.Channels < 0 || p.Publishers < 0 || p.Messages < 0 || p.Zipf < 0 {
		bad("rates, windows and counts must not be negative")
	}
	if s := scenarioNamed(p.Scenario); s == nil {
		bad("unknown scenario %q", p.Scenario)
	} else {
		s.check(p, bad)
	}
	if p.Duration == 0 {
		p.Duration = 10 * time.Second
	}
	if p.Slow < 0 || p.Slow > 1 || p.PublishersShare < 0 || p.PublishersShare > 1 {
		bad("shares must be 0 to 1")
	}
	if p.Leaves < 0 || p.ReceiveBuffer < 0 || p.Pause < 0 || p.Jitter < 0 || p.DialTimeout < 0 || p.Limit < 0 {
		bad("rates, sizes and times must not be negative")
	}
	if p.Patience == 0 {
		p.Patience = 10 * time.Second
	}
	if p.Duration < 0 || p.Warmup < 0 || p.Hold < 0 || p.Settle < 0 || p.Patience < 0 {
		bad("times must not be negative")
	}
	if len(errs) > 0 {
		return planError{errors.Join(errs...)}
	}
	return nil
}

// ErrPlan: a plan that cannot be run, whatever the server. The error's text has
// a line for each reason.
var ErrPlan = errors.New("bench: plan")

type planError struct{ error }

func (planError) Is(target error) bool { return target == ErrPlan }
