package metrics

import "github.com/prometheus/client_golang/prometheus"

// names is every metric of Sluice's own, in the order of a message's way. A
// name is sluice_<area>_<noun>_<unit>, with _total on counters; the help text
// says what an operator reads from it. The labels' values are closed sets: the
// reasons of this package, the connection states and the shards' numbers.
type names struct {
	accepted          *prometheus.Desc
	handshakes        *prometheus.Desc
	handshakeFailures *prometheus.Desc
	tlsHandshakes     *prometheus.Desc
	tlsErrors         *prometheus.Desc
	tlsReloads        *prometheus.Desc
	tlsUnderWay       *prometheus.Desc
	tlsLoop           *prometheus.Desc
	tlsRelease        *prometheus.Desc
	tlsExpiry         *prometheus.Desc
	tokenRefusals     *prometheus.Desc
	keySetFetches     *prometheus.Desc
	keySetAge         *prometheus.Desc
	pages             *prometheus.Desc
	bytesIn           *prometheus.Desc
	bytesOut          *prometheus.Desc
	connections       *prometheus.Desc
	closed            *prometheus.Desc
	messagesIn        *prometheus.Desc
	published         *prometheus.Desc
	compressed        *prometheus.Desc
	compressedBytes   *prometheus.Desc
	deliveries        *prometheus.Desc
	writes            *prometheus.Desc
	drops             *prometheus.Desc
	gaps              *prometheus.Desc
	fanout            *prometheus.Desc
	batch             *prometheus.Desc
	inbox             *prometheus.Desc
	queued            *prometheus.Desc
	channels          *prometheus.Desc
	panics            *prometheus.Desc
	guardSteps        *prometheus.Desc
	guardUsed         *prometheus.Desc
	draining          *prometheus.Desc
	drainOpen         *prometheus.Desc
	brokerUp          *prometheus.Desc
	brokerChannels    *prometheus.Desc
	brokerRoutes      *prometheus.Desc
	brokerMessages    *prometheus.Desc
	brokerRefused     *prometheus.Desc
	forwardLost       *prometheus.Desc
	brokerMalformed   *prometheus.Desc
	brokerDowns       *prometheus.Desc
	brokerLosses      *prometheus.Desc
	brokerFetches     *prometheus.Desc
	anon              *prometheus.Desc
	info              *prometheus.Desc
}

func newNames() names {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sluice_"+name, help, labels, nil)
	}
	return names{
		accepted:          d("edge_accepted_connections_total", "Connections accepted from the kernel. Its rate is the load of new clients."),
		handshakes:        d("edge_handshakes_total", "WebSocket upgrades answered with 101."),
		handshakeFailures: d("edge_handshake_failures_total", "Connections that never became a WebSocket, by what was wrong.", "reason"),
		tlsHandshakes:     d("edge_tls_handshakes_total", "TLS handshakes that were completed."),
		tlsErrors:         d("edge_tls_handshake_errors_total", "TLS handshakes that failed, by what was wrong.", "reason"),
		tlsReloads:        d("edge_tls_reloads_total", "Times that a listener's certificates were read again, by whether they were good. After a failure the old ones stay: alert on it.", "result"),
		tlsUnderWay:       d("edge_tls_handshakes_in_flight", "TLS handshakes under way. At max_handshakes new clients wait."),
		tlsLoop:           d("edge_tls_loop", "1: pollers can decrypt. 0: the self-test at start failed, and each TLS connection has a goroutine. Absent without TLS."),
		tlsRelease:        d("edge_tls_buffer_release", "1: idle TLS connections let go of their buffers. 0: this build's crypto/tls does not let them. Absent without TLS."),
		tlsExpiry:         d("edge_tls_certificate_expiry_seconds", "When the first of the certificates in use expires, in Unix time. Absent without TLS."),
		tokenRefusals:     d("auth_refused_tokens_total", "Tokens that were refused, by what was wrong. Clients are not told which it was.", "reason"),
		keySetFetches:     d("auth_key_set_fetches_total", "Fetches of auth.jwks.url, by whether they gave a key set.", "result"),
		keySetAge:         d("auth_key_set_age_seconds", "Age of the key set from auth.jwks.url. Alert well below auth.jwks.max_stale, where all its tokens are refused. Absent without one."),
		pages:             d("edge_pages_total", "Plain HTTP requests answered on the public listeners."),
		bytesIn:           d("edge_read_bytes_total", "Bytes read from clients' sockets."),
		bytesOut:          d("edge_written_bytes_total", "Bytes given to clients' sockets."),
		connections:       d("session_connections", "Connections of this moment, by state: handshaking, open, closing.", "state"),
		closed:            d("session_closed_connections_total", "Open connections that ended, by why. Reason lost is a socket that ended without a close frame.", "reason"),
		messagesIn:        d("session_received_messages_total", "Data messages received from clients, whether they were published or not."),
		published:         d("hub_publications_total", "Publications accepted for delivery, from clients and from the server API."),
		compressed:        d("hub_compressed_frames_total", "Frames that were compressed, once for all who get them."),
		compressedBytes:   d("hub_compressed_bytes_total", "Bytes of the messages that were compressed (before) and of their frames (after).", "stage"),
		deliveries:        d("hub_deliveries_total", "Messages given to subscribers' sockets: publications times their subscribers, less the drops."),
		writes:            d("hub_writes_total", "Writes that carried the deliveries. Deliveries per write is how well batching works."),
		drops:             d("hub_dropped_messages_total", "Messages not delivered to a subscriber, or not accepted for delivery, by why.", "reason"),
		gaps:              d("hub_gaps_total", "Times that subscribers of a channel on this node may have missed messages, and that it could not be put right from a history: a link to the broker that was down, or a position that is too old."),
		fanout:            d("hub_fanout_seconds", "Time from publish to the last subscriber's write, for each shard's batch."),
		batch:             d("hub_batch_frames", "Frames in a batch, which each of its subscribers gets in one write. It rises with load."),
		inbox:             d("hub_inbox_publications", "Publications waiting in a shard's inbox. Near hub.inbox, publishers are refused.", "shard"),
		queued:            d("hub_queued_bytes", "Bytes waiting for sockets that do not take them yet. limits.node_queue_bytes bounds it."),
		channels:          d("hub_channels", "Channels with at least one subscriber."),
		guardSteps:        d("guard_steps_total", "How often the memory guard came to a step (guard.*). Each shed_queues and shed_newest closed clients.", "step"),
		draining:          d("drain_active", "1 while the node lets go of its clients, or has; else 0."),
		drainOpen:         d("drain_open_connections", "Connections that the drain has not told to leave yet. Absent without a drain."),
		guardUsed:         d("guard_used_ratio", "Memory in use, without garbage, as a part of the memory limit, when the guard last looked. Absent without a limit."),
		brokerUp:          d("broker_up", "1: the link to the broker is up. Absent on a node alone, as are all broker_ metrics."),
		brokerChannels:    d("broker_channels", "Channels that this node is subscribed to at the broker, or is about to be."),
		brokerRoutes:      d("broker_routes", "Other nodes whose NATS servers the one inside this node is connected to. Alert when it stays below the fleet's other nodes: what those publish does not come here. Absent where NATS is not inside, or is no cluster."),
		brokerMessages:    d("broker_messages_total", "Messages to and from the other nodes, and to backends.", "direction"),
		forwardLost:       d("broker_forward_lost_messages_total", "Clients' messages for backends that the broker did not take after all, or may not have."),
		brokerRefused:     d("broker_refused_messages_total", "Publications that were refused or not confirmed, because the link was down or its queue full."),
		brokerMalformed:   d("broker_malformed_messages_total", "Messages from the broker that are none of this fleet's, and were dropped (see broker.bare)."),
		brokerDowns:       d("broker_link_losses_total", "Times that the link to the broker was lost."),
		brokerLosses:      d("broker_slow_node_losses_total", "Times that messages from other nodes may have been lost on the way here: this node did not take them fast enough, or the NATS server inside it has a new connection to another one. Each is repaired from histories, or told as a gap."),
		brokerFetches:     d("broker_history_reads_total", "Reads of histories from the broker, by whether they succeeded.", "result"),
		panics:            d("node_panics_total", "Handlers that panicked. Each cost one connection or one API call; each is a defect to report."),
		anon:              d("node_anonymous_memory_bytes", "Anonymous resident memory: what the process itself needs, without mapped files. Absent where the system does not tell."),
		info:              d("node_info", "Always 1; the labels say what runs.", "version"),
	}
}

// ofSet are the names that a Set shows; the others belong to its Registry.
func (n *names) ofSet() []*prometheus.Desc {
	return []*prometheus.Desc{
		n.accepted, n.handshakes, n.handshakeFailures, n.tlsHandshakes, n.tlsErrors, n.tlsReloads, n.tokenRefusals, n.keySetFetches, n.pages, n.bytesIn, n.bytesOut,
		n.closed, n.messagesIn, n.published, n.deliveries, n.writes, n.drops,
		n.fanout, n.batch, n.panics, n.guardSteps,
	}
}

func (n *names) ofNode() []*prometheus.Desc {
	return []*prometheus.Desc{
		n.connections, n.tlsUnderWay, n.tlsLoop, n.tlsRelease, n.tlsExpiry, n.inbox, n.queued, n.channels, n.keySetAge, n.guardUsed, n.draining, n.drainOpen,
		n.brokerUp, n.brokerChannels, n.brokerRoutes, n.brokerMessages, n.brokerRefused, n.forwardLost, n.brokerMalformed, n.brokerDowns, n.brokerLosses, n.brokerFetches,
		n.anon, n.info,
	}
}
