package gateway_test

// A requirement is something that a node does to be safe among strangers. Its
// id is stable.
type requirement struct {
	id      string
	defence string
	keys    []string // whose defaults are shown
	fixed   string   // what is not a key
}

// requirements is the table of docs/security.md: C for the connection and its
// upgrade, W for frames, L for limits, T for TLS, A for identity, O for what
// operators see.
func requirements() []requirement {
	const endpoint, listener = "listeners.0.endpoints.0.", "listeners.0."
	return []requirement{
		{"C1", "a handshake has one deadline, from the accept to the 101, however its bytes drip in", []string{"limits.handshake_timeout"}, ""},
		{"C2", "request line and headers are bounded in bytes, lines and the length of one line: 431", []string{"limits.header_bytes"}, "64 lines, half of it in one"},
		{"C3", "an upgrade is what RFC 6455 section 4.2.1 says, or 400, 405, 426 and the end", nil, ""},
		{"C4", "what two readers could understand in two ways is refused, and what stands behind it is never read", nil, ""},
		{"C5", "what stands behind an upgrade is frames, once the 101 is on its way, and never HTTP", nil, ""},
		{"C6", "a web page connects from the same host and port, or from an origin on the list", []string{endpoint + "origins", endpoint + "allow_missing_origin"}, ""},
		{"C7", "cookies are looked at by nobody; what a page may do hangs on its origin and a token", nil, ""},
		{"C8", "hosts that are not on the list get a 421", []string{listener + "hosts"}, ""},
		{"C9", "a subprotocol is agreed to where it is configured; nothing that a client sent is answered with", []string{endpoint + "subprotocols"}, ""},
		{"C10", "a plain request is answered and its connection closed: nothing is kept alive", nil, ""},

		{"W1", "a frame that is not masked ends the connection: 1002", nil, ""},
		{"W2", "reserved bits and opcodes, long or fragmented control frames, lengths that are not the shortest or too large: 1002, before memory is made", nil, ""},
		{"W3", "a message is bounded over all its fragments: 1009, as soon as a header tells", []string{"limits.message_size"}, "4 KiB before the first message that identifies"},
		{"W4", "fragments of a message are counted, and it has to be complete in time: 1008", []string{"limits.fragments", "limits.message_timeout"}, ""},
		{"W5", "pings and pongs have a rate: 1008; a client that pings and does not read is owed one pong", []string{"limits.control_frames_per_second"}, ""},
		{"W6", "compression is off; where it is on, a message is inflated within the limit on messages, and nothing is carried over to the next", []string{endpoint + "compression.enabled"}, ""},
		{"W7", "text and close reasons are UTF-8, or 1007 with the first byte that shows it", nil, ""},
		{"W8", "close codes are those that may be sent; a peer that does not leave is cut", []string{"limits.close_timeout"}, ""},
		{"W9", "silent peers are pinged, and cut when they stay silent", []string{"keepalive.ping_interval", "keepalive.timeout"}, ""},
		{"W10", "what comes behind a close frame is not looked at", nil, ""},

		{"L1", "one client's messages, bytes and renewals of its token have rates: 1008", []string{"limits.messages_per_second", "limits.bytes_per_second", "limits.refreshes_per_minute"}, ""},
		{"L2", "one address's connections, new connections and failed authentications are bounded; an IPv6 /64 is one", []string{"limits.connections_per_address", "limits.connects_per_address", "limits.failed_auths_per_address"}, ""},
		{"L3", "connections stay below the open-files limit by a reserve: 503; operators get in all the same", []string{"engine.max_connections"}, "256 descriptors in reserve"},
		{"L4", "without descriptors the acceptor sheds and waits, and does not spin", nil, ""},
		{"L5", "what waits for a slow client is bounded in bytes, messages and age; its channel's policy decides", []string{"limits.write_queue", "limits.outbox_frames", "limits.outbox_bytes", "limits.outbox_age"}, ""},
		{"L6", "a message is in memory once, however many wait for it", nil, ""},
		{"L7", "near the memory limit a node refuses connections, then sheds queues and histories, then the newest connections", []string{"guard.socket_queues", "guard.stop_accepting", "guard.shed_queues", "guard.shed_newest"}, ""},
		{"L8", "subscriptions of a connection, a user and the node are bounded; nothing is left of those that ended", []string{"limits.subscriptions_per_connection", "limits.subscriptions_per_user", "limits.subscriptions"}, ""},
		{"L9", "a channel's name has one spelling, of a closed alphabet", []string{"limits.channel_name_bytes"}, "16 segments"},
		{"L10", "JSON that two readers could understand in two ways is refused: keys given twice, numbers as text, unknown keys, depth", nil, ""},
		{"L11", "what is read of a history at once is bounded in messages, bytes and readers", nil, "10,000 messages, 4 MiB, 4 readers"},

		{"T1", "TLS 1.2 and 1.3 with Go's suites; nothing older, no RSA key exchange, no CBC with SHA-256", []string{listener + "tls.min_version"}, ""},
		{"T2", "X25519MLKEM768 comes first", nil, ""},
		{"T3", "a client whose key share does not fit is asked for another", nil, ""},
		{"T4", "sessions of 1.2 and 1.3 resume", []string{listener + "tls.tickets"}, ""},
		{"T5", "client certificates are taken and refused as by crypto/tls itself", []string{listener + "tls.client_auth"}, ""},
		{"T6", "keys are updated in the middle of a broadcast, without loss", nil, ""},
		{"T7", "a flood of key updates is ended", nil, ""},
		{"T8", "a large ClientHello leaves nothing behind", nil, ""},
		{"T9", "an idle connection has no goroutine and no buffers", []string{listener + "tls.mode"}, ""},
		{"T10", "a handshake that stalls is cut, and only so many are under way", []string{listener + "tls.handshake_timeout", listener + "tls.max_handshakes"}, ""},
		{"T11", "bytes before the end of the handshake are bounded", nil, "16 KiB, 64 KiB with client certificates"},
		{"T12", "records may be cut anywhere", nil, ""},
		{"T13", "a request that comes with the end of the handshake is answered", nil, ""},
		{"T14", "certificates are replaced while running; bad files leave the old ones in use", nil, "looked at every second"},
		{"T15", "tickets have keys that rotate or that a fleet shares, never one for listeners with other client authorities", []string{listener + "tls.ticket_key_files"}, ""},
		{"T16", "ALPN is http/1.1; clients of other protocols are refused", nil, ""},
		{"T17", "a panic costs the connection that it came in", nil, ""},
		{"T18", "RSA keys of more than 4096 bits are refused before anything is computed", nil, ""},
		{"T19", "failed handshakes are counted by reasons of a closed set", nil, ""},

		{"A1", "a key has one algorithm; none, confusion, crit, jku and the like are refused", []string{"auth.keys"}, ""},
		{"A2", "a token has an end, our audience and issuer, and a bounded life and size", []string{"auth.max_lifetime", "auth.leeway", "auth.token_bytes"}, ""},
		{"A3", "secrets that are short or well known are refused at start", nil, "32 bytes for HS256"},
		{"A4", "key sets come by https from one URL, bounded in size, rate and age", []string{"auth.jwks.refresh", "auth.jwks.max_stale"}, ""},
		{"A5", "a connection ends with its token, unless a new one of the same user comes", []string{"auth.refresh_grace"}, "close 4401"},
		{"A6", "a revoked token or user is cut at once, and stays out", []string{"auth.max_revocations"}, ""},
		{"A7", "a token comes from where it may, and stands in no log, metric or error", []string{"auth.sources"}, ""},
		{"A8", "no channel may be joined or published to without leave; a user's name cannot widen its own", nil, ""},
		{"A9", "whatever is wrong with a token, the answer is the same; secrets are compared in constant time", nil, ""},
		{"A10", "who has not said who it is joins nothing, says little, and not for long", []string{"auth.first_message_timeout"}, "4 KiB"},

		{"O1", "what is for operators has a listener of its own, on loopback unless it has a key; profiles are off", []string{"admin.address", "admin.pprof"}, ""},
		{"O2", "labels of metrics come from closed sets", nil, ""},
		{"O3", "what clients sent stays one short line in a log, and floods of lines are sampled", nil, "256 bytes, ten lines a second of a kind"},
		{"O4", "secrets come from files or the environment and are shown nowhere; unknown keys are errors", nil, ""},
		{"O8", "a header says who the client is only where a trusted proxy sends it, from the right", []string{listener + "trusted_proxies"}, ""},
		{"O9", "the PROXY protocol is asked for where it is configured, from the proxies alone", []string{listener + "proxy_protocol.from"}, ""},
		{"O10", "the systemd unit gives the process what it needs and nothing else", nil, "configs/sluice.service"},

		{"B1", "what is on its way to the broker is bounded: above it publishers are told so; what arrives does once, in order", []string{"broker.queue_bytes"}, ""},
		{"B2", "a link that was lost comes back at random times; who may have missed something is told", []string{"broker.when_down"}, ""},
		{"B4", "a broker's certificate is verified, its secrets come from files, nobody joins a fleet from elsewhere without one, and what comes from it is held to limits.message_size", nil, ""},

		{"D1", "a node that goes lets its clients go over a period, and ends with 0; who comes back elsewhere has missed nothing", []string{"drain.period", "drain.timeout"}, ""},
		{"D2", "what was acknowledged is kept when a node is killed", nil, ""},
		{"D3", "a second signal ends at once; a reload is whole or nothing", nil, ""},
	}
}
