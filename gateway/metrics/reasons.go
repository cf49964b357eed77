package metrics

// The label values. A reason without a name here fails the tests, as does one
// that is named twice.
var (
	dropReasons = [NumDropReasons]string{
		DropInboxFull:      "inbox_full",
		DropSlowDisconnect: "slow_disconnect",
		DropOldest:         "oldest",
		DropLatest:         "latest",
		DropAge:            "age",
		DropMemory:         "memory",
		DropNodeQueue:      "node_queue",
		DropRateLimit:      "rate_limit",
		DropNotAllowed:     "not_allowed",
		DropConnectionLost: "connection_lost",
		DropForward:        "forward",
	}
	closeReasons = [NumCloseReasons]string{
		CloseByClient:       "client",
		CloseLost:           "lost",
		CloseProtocol:       "protocol",
		CloseTooBig:         "too_big",
		CloseRateLimit:      "rate_limit",
		CloseByteRate:       "byte_rate",
		CloseMemory:         "memory",
		CloseControlRate:    "control_rate",
		CloseMessageTimeout: "message_timeout",
		CloseSlow:           "slow",
		CloseIdle:           "idle",
		CloseDrain:          "drain",
		CloseRebalance:      "rebalance",
		CloseAPI:            "api",
		ClosePanic:          "panic",
		CloseUnauthorized:   "unauthorized",
		CloseExpired:        "expired",
		CloseForbidden:      "forbidden",
		CloseRevoked:        "revoked",
		CloseFull:           "full",
		CloseForward:        "forward",
		ClosePublish:        "publish",
		CloseGap:            "gap",
	}
	handshakeFailures = [NumHandshakeFailures]string{
		HandshakeBadRequest:   "bad_request",
		HandshakeTooLarge:     "too_large",
		HandshakeTimeout:      "timeout",
		HandshakeOrigin:       "origin",
		HandshakeNotFound:     "not_found",
		HandshakeChannel:      "channel",
		HandshakeDraining:     "draining",
		HandshakeAddressLimit: "address_limit",
		HandshakeAddressRate:  "address_rate",
		HandshakeAddressAuth:  "address_auth",
		HandshakeMemory:       "memory",
		HandshakeDescriptors:  "descriptors",
		HandshakeLimit:        "limit",
		HandshakeLost:         "lost",
		HandshakePanic:        "panic",
		HandshakeUnauthorized: "unauthorized",
		HandshakeForbidden:    "forbidden",
		HandshakeTLS:          "tls",
		HandshakeHost:         "host",
		HandshakeProxy:        "proxy",
	}
	tlsErrors = [NumTLSErrors]string{
		TLSNotTLS:      "not_tls",
		TLSVersion:     "version",
		TLSCipher:      "cipher",
		TLSProtocol:    "protocol",
		TLSCertificate: "client_certificate",
		TLSAlert:       "alert",
		TLSTooLarge:    "too_large",
		TLSTimeout:     "timeout",
		TLSBusy:        "busy",
		TLSLost:        "lost",
		TLSPanic:       "panic",
		TLSOther:       "other",
	}
	guardSteps = [NumGuardSteps]string{
		GuardStopAccepting: "stop_accepting",
		GuardShedQueues:    "shed_queues",
		GuardShedNewest:    "shed_newest",
	}
	tokenRefusals = [NumTokenRefusals]string{
		TokenMissing:   "missing",
		TokenTooLarge:  "too_large",
		TokenMalformed: "malformed",
		TokenHeader:    "header",
		TokenAlgorithm: "algorithm",
		TokenKey:       "key",
		TokenSignature: "signature",
		TokenExpired:   "expired",
		TokenEarly:     "early",
		TokenLifetime:  "lifetime",
		TokenIssuer:    "issuer",
		TokenAudience:  "audience",
		TokenClaims:    "claims",
		TokenRevoked:   "revoked",
		TokenSubject:   "subject",
	}
)

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (r DropReason) String() string { return label(dropReasons[:], int(r)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (r CloseReason) String() string { return label(closeReasons[:], int(r)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (f HandshakeFailure) String() string { return label(handshakeFailures[:], int(f)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (e TLSError) String() string { return label(tlsErrors[:], int(e)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (r TokenRefusal) String() string { return label(tokenRefusals[:], int(r)) }

// String is the step as metrics and logs show it, "unknown" outside the table.
func (s GuardStep) String() string { return label(guardSteps[:], int(s)) }

func label(table []string, i int) string {
	if i >= len(table) {
		return "unknown"
	}
	return table[i]
}
