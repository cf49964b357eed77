// Package metrics counts what a gateway does and shows it to Prometheus.
//
// A hot path adds to the Cell of its own shard with plain atomic adds, without
// a label look-up or an allocation; one prometheus.Collector sums the cells
// when it is scraped. Every label value comes from a table in this package, so
// that the number of series never depends on what clients send.
package metrics

import "sync/atomic"

// DropReason says why a message was not delivered to a subscriber, or not
// accepted for delivery. Its String is the value of the metric's label.
type DropReason uint8

const (
	// DropInboxFull: a shard had hub.inbox publications waiting.
	DropInboxFull DropReason = iota
	// DropSlowDisconnect: the subscriber was disconnected for being slow; its backlog is counted.
	DropSlowDisconnect
	// DropOldest: the channel's policy drop_oldest made room.
	DropOldest
	// DropLatest: the channel's policy latest replaced a message by a newer one.
	DropLatest
	// DropAge: it had waited for limits.outbox_age.
	DropAge
	// DropMemory: the memory guard (guard.shed_queues).
	DropMemory
	// DropNodeQueue: limits.node_queue_bytes was reached.
	DropNodeQueue
	// DropRateLimit: the sender was above limits.messages_per_second.
	DropRateLimit
	// DropNotAllowed: the sender may not publish: its endpoint or its token says so, or the node has closed its connection.
	DropNotAllowed
	// DropConnectionLost: the connection ended while messages were waiting for it.
	DropConnectionLost
	// DropForward: the broker could not take a client's message for backends.
	DropForward

	NumDropReasons
)

// CloseReason says why an open connection ended.
type CloseReason uint8

const (
	// CloseByClient: the client sent a close frame.
	CloseByClient CloseReason = iota
	// CloseLost: the socket ended without a close frame.
	CloseLost
	// CloseProtocol: the client broke RFC 6455.
	CloseProtocol
	// CloseTooBig: a message above limits.message_size.
	CloseTooBig
	// CloseRateLimit: more than limits.messages_per_second, or limits.refreshes_per_minute.
	CloseRateLimit
	// CloseByteRate: more than limits.bytes_per_second.
	CloseByteRate
	// CloseControlRate: more pings and pongs than limits.control_frames_per_second.
	CloseControlRate
	// CloseMessageTimeout: a message that took longer than limits.message_timeout.
	CloseMessageTimeout
	// CloseSlow: the slow-consumer policy disconnect.
	CloseSlow
	// CloseMemory: the memory guard (guard.shed_queues, guard.shed_newest).
	CloseMemory
	// CloseIdle: nothing heard within keepalive.timeout.
	CloseIdle
	// CloseDrain: the node is drained, or shutting down.
	CloseDrain
	// CloseRebalance: the node has more than its share of the fleet's connections.
	CloseRebalance
	// CloseAPI: the server API asked for it.
	CloseAPI
	// ClosePanic: a handler panicked.
	ClosePanic
	// CloseUnauthorized: no token came in time, or one that was refused.
	CloseUnauthorized
	// CloseExpired: the token's time was over, and no new one came.
	CloseExpired
	// CloseForbidden: the client did what its token does not allow.
	CloseForbidden
	// CloseRevoked: the token, or all of the user's, was revoked.
	CloseRevoked
	// CloseFull: the channel or the node has as many subscribers as it may have.
	CloseFull
	// CloseForward: what the client sent could not be forwarded.
	CloseForward
	// ClosePublish: what the client published was not taken, and its endpoint closes then (on_refused: close).
	ClosePublish
	// CloseGap: messages may have been lost, and its endpoint closes then (on_gap: close).
	CloseGap

	NumCloseReasons
)

// HandshakeFailure says why a connection never became a WebSocket.
type HandshakeFailure uint8

const (
	// HandshakeBadRequest: the request was not well-formed HTTP, or not a valid upgrade.
	HandshakeBadRequest HandshakeFailure = iota
	// HandshakeTooLarge: more than limits.header_bytes.
	HandshakeTooLarge
	// HandshakeTimeout: not complete within limits.handshake_timeout.
	HandshakeTimeout
	// HandshakeOrigin: the Origin is not on the endpoint's list.
	HandshakeOrigin
	// HandshakeNotFound: no endpoint has this path.
	HandshakeNotFound
	// HandshakeChannel: a channel is not allowed or not valid.
	HandshakeChannel
	// HandshakeDraining: the node is shutting down.
	HandshakeDraining
	// HandshakeLimit: engine.max_connections or max_subscribers is reached.
	HandshakeLimit
	// HandshakeAddressLimit: limits.connections_per_address is reached.
	HandshakeAddressLimit
	// HandshakeAddressRate: limits.connects_per_address.
	HandshakeAddressRate
	// HandshakeAddressAuth: limits.failed_auths_per_address.
	HandshakeAddressAuth
	// HandshakeMemory: the memory guard (guard.stop_accepting).
	HandshakeMemory
	// HandshakeDescriptors: no free file descriptor, though engine.max_connections was not reached.
	HandshakeDescriptors
	// HandshakeLost: the peer left before it had asked for anything.
	HandshakeLost
	// HandshakePanic: a handler panicked.
	HandshakePanic
	// HandshakeUnauthorized: the endpoint asks for a token, and there was none or it was refused.
	HandshakeUnauthorized
	// HandshakeForbidden: the token is good, but not for a channel that was asked for.
	HandshakeForbidden
	// HandshakeTLS: the TLS handshake failed; TLSError says why.
	HandshakeTLS
	// HandshakeHost: the request is for a host that is not one of the listener's.
	HandshakeHost
	// HandshakeProxy: no good PROXY protocol header came from where one has to come.
	HandshakeProxy

	NumHandshakeFailures
)

// TLSError says why a TLS handshake failed.
type TLSError uint8

const (
	// TLSNotTLS: the first bytes are no TLS record: plain HTTP on an encrypted port.
	TLSNotTLS TLSError = iota
	// TLSVersion: the client speaks only versions below min_version.
	TLSVersion
	// TLSCipher: no cipher suite or key exchange in common.
	TLSCipher
	// TLSProtocol: the client's ALPN list does not have http/1.1.
	TLSProtocol
	// TLSCertificate: a client certificate is missing, or was refused.
	TLSCertificate
	// TLSAlert: the client ended it, such as for not trusting the certificate.
	TLSAlert
	// TLSTooLarge: more bytes than a handshake may take.
	TLSTooLarge
	// TLSTimeout: not complete within handshake_timeout.
	TLSTimeout
	// TLSBusy: max_handshakes were under way, and as many waited.
	TLSBusy
	// TLSLost: the peer left.
	TLSLost
	// TLSPanic: a handler panicked.
	TLSPanic
	// TLSOther: anything else that is wrong with what the client sent.
	TLSOther

	NumTLSErrors
)

// TokenRefusal says what was wrong with a token, or that there was none. Clients
// are not told: to them all of these look the same.
type TokenRefusal uint8

const (
	// TokenMissing: the client sent none, and the endpoint lets nobody in without.
	TokenMissing TokenRefusal = iota
	// TokenTooLarge: more than auth.token_bytes.
	TokenTooLarge
	// TokenMalformed: not three parts of unpadded base64url that hold JSON as a token has it.
	TokenMalformed
	// TokenHeader: a header that is not understood: crit, or a foreign typ.
	TokenHeader
	// TokenAlgorithm: another algorithm than the key's.
	TokenAlgorithm
	// TokenKey: no key has its kid.
	TokenKey
	// TokenSignature: the signature is not the key's.
	TokenSignature
	// TokenExpired: its exp is over.
	TokenExpired
	// TokenEarly: its nbf or iat is in the future.
	TokenEarly
	// TokenLifetime: it is valid for longer than auth.max_lifetime.
	TokenLifetime
	// TokenIssuer: iss is not auth.issuer.
	TokenIssuer
	// TokenAudience: aud does not contain auth.audience.
	TokenAudience
	// TokenClaims: a claim is missing, or is not what it has to be.
	TokenClaims
	// TokenRevoked: it was revoked.
	TokenRevoked
	// TokenSubject: a refresh that names another user.
	TokenSubject

	NumTokenRefusals
)

// GuardStep is what the memory guard does: each step goes on with those before it.
type GuardStep uint8

const (
	// GuardStopAccepting: guard.stop_accepting is reached, new connections are refused.
	GuardStopAccepting GuardStep = iota
	// GuardShedQueues: guard.shed_queues is reached, the clients for whom most waits are closed, and histories are let go.
	GuardShedQueues
	// GuardShedNewest: guard.shed_newest is reached, the newest connections are closed.
	GuardShedNewest

	NumGuardSteps
)

// Bucket bounds of the two histograms; the last bucket of each is +Inf.
const (
	// NumFanoutBuckets counts the buckets of the fan-out time, from FanoutBounds.
	NumFanoutBuckets = 14
	// NumBatchBuckets counts the buckets of frames per write: 1, 2, 4 ... 1024, +Inf.
	NumBatchBuckets = 12
)

// Cell holds the counters of one shard, or of the edge. Any goroutine may add;
// each cell has its own cache lines, so that shards do not disturb each other.
type Cell struct {
	_ [64]byte

	Accepted          atomic.Uint64 // connections accepted
	Handshakes        atomic.Uint64 // upgrades answered with 101
	Pages             atomic.Uint64 // plain HTTP requests answered
	HandshakeFailures [NumHandshakeFailures]atomic.Uint64
	TLSHandshakes     atomic.Uint64 // TLS handshakes that were completed
	TLSErrors         [NumTLSErrors]atomic.Uint64
	TLSReloads        atomic.Uint64 // certificates of a listener that were read again
	TLSReloadFailures atomic.Uint64 // and those that were not good
	TokenRefusals     [NumTokenRefusals]atomic.Uint64
	KeySetFetches     atomic.Uint64 // fetches of auth.jwks.url that gave a key set
	KeySetFailures    atomic.Uint64 // and those that did not
	Closed            [NumCloseReasons]atomic.Uint64

	MessagesIn     atomic.Uint64 // data messages from clients
	BytesIn        atomic.Uint64 // bytes read from sockets
	Published      atomic.Uint64 // publications accepted, from clients and the server API
	Compressed     atomic.Uint64 // frames that were compressed
	CompressedFrom atomic.Uint64 // their messages' bytes
	CompressedTo   atomic.Uint64 // and their own
	Deliveries     atomic.Uint64 // messages given to subscribers' sockets
	Writes         atomic.Uint64 // writes that carried them
	BytesOut       atomic.Uint64 // bytes given to sockets
	Drops          [NumDropReasons]atomic.Uint64
	Gaps           atomic.Uint64 // times that subscribers of a channel may have missed something
	Panics         atomic.Uint64

	// GuardSteps counts how often the memory guard came to a step, by step.
	GuardSteps [NumGuardSteps]atomic.Uint64

	FanoutSeconds [NumFanoutBuckets]atomic.Uint64 // publish to last write, per batch; by bucket, not cumulative
	FanoutNanos   atomic.Uint64                   // sum of the above
	FramesPerSend [NumBatchBuckets]atomic.Uint64  // frames per batch; by bucket, not cumulative
	FramesSent    atomic.Uint64                   // sum of the above

	_ [64]byte
}
