package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Gauges are a node's figures of one moment.
type Gauges struct {
	// Connections by state.
	Handshaking, Open, Closing int
	// TLS is the state of the listeners that speak it; nil: there are none.
	TLS *TLSGauges
	// InboxDepth is how many publications wait in each shard's inbox, by shard.
	InboxDepth []int
	// QueuedBytes wait for sockets that do not take them yet.
	QueuedBytes int64
	// Channels with at least one subscriber.
	Channels int
	// KeySetAge is how old the key set of auth.jwks is, or how long there has been none; 0: none is configured.
	KeySetAge time.Duration
	// GuardUsed is the part of the memory limit that is in use; 0: there is no limit.
	GuardUsed float64
	// Draining: the node lets go of its clients. DrainOpen of them have not been told to leave.
	Draining  bool
	DrainOpen int
	// Broker is the state of the link to the other nodes; nil: this one is alone.
	Broker *BrokerFigures
}

// BrokerFigures are those of the link to a fleet's broker, since the start.
type BrokerFigures struct {
	Up       bool
	Channels int // that the node is subscribed to
	// Routes is how many other nodes' servers the one inside this node is connected to; -1: there is none inside.
	Routes int
	// Messages by direction.
	Sent, Received uint64
	// Forwarded are messages of clients to backends.
	Forwarded uint64
	// ForwardLost of them did not reach the broker, or may not have.
	ForwardLost uint64
	// Publications that were refused, and messages that were no message.
	Refused, Malformed uint64
	// Times that the link was lost, and that the broker dropped messages for it.
	Downs, Losses uint64
	// Reads of histories, and those of them that failed.
	Fetches, Failed uint64
}

// TLSGauges are the figures of TLS of one moment.
type TLSGauges struct {
	// Handshakes under way.
	Handshakes int
	// Loop: pollers decrypt. Release: idle connections let go of their buffers.
	Loop, Release bool
	// Expiry is when the first of the certificates in use ends.
	Expiry time.Time
}

// Options say what a registry shows beside the counters of its Set.
type Options struct {
	// Version is the label of sluice_node_info.
	Version string
	// Gauges is called once in each scrape, by any goroutine; it should take
	// no time. Nil shows zeros.
	Gauges func() Gauges
}

// NewRegistry returns a registry of its own with the set's counters, the node's
// gauges and the standard go_ and process_ metrics (goroutines, garbage
// collection, resident memory, open files, CPU time).
func NewRegistry(s *Set, o Options) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		s,
		&node{names: newNames(), options: o},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// node collects what is not counted but looked up.
type node struct {
	// Static after construction.
	names   names
	options Options
}

func (n *node) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range n.names.ofNode() {
		ch <- d
	}
}

func (n *node) Collect(ch chan<- prometheus.Metric) {
	var g Gauges
	if n.options.Gauges != nil {
		g = n.options.Gauges()
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(n.names.connections, float64(g.Handshaking), "handshaking")
	gauge(n.names.connections, float64(g.Open), "open")
	gauge(n.names.connections, float64(g.Closing), "closing")
	if g.TLS != nil {
		gauge(n.names.tlsUnderWay, float64(g.TLS.Handshakes))
		gauge(n.names.tlsLoop, truth(g.TLS.Loop))
		gauge(n.names.tlsRelease, truth(g.TLS.Release))
		gauge(n.names.tlsExpiry, float64(g.TLS.Expiry.Unix()))
	}
	for i, depth := range g.InboxDepth {
		gauge(n.names.inbox, float64(depth), strconv.Itoa(i))
	}
	gauge(n.names.queued, float64(g.QueuedBytes))
	gauge(n.names.channels, float64(g.Channels))
	if g.KeySetAge > 0 {
		gauge(n.names.keySetAge, g.KeySetAge.Seconds())
	}
	if g.GuardUsed > 0 {
		gauge(n.names.guardUsed, g.GuardUsed)
	}
	if g.Draining {
		gauge(n.names.draining, 1)
		gauge(n.names.drainOpen, float64(g.DrainOpen))
	} else {
		gauge(n.names.draining, 0)
	}
	if g.Broker != nil {
		n.broker(ch, g.Broker)
	}
	if anon, ok := AnonymousMemory(); ok {
		gauge(n.names.anon, float64(anon))
	}
	gauge(n.names.info, 1, n.options.Version)
}

func (n *node) broker(ch chan<- prometheus.Metric, b *BrokerFigures) {
	ch <- prometheus.MustNewConstMetric(n.names.brokerUp, prometheus.GaugeValue, truth(b.Up))
	ch <- prometheus.MustNewConstMetric(n.names.brokerChannels, prometheus.GaugeValue, float64(b.Channels))
	if b.Routes >= 0 {
		ch <- prometheus.MustNewConstMetric(n.names.brokerRoutes, prometheus.GaugeValue, float64(b.Routes))
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(n.names.brokerMessages, b.Sent, "out")
	count(n.names.brokerMessages, b.Forwarded, "forwarded")
	count(n.names.brokerMessages, b.Received, "in")
	count(n.names.brokerRefused, b.Refused)
	count(n.names.forwardLost, b.ForwardLost)
	count(n.names.brokerMalformed, b.Malformed)
	count(n.names.brokerDowns, b.Downs)
	count(n.names.brokerLosses, b.Losses)
	count(n.names.brokerFetches, b.Fetches-b.Failed, "ok")
	count(n.names.brokerFetches, b.Failed, "failed")
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
