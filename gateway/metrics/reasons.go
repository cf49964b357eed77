package metrics

// The label values. A reason without a name here fails the tests, as does one
// that is named twice.
var (
	dropReasons = [NumDropReasons]string{
		DropInboxFull:      "inbox_full",
		DropSlowDisconnect: "slow_disconnect",
		DropOldest:         "oldest",
		DropLatest:         "latest",
		DropNodeQueue:      "node_queue",
		DropRateLimit:      "rate_limit",
		DropNotAllowed:     "not_allowed",
		DropConnectionLost: "connection_lost",
	}
	closeReasons = [NumCloseReasons]string{
		CloseByClient:       "client",
		CloseLost:           "lost",
		CloseProtocol:       "protocol",
		CloseTooBig:         "too_big",
		CloseRateLimit:      "rate_limit",
		CloseControlRate:    "control_rate",
		CloseMessageTimeout: "message_timeout",
		CloseSlow:           "slow",
		CloseIdle:           "idle",
		CloseDrain:          "drain",
		CloseAPI:            "api",
		ClosePanic:          "panic",
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
		HandshakeLimit:        "limit",
		HandshakeLost:         "lost",
		HandshakePanic:        "panic",
	}
)

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (r DropReason) String() string { return label(dropReasons[:], int(r)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (r CloseReason) String() string { return label(closeReasons[:], int(r)) }

// String is the reason as metrics and logs show it, "unknown" outside the table.
func (f HandshakeFailure) String() string { return label(handshakeFailures[:], int(f)) }

func label(table []string, i int) string {
	if i >= len(table) {
		return "unknown"
	}
	return table[i]
}
