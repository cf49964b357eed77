package bench

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run measured, as data. Durations are nanoseconds in JSON.
type Result struct {
	Plan    Plan      `json:"plan"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Interrupted: the run was ended early; the figures are of what was done until then.
	Interrupted bool `json:"interrupted,omitempty"`
	// Invalid is why the generator was the limit. Then there are no figures.
	Invalid string `json:"invalid,omitempty"`

	Opened    int            `json:"opened"`
	Failed    int            `json:"failed"`           // dials that did not become a WebSocket
	Lost      int            `json:"lost_connections"` // open ones that the server ended
	FirstFail string         `json:"first_failure,omitempty"`
	Codes     map[uint16]int `json:"close_codes,omitempty"` // of the lost ones; 0: without a close frame

	Window     time.Duration `json:"window_ns"` // what rates are counted over
	Operation  string        `json:"operation"` // what Operations counts: handshake, delivery, cycle
	Operations uint64        `json:"operations"`
	Published  uint64        `json:"published,omitempty"`
	// Undelivered: published, but still on the way when the run stopped waiting.
	Undelivered uint64 `json:"undelivered,omitempty"`
	Faults      Faults `json:"faults"`

	ServerCPU time.Duration `json:"server_cpu_ns,omitempty"` // over the window; 0: no pid was given
	ClientCPU time.Duration `json:"client_cpu_ns"`
	IdleCPU   time.Duration `json:"idle_cpu_ns,omitempty"` // connect: the server's over Plan.Hold

	Handshake *Quantiles `json:"handshake,omitempty"`
	Delivery  *Quantiles `json:"delivery,omitempty"` // planned time to each subscriber
	Last      *Quantiles `json:"last,omitempty"`     // planned time to the last subscriber of a message
	Cycle     *Quantiles `json:"cycle,omitempty"`
	SendLag   *Quantiles `json:"send_lag,omitempty"` // planned time to the publish being handed to its socket

	Memory   []MemoryStep `json:"memory,omitempty"`
	RollCall *RollCall    `json:"roll_call,omitempty"`

	Processes int `json:"processes,omitempty"` // of the generator, that shared the connections; 0: one
	// LastOf: Last is of so many messages only, the first ones; 0: of all.
	LastOf uint64 `json:"last_of,omitempty"`

	// What a scenario found beside: in a run of several processes, of all of them.
	Latencies []Latency  `json:"latencies,omitempty"`
	Sections  []Section  `json:"sections,omitempty"`
	Attacks   []Attacked `json:"attacks,omitempty"` // hostile: one for each attack, in order
	Series    *Series    `json:"series,omitempty"`  // over time; nil: it was over at once
	// Problems are what did not go as it should, in words, beside what Faults,
	// Failed and Lost say.
	Problems []string `json:"problems,omitempty"`
}

// Quantiles are of latencies; HDR is the whole histogram, compressed as the HDR
// libraries exchange it.
type Quantiles struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
	HDR   []byte        `json:"hdr,omitempty"`
}

// MemoryStep is the memory, in bytes, at a number of connections.
type MemoryStep struct {
	Connections int `json:"connections"`
	// ConnectRate is connects per second since the step before.
	ConnectRate float64 `json:"connects_per_second,omitempty"`
	Bytes       int64   `json:"bytes"`         // anonymous and resident, of the server's processes together
	PSS         int64   `json:"pss,omitempty"` // of the same, program and libraries with their share; 0: not shown to us
	Generator   int64   `json:"generator"`     // anonymous and resident, of this process, which may be one of several
	// Kernel is that of this host.
	Kernel KernelMemory `json:"kernel"`
}

// quantiles is nil when nothing was counted.
func (c *counter) quantiles() (*Quantiles, error) {
	if c.n == 0 {
		return nil, nil
	}
	return quantilesOf(c.histogram(), c.n, c.max)
}

// quantilesOf count values in h, of which most is the largest.
func quantilesOf(h *hdrhistogram.Histogram, count uint64, most int64) (*Quantiles, error) {
	at := func(q float64) time.Duration { return time.Duration(min(h.ValueAtQuantile(q), most)) }
	q := &Quantiles{Count: count, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(most)}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	q.HDR = encoded
	return q, nil
}

// AllLatencies are the distributions that were counted, by name.
func (r *Result) AllLatencies() []Latency {
	return slices.DeleteFunc(slices.Concat([]Latency{
		{"handshake", r.Handshake},
		{"each subscriber", r.Delivery},
		{"last subscriber", r.Last},
		{"cycle", r.Cycle},
	}, r.Latencies, []Latency{
		{"send behind plan", r.SendLag},
	}), func(l Latency) bool { return l.Quantiles == nil })
}

// MainLatency is that of the run's operation, else the first one; nil: there is none.
func (r *Result) MainLatency() *Latency {
	all := r.AllLatencies()
	want := map[string]string{"handshake": "handshake", "delivery": "each subscriber", "cycle": "cycle"}[r.Operation]
	for i := range all {
		if all[i].Name == want {
			return &all[i]
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// PerSecond is the rate of operations over the window.
func (r *Result) PerSecond() float64 { return ratio(float64(r.Operations), r.Window.Seconds()) }

// ServerMicros is the server's CPU time per operation, us.
func (r *Result) ServerMicros() float64 {
	return ratio(float64(r.ServerCPU)/1e3, float64(r.Operations))
}

// ClientMicros is the generator's CPU time per operation, us.
func (r *Result) ClientMicros() float64 {
	return ratio(float64(r.ClientCPU)/1e3, float64(r.Operations))
}

// ClientBusy is the share of one core that the generator used in the window.
func (r *Result) ClientBusy() float64 { return ratio(float64(r.ClientCPU), float64(r.Window)) }

// BytesPerConnection is the slope of the server's memory between the first and the last step.
func (r *Result) BytesPerConnection() float64 {
	return r.Slope(func(m MemoryStep) int64 { return m.Bytes })
}

// Slope is how much of something a connection costs, between the first and the last step.
func (r *Result) Slope(of func(MemoryStep) int64) float64 {
	if len(r.Memory) < 2 {
		return 0
	}
	a, b := r.Memory[0], r.Memory[len(r.Memory)-1]
	return ratio(float64(of(b)-of(a)), float64(b.Connections-a.Connections))
}

// OK says whether everything that was asked for happened.
func (r *Result) OK() bool {
	return r.Invalid == "" && r.Failed == 0 && r.Lost == 0 && !r.Faults.Any() && len(r.Problems) == 0 && r.RollCall.complete()
}

func ratio(a, b float64) float64 {
	if b == 0 || math.IsNaN(a/b) {
		return 0
	}
	return a / b
}
