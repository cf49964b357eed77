// Package config is what an operator can say about a node: the keys, their
// defaults, and how a YAML file, the environment and flags are laid over them.
//
// Load reports every problem of every source at once, each with its place.
// The comments on the fields below are the reference: configs/sluice.yaml and
// the output of `sluice config` repeat them word for word (docs_generated.go).
//
// A field tagged `reload:"live"` takes effect on SIGHUP; the others need a restart.
package config

// Config is the whole configuration of one node. Load returns it valid; from
// then on nobody writes to it, so it may be read from any goroutine.
type Config struct {
	// Where clients connect.
	Listeners []Listener `yaml:"listeners"`
	// The operators' listener: server API, health, metrics. Never reachable through a client's listener.
	Admin Admin `yaml:"admin"`
	// The event loop and the process around it.
	Engine Engine `yaml:"engine"`
	// The broadcast engine.
	Hub Hub `yaml:"hub"`
	// What carries messages between the nodes of a fleet.
	Broker Broker `yaml:"broker"`
	// Options by class of channel. The first match decides, so the last one is "*".
	Namespaces []Namespace `yaml:"namespaces" reload:"live"`
	// Who may connect, and what they may do. On as soon as there is a key: then every endpoint asks
	// for a token, and a client may do what its token and the namespaces allow, and nothing else.
	Auth Auth `yaml:"auth"`
	// What one client may do, and how much may wait for it.
	Limits Limits `yaml:"limits" reload:"live"`
	// What the node gives up, in this order, when its memory runs short.
	Guard Guard `yaml:"guard" reload:"live"`
	// How a dead peer is found. Looked at once a second.
	Keepalive Keepalive `yaml:"keepalive" reload:"live"`
	// How a node lets go of its clients on SIGTERM: readiness off, delay, no more connections, close frames over the period.
	// "sluice drain" does the same with times of its own, and keeps the node running.
	Drain Drain `yaml:"drain"`
	// What a node of a fleet does that has more than its share of the clients, as after another one was added.
	Rebalance Rebalance `yaml:"rebalance" reload:"live"`
	// Logs go to standard error.
	Log Log `yaml:"log"`
}

// Listener is one TCP address that clients connect to.
type Listener struct {
	// host:port. An empty host is every interface; port 0 takes a free port.
	Address string `yaml:"address"`
	// Set SO_REUSEPORT, so that several listeners or processes share the address
	// and the kernel spreads connections over them.
	ReusePort bool `yaml:"reuse_port"`
	// Connections that may wait to be accepted, 1 to 65535. The kernel caps it at net.core.somaxconn.
	Backlog int `yaml:"backlog"`
	// Bytes that the kernel takes for a client that does not read them, 16KiB to 16MiB (it may double that); what is more waits in
	// the node, within its limits. 0 = the kernel decides, up to net.ipv4.tcp_wmem: 4MiB for each client.
	SendBuffer Size `yaml:"send_buffer"`
	// TLS. Without certificates clients connect in the clear.
	TLS TLS `yaml:"tls"`
	// The hosts that clients may ask for: example.com (any port), example.com:8443, *.example.com (any subdomain).
	// Others get a 421, which protects what is reached by a private name. Empty = any.
	Hosts []string `yaml:"hosts"`
	// A header in front of each connection, in which a load balancer says who the client is (versions 1 and 2).
	ProxyProtocol ProxyProtocol `yaml:"proxy_protocol"`
	// Load balancers that say in a header of the request who the client is: addresses or CIDRs.
	// From anyone else the header is not looked at. Empty = from nobody.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// The header in which they do: x-forwarded-for or forwarded. The other one is not looked at.
	ClientHeader ClientHeader `yaml:"client_header"`
	// What is served, by path. At least one; a listener that names none has one with all defaults.
	Endpoints []Endpoint `yaml:"endpoints"`
}

// TLS is how a listener encrypts. Files are read at start, on SIGHUP, and within two seconds after they have changed.
type TLS struct {
	// Chosen by the name that the client asks for; the first is for clients whose name fits none.
	// Empty = no TLS.
	Certificates []Certificate `yaml:"certificates"`
	// Who decrypts: loop (the event loop), or goroutine (one for each connection, at several times the memory).
	Mode TLSMode `yaml:"mode"`
	// The oldest version that is spoken, 1.2 or 1.3.
	MinVersion TLSVersion `yaml:"min_version"`
	// Client certificates: none (not asked for), request (one that is given must be good), require.
	ClientAuth ClientAuth `yaml:"client_auth"`
	// PEM file with the authorities that sign client certificates.
	ClientCAFile string `yaml:"client_ca_file"`
	// From the accept to the end of the TLS handshake, 10ms to 10m. limits.handshake_timeout runs at the same time.
	HandshakeTimeout Duration `yaml:"handshake_timeout"`
	// Handshakes under way at the same time, 1 to 1000000. Above it clients wait to be accepted.
	MaxHandshakes int `yaml:"max_handshakes"`
	// May clients resume sessions, which saves most of the cost of a handshake?
	Tickets bool `yaml:"tickets"`
	// Files of at least 32 random bytes that tickets are encrypted with, the newest first: one more is
	// needed while old tickets are about. Nodes with the same files resume each other's sessions.
	// Empty = keys that the process makes up, and rotates, itself.
	TicketKeyFiles []string `yaml:"ticket_key_files"`
}

// Certificate is a server certificate and its key.
type Certificate struct {
	// PEM file: the certificate, then those between it and the root.
	CertFile string `yaml:"cert_file"`
	// PEM file: the private key, without a passphrase.
	KeyFile string `yaml:"key_file"`
}

// ProxyProtocol is the header that a load balancer puts in front of a connection.
type ProxyProtocol struct {
	// Who sends it: addresses or CIDRs of the load balancers. The header is required then, within 2s,
	// and nobody else may connect. Empty = no header.
	From []string `yaml:"from"`
}

// Endpoint is what clients find at one path of a listener.
type Endpoint struct {
	// Matched exactly, without the query. Unique within the listener.
	Path string `yaml:"path"`
	// What clients speak: raw (the payload is the message, channels come from the URL).
	Protocol Protocol `yaml:"protocol"`
	// Joined when the URL names none (?channel=a&channel=b). Empty = a client that names none joins nothing.
	// With auth on, {user} stands for the client's user id: user.{user}.
	Channels []string `yaml:"channels"`
	// Which channels the URL may name: exact names, or a prefix and a trailing *. Empty = none.
	AllowChannels []string `yaml:"allow_channels"`
	// May clients publish to the channels they joined?
	Publish bool `yaml:"publish"`
	// When what a client publishes is not taken, or may not have been, since the broker is down or a queue is full: ignore (it is counted,
	// and the client does not know), close (with 1013, so that the client comes back and sends it again).
	OnRefused OnRefused `yaml:"on_refused"`
	// Give what clients send to backends as well, whether they may publish or not: the name under which the broker has it, 1 to 64
	// characters of A-Z a-z 0-9 _ -. With NATS it is the subject PREFIX.f.NAME, with Redis the stream PREFIX:f:NAME (docs/fleet.md).
	// A client whose message cannot be given is closed with 1013. Empty = nothing is given.
	Forward string `yaml:"forward"`
	// Does the publisher get its own message?
	EchoSelf bool `yaml:"echo_self"`
	// One text message right after the upgrade, or after the first message where that brings the token. Empty = none.
	Greeting string `yaml:"greeting"`
	// Subprotocols (Sec-WebSocket-Protocol) that are agreed to: the first that the client offers and that is
	// listed here. Browsers give up when they offer some and none is agreed to.
	Subprotocols []string `yaml:"subprotocols"`
	// permessage-deflate (RFC 7692), for clients that offer it.
	Compression Compression `yaml:"compression"`
	// When messages may have been lost between the nodes of a fleet: ignore (nothing happens), message
	// (a text message, {"type":"gap","channel":"news"}), close (with gap_code, so that the client comes
	// back and fetches the state anew). Clients that ask for positions (?positions=true) are always told.
	OnGap OnGap `yaml:"on_gap"`
	// The close code of on_gap: close, 4000 to 4999.
	GapCode int `yaml:"gap_code"`
	// Which web pages may connect: https://app.example.com, https://*.example.com (any
	// subdomain), or "*" for any. Empty = pages from the same host and port only.
	Origins []string `yaml:"origins" reload:"live"`
	// May clients connect that send no Origin header? They are not browsers: apps, servers, tools.
	AllowMissingOrigin bool `yaml:"allow_missing_origin" reload:"live"`
	// Who may connect here, when auth is on.
	Auth EndpointAuth `yaml:"auth"`
	// The text that answers a plain GET. Empty = the demo page on path /, 404 on any other.
	Page string `yaml:"page"`
	// Let clients join the read-only channel $stats, on which the node's connection
	// count and delivery rate are published once a second. The default is false; the
	// built-in endpoint says true, so that the demo page can show them.
	Stats bool `yaml:"stats"`
}

// Compression is permessage-deflate. A message is compressed once for all who get it.
type Compression struct {
	// It saves bandwidth and costs CPU for each message, on both sides.
	Enabled bool `yaml:"enabled"`
	// 1 (fast) to 9 (small). Clients that ask for a window below 32KiB get one level of their own.
	Level int `yaml:"level"`
	// Shorter messages are sent as they are, at most 16MiB.
	MinSize Size `yaml:"min_size"`
}

// EndpointAuth is what an endpoint asks of those who connect, when auth is on.
type EndpointAuth struct {
	// token, or none: no token is looked at, and the endpoint serves everyone, as with auth off.
	Mode AuthMode `yaml:"mode"`
	// Where a token may come from here. Empty = auth.sources.
	Sources []TokenSource `yaml:"sources"`
	// What clients without a token may join: channels, or a part that ends in . : or / and a *.
	// They may publish nothing. Empty = there are no such clients.
	Anonymous []string `yaml:"anonymous"`
}

// Admin is the operators' listener.
type Admin struct {
	// host:port. Off loopback it needs a key. Empty = no admin listener.
	Address string `yaml:"address"`
	// Asked for in the X-API-Key header. Empty = no key is asked for.
	APIKey Secret `yaml:"api_key"`
	// A file whose content, without white space around it, is the key. Instead of api_key.
	APIKeyFile string `yaml:"api_key_file"`
	// Serve Go's profiles under /debug/pprof/.
	Pprof bool `yaml:"pprof"`
}

// Engine is the event loop and the process around it.
type Engine struct {
	// Goroutines that wait in epoll and read sockets, at most 1024. 0 = as many as gomaxprocs comes to.
	Pollers int `yaml:"pollers"`
	// Bytes taken from a socket in one read, 1KiB to 16MiB. One buffer per poller, not per connection.
	ReadBuffer Size `yaml:"read_buffer"`
	// Open client connections on this node; more are refused. 0 = what the open-files limit leaves room for.
	MaxConnections int `yaml:"max_connections"`
	// New connections a second that this node takes well, at most 1000000. It refuses none above it: it is what the other nodes of a
	// fleet keep to when they are drained or let clients go. 0 = 1000 for each processor that runs Go code.
	AcceptRate int `yaml:"accept_rate"`
	// Processors that run Go code at the same time. 0 = the Go runtime decides (it honours CPU quotas).
	GOMAXPROCS int `yaml:"gomaxprocs"`
	// The Go runtime's soft memory limit, at least 16MiB. 0 = GOMEMLIMIT, else nine tenths
	// of the cgroup's limit, else none.
	MemoryLimit Size `yaml:"memory_limit"`
	// How often a look is taken whether a storm of connects is over: then the memory
	// that it left behind is given back to the system. 0 = never.
	IdleRelease Duration `yaml:"idle_release"`
	// How late the kernel may be with this process's timers, at most 100ms. It keeps Go's monitor
	// thread from preempting a busy sender every 20us; to set it, serve executes itself once more. 0 = the system's 50us.
	TimerSlack Duration `yaml:"timer_slack"`
}

// Hub is the broadcast engine.
type Hub struct {
	// Each owns a part of the connections and delivers to them, at most 64. 0 = as many as engine.gomaxprocs comes to.
	Shards int `yaml:"shards"`
	// Publications that may wait for a shard, 64 to 16777216; above it publishers are told "busy".
	Inbox int `yaml:"inbox"`
	// Messages of a channel that are pending together leave in one write of up to this
	// many bytes, 1KiB to 16MiB. A larger message leaves alone.
	BatchBytes Size `yaml:"batch_bytes"`
	// Subscribers served in a row before a shard looks at its inbox again, 1 to 1000000.
	Slice int `yaml:"slice"`
}

// Broker is what carries messages between the nodes of a fleet.
type Broker struct {
	// memory (a node alone), nats, or redis.
	Type BrokerType `yaml:"type"`
	// The name of this node, unique in its fleet: 1 to 64 characters of A-Z a-z 0-9 _ -. Empty = the host's
	// name and a few random characters.
	Node string `yaml:"node"`
	// What all subjects, streams and keys of the fleet begin with: 1 to 32 characters of A-Z a-z 0-9 _ -. Two fleets on one broker need two.
	Prefix string `yaml:"prefix"`
	// How long a node stays subscribed to a channel after its last subscriber here has left, at most 10m.
	Linger Duration `yaml:"linger"`
	// What becomes of messages on channels without a history while the link to the broker is down: refuse (publishers are
	// told so), or local (this node's subscribers get them, the others never). Histories always refuse.
	WhenDown WhenDown `yaml:"when_down"`
	// May backends publish bare messages straight to the broker? Without it they need a line in front, "sluice/1" and a
	// newline, and others are dropped.
	Bare bool `yaml:"bare"`
	// Messages on their way to the broker, 64KiB to 1GiB; above it publishers are told "busy".
	QueueBytes Size `yaml:"queue_bytes"`

	// nats: run a NATS server inside this process. Nodes with the same cluster make one NATS cluster.
	Embedded bool `yaml:"embedded"`
	// nats, embedded: how the nodes find each other. Without cluster.listen the node stands alone.
	Cluster Cluster `yaml:"cluster"`
	// nats, embedded: host:port where backends may publish with NATS clients, who give the user and password below. Empty = nowhere.
	ClientListen string `yaml:"client_listen"`
	// nats, embedded: directory for histories, this node's own. Empty = they are kept in memory.
	StoreDir string `yaml:"store_dir"`
	// nats: copies of each history in the cluster, 1 to 5. 0 = 3 where the cluster has three nodes, else 1.
	Replicas int `yaml:"replicas"`
	// nats, not embedded: servers, nats://host:4222 or tls://host:4222.
	URL []string `yaml:"url"`
	// nats: a file with credentials (JWT and seed).
	CredentialsFile string `yaml:"credentials_file"`
	// nats: a file with the seed of an nkey.
	NKeyFile string `yaml:"nkey_file"`

	// redis: servers, host:port. One; the first ones of a cluster; or the sentinels.
	Address []string `yaml:"address"`
	// redis: the servers are a Redis Cluster.
	RedisCluster bool `yaml:"redis_cluster"`
	// redis, redis_cluster: how channels are published: sharded (each by the master that has its slot; Redis 7, Valkey), or
	// plain (every server passes everything on to all others). The same on all nodes.
	RedisPubSub RedisPubSub `yaml:"redis_pubsub"`
	// redis: the name of the master that the sentinels watch. Empty = no sentinels.
	SentinelMaster string `yaml:"sentinel_master"`
	// redis: the number of the database, 0 to 15.
	DB int `yaml:"db"`

	// Who this node is to the broker. Empty = no user.
	User string `yaml:"user"`
	// And its password.
	Password Secret `yaml:"password"`
	// A file whose content, without white space around it, is the password. Instead of password.
	PasswordFile string `yaml:"password_file"`
	// TLS to the broker. For an embedded NATS it is that of the routes between the nodes.
	TLS BrokerTLS `yaml:"tls"`
}

// Cluster is how nodes with an embedded NATS find each other.
type Cluster struct {
	// The same on all nodes: 1 to 32 characters of A-Z a-z 0-9 _ -.
	Name string `yaml:"name"`
	// host:port for the other nodes. Off loopback it needs a secret. Empty = no cluster.
	Listen string `yaml:"listen"`
	// host:port by which the others reach it, where that is another. Empty = as it listens.
	Advertise string `yaml:"advertise"`
	// The other nodes, host:port. Histories begin when most of them are up. This node's own may be
	// among them where listen or advertise is the same text.
	Routes []string `yaml:"routes"`
	// What nodes prove to each other that they belong to the fleet with. The same on all.
	Secret Secret `yaml:"secret"`
	// A file whose content, without white space around it, is the secret. Instead of secret.
	SecretFile string `yaml:"secret_file"`
}

// BrokerTLS is TLS to a broker. Certificates are always verified.
type BrokerTLS struct {
	// For servers that begin with TLS. NATS URLs with tls:// say it themselves.
	Enabled bool `yaml:"enabled"`
	// PEM file with the authorities that sign the other side's certificates. Empty = the system's.
	CAFile string `yaml:"ca_file"`
	// PEM file with the certificate that this node shows, where it has to.
	CertFile string `yaml:"cert_file"`
	// PEM file with its key.
	KeyFile string `yaml:"key_file"`
}

// Namespace is a class of channels and its options.
type Namespace struct {
	// An exact channel name, a prefix and a trailing *, or "*" for every channel. No default.
	Match string `yaml:"match"`
	// When a subscriber's queue is full: disconnect (close it with 1013), drop_oldest
	// (it loses the oldest waiting messages), latest (it gets the newest message of each channel).
	SlowConsumer SlowConsumer `yaml:"slow_consumer"`
	// Subscribers of one channel on this node. 0 = no limit.
	MaxSubscribers int `yaml:"max_subscribers"`
	// What is kept of each channel, for clients that come back (?since=EPOCH:OFFSET) and for GET /api/history.
	History History `yaml:"history"`
	// May the server API list who is subscribed (GET /api/presence)?
	Presence bool `yaml:"presence"`
	// Who may join, when auth is on; one of these is enough: claims (those whose token names the
	// channel), users (whoever has a valid token), or a pattern such as user.{user} (the user
	// itself, on those channels). Empty = nobody.
	Subscribe []string `yaml:"subscribe"`
	// Who may publish, when auth is on, likewise. Clients publish to channels that they joined.
	Publish []string `yaml:"publish"`
}

// History is how much of a channel is kept.
type History struct {
	// The newest messages of a channel, at most 10000. 0 = none are kept.
	Size int `yaml:"size"`
	// How long a message is kept, 1s to 30 days. Required with a size.
	TTL Duration `yaml:"ttl"`
}

// Auth is who may connect: what a token has to be, and where it may come from.
type Auth struct {
	// Keys that tokens are signed with, at most 64.
	Keys []Key `yaml:"keys" reload:"live"`
	// Keys of an identity provider, fetched in the background.
	JWKS JWKS `yaml:"jwks"`
	// What the claim iss of a token must be, exactly. Required when auth is on.
	Issuer string `yaml:"issuer" reload:"live"`
	// What the claim aud of a token must be, or contain. Required when auth is on.
	Audience string `yaml:"audience" reload:"live"`
	// Where a token may come from: authorization (the header Authorization: Bearer TOKEN),
	// subprotocol (new WebSocket(url, ["sluice", "bearer.TOKEN"])), first_message (a text message
	// {"type":"auth","token":"TOKEN"}, which renews a token, too), query (?token=TOKEN: it ends up in
	// the logs of proxies).
	Sources []TokenSource `yaml:"sources"`
	// The subprotocol that the answer names when a client offers it. Browsers want one that they offered.
	Subprotocol string `yaml:"subprotocol"`
	// The largest token, 256B to 16KiB. limits.header_bytes bounds those in headers, too.
	TokenBytes Size `yaml:"token_bytes" reload:"live"`
	// How long a token may be valid, from iat to exp, 1s to 24h.
	MaxLifetime Duration `yaml:"max_lifetime" reload:"live"`
	// How far iat and nbf may lie in the future, for clocks that differ, at most 5m. exp has no leeway.
	Leeway Duration `yaml:"leeway" reload:"live"`
	// From the upgrade to the first message with a good token, 1s to 1m; above it: close 4401.
	FirstMessageTimeout Duration `yaml:"first_message_timeout" reload:"live"`
	// From exp to close 4401 for clients that can send a new token (first_message), at most 5m.
	// Those that cannot are closed at exp.
	RefreshGrace Duration `yaml:"refresh_grace" reload:"live"`
	// Users and tokens that can be revoked at the same time, 1 to 1000000.
	MaxRevocations int `yaml:"max_revocations"`
}

// Key is a key that tokens are signed with. One of its four texts is set.
type Key struct {
	// The kid of its tokens. Tokens without one are for the only key there is.
	ID string `yaml:"id"`
	// HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA. No default.
	Algorithm Algorithm `yaml:"algorithm"`
	// The secret of HS256 (at least 32 bytes), HS384 (48) or HS512 (64).
	Secret Secret `yaml:"secret"`
	// A file whose content, without white space around it, is the secret.
	SecretFile string `yaml:"secret_file"`
	// The public key of the other algorithms, or a certificate with it, as PEM.
	PublicKey string `yaml:"public_key"`
	// A file with the public key.
	PublicKeyFile string `yaml:"public_key_file"`
}

// JWKS is where an identity provider shows its public keys.
type JWKS struct {
	// The address of the key set, https (http on loopback only). Empty = none.
	URL string `yaml:"url"`
	// How often it is fetched, 30s to 24h. A kid that is not there is fetched earlier, at most once in 30s.
	Refresh Duration `yaml:"refresh"`
	// How old a key set may become while fetches fail, refresh to 30 days; above it its tokens are refused.
	MaxStale Duration `yaml:"max_stale"`
	// PEM certificates that the server's certificate is checked against. Empty = the system's.
	CAFile string `yaml:"ca_file"`
}

// Limits are what one client may do, and how much may wait for it.
type Limits struct {
	// One message from a client, all fragments together, 1 byte to 1GiB; above it: close 1009.
	MessageSize Size `yaml:"message_size"`
	// Fragments of one message, 1 to 1000000; above it: close 1008. Some clients send 4 KiB in each.
	Fragments int `yaml:"fragments"`
	// From the first byte of a message to its last, at most 1h; above it: close 1008. 0 = no limit.
	MessageTimeout Duration `yaml:"message_timeout"`
	// From the accept to the complete upgrade request, 10ms to 10m.
	HandshakeTimeout Duration `yaml:"handshake_timeout"`
	// From our close frame to the end of a connection whose peer does not answer it, 10ms to 10m.
	CloseTimeout Duration `yaml:"close_timeout"`
	// The upgrade request: request line and headers, 512B to 1MiB; above it: 431.
	HeaderBytes Size `yaml:"header_bytes"`
	// Connections from one client address, an IPv6 /64 counting as one and a /48 as ten; above it: 503.
	// An office behind NAT is one address, and so is all behind a load balancer: leave it off
	// there. 100 suits the open internet. 0 = no limit.
	ConnectionsPerAddress int `yaml:"connections_per_address"`
	// New connections per second from one client address, with bursts of five times as many;
	// counted as above, with the same warning; above it: 503. 20 suits the open internet. 0 = no limit.
	ConnectsPerAddress int `yaml:"connects_per_address"`
	// Failed authentications per minute from one client address, counted as above; above it: 503 for every
	// new connection from there, until a minute's share is free again. 0 = no limit.
	FailedAuthsPerAddress int `yaml:"failed_auths_per_address"`
	// Messages per second from one client, at most 1000000, with bursts of twice as many; above it: close 1008. Off, as
	// the raw protocol cannot ask a client to slow down, and backends and devices may publish through it. 50 suits people. 0 = no limit.
	MessagesPerSecond int `yaml:"messages_per_second"`
	// Bytes per second from one client, frame headers and what compressed messages come to included, at most 1GiB, with bursts
	// of twice as many and at least one message; above it: close 1008. Off for the same reason; 256KiB suits people. 0 = no limit.
	BytesPerSecond Size `yaml:"bytes_per_second"`
	// Pings and pongs per second from one client, at most 30000, with bursts of twice as many; above it: close 1008. 0 = no limit.
	ControlFramesPerSecond int `yaml:"control_frames_per_second"`
	// Tokens per minute by which one client renews its own on the open connection, at most 255: to verify one
	// costs more than anything else that a client may send; above it: close 1008. 0 = no limit.
	RefreshesPerMinute int `yaml:"refreshes_per_minute"`
	// Channels that one client is joined to, 1 to 1000000.
	SubscriptionsPerConnection int `yaml:"subscriptions_per_connection"`
	// The same for all connections of one user together on this node, when auth is on; above it: 403. 0 = no limit.
	SubscriptionsPerUser int `yaml:"subscriptions_per_user"`
	// And for all clients of the node; above it: close 1013. 0 = no limit.
	Subscriptions int `yaml:"subscriptions"`
	// Length of a channel name in bytes, 1 to 4096.
	ChannelNameBytes int `yaml:"channel_name_bytes"`
	// Bytes given to a socket that it has not taken yet, 4KiB to 1GiB; above it messages wait in the outbox.
	WriteQueue Size `yaml:"write_queue"`
	// Messages that wait for one slow client beyond write_queue, 1 to 1000000; above it: slow_consumer.
	OutboxFrames int `yaml:"outbox_frames"`
	// The same in bytes, 4KiB to 1GiB. A message counts in full for each client that it waits for, though they share one
	// copy: so this may be large. A larger message waits alone. 0 = no limit.
	OutboxBytes Size `yaml:"outbox_bytes"`
	// How old the oldest waiting message may get, and how long the socket of a client whose
	// policy is disconnect may take nothing, 1s to 1h; above it: slow_consumer. 0 = no limit.
	OutboxAge Duration `yaml:"outbox_age"`
	// Bytes that may wait for all clients of the node together; above it publishers are told "busy". 0 = no limit.
	NodeQueueBytes Size `yaml:"node_queue_bytes"`
}

// Guard is what the node gives up when its memory runs short. The shares are of
// the Go runtime's memory limit (see engine.memory_limit); without one the guard
// is off. What counts is what is in use, not what the next collection frees.
type Guard struct {
	// The share that messages may take that were copied for sockets which do not take them. Above it a client's write_queue
	// counts as full and messages wait uncopied in its outbox. It holds at once, where the steps below look ten times a second. 0 = no limit.
	SocketQueues Share `yaml:"socket_queues"`
	// From this share on new connections get a 503, and readiness is off, until it is five
	// hundredths lower. A share of engine.memory_limit, 0.1 to 1. 0 = never.
	StopAccepting Share `yaml:"stop_accepting"`
	// From this share on publishers are told "busy", the clients for whom most waits are closed with 1013, and if
	// that is not enough, the largest histories are let go. 0 = never.
	ShedQueues Share `yaml:"shed_queues"`
	// From this share on the newest connections are closed with 1013, as many as the share is above it. 0 = never.
	ShedNewest Share `yaml:"shed_newest"`
}

// Keepalive is how a dead peer is found.
type Keepalive struct {
	// A silent client is pinged after this long, at least 1s. 0 = never.
	PingInterval Duration `yaml:"ping_interval"`
	// A client that was silent for this long is gone; longer than ping_interval. 0 = never.
	Timeout Duration `yaml:"timeout"`
}

// Drain is how a node lets go of its clients.
type Drain struct {
	// From readiness off to the end of accepting: the time a load balancer needs to notice. 0 = at once.
	Delay Duration `yaml:"delay" reload:"live"`
	// Close frames (1001) are spread evenly over this time, so that clients do not reconnect all at once. 0 = at once.
	Period Duration `yaml:"period" reload:"live"`
	// Close frames a second, at most; 0 to 1000000. In a fleet they are as few as the other nodes can take, too (engine.accept_rate).
	// What this leaves is closed when the timeout is near. 0 = no limit of its own.
	MaxRate int `yaml:"max_rate" reload:"live"`
	// The process ends after this long, whatever is still open. At least delay and period together.
	Timeout Duration `yaml:"timeout" reload:"live"`
	// Clients that are closed so that they come back (drained, rebalanced, too slow, for want of memory or after a gap) are told to
	// wait a random time up to this first, at most 10m: the close reason ends with "retry in 850ms". 0 = they are told nothing.
	RetryWithin Duration `yaml:"retry_within"`
}

// Rebalance is how nodes even out their numbers of clients: who has too many closes
// some with 1012 (see drain.retry_within), and the load balancer takes them elsewhere.
type Rebalance struct {
	// A node does this on its own account. Only in a fleet.
	Enabled bool `yaml:"enabled"`
	// How far above the mean of all ready nodes a node may be, as a share of it, 0.01 to 1; above it, it lets
	// clients go until it has the mean and half of this.
	Above Share `yaml:"above"`
	// For how long it must have been above it, 1s to 1d: a restart of all nodes, one after the other, is over by then.
	After Duration `yaml:"after"`
	// Clients let go a second, at most, 1 to 1000000; and never more than the other nodes can take (engine.accept_rate).
	MaxRate int `yaml:"max_rate"`
}

// Log is what is logged, and how.
type Log struct {
	// trace, debug, info, warn or error.
	Level LogLevel `yaml:"level" reload:"live"`
	// json, or console for people.
	Format LogFormat `yaml:"format"`
}
