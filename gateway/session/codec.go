package session

import (
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// RawVariant is the raw protocol's place in Codecs.
const RawVariant hub.Variant = 0

// Close codes of ours, after the HTTP status that means the same (RFC 6455
// section 7.4.2 leaves 4000 to 4999 to applications).
const (
	// CodeUnauthorized: come back with a good token.
	CodeUnauthorized ws.CloseCode = 4401
	// CodeForbidden: the token does not allow what was asked for.
	CodeForbidden ws.CloseCode = 4403
)

// Codecs are how the hub speaks to sessions, by variant.
func Codecs() []hub.Codec { return []hub.Codec{RawVariant: raw()} }

// raw delivers the payload and nothing else, as text or binary as it was published.
func raw() hub.Codec {
	c := hub.Codec{
		Encode: func(dst []byte, _ string, p hub.Publication) []byte {
			op := ws.Text
			if p.Binary {
				op = ws.Binary
			}
			return ws.AppendFrame(dst, op, p.Payload)
		},
		Ping: ws.AppendFrame(nil, ws.Ping, nil),
		Once: true,
	}
	for reason := range metrics.NumCloseReasons {
		code, text := closeCode(reason)
		c.Close[reason] = ws.AppendClose(nil, code, text)
	}
	return c
}

// closeCode is what the node says when it ends a connection on its own account.
func closeCode(r metrics.CloseReason) (ws.CloseCode, string) {
	switch r {
	case metrics.CloseSlow:
		return ws.TryAgainLater, "slow consumer"
	case metrics.CloseMemory:
		return ws.TryAgainLater, "the node is short of memory"
	case metrics.CloseIdle:
		return ws.PolicyViolation, "nothing heard within the keepalive timeout"
	case metrics.CloseDrain:
		return ws.GoingAway, "shutting down"
	case metrics.CloseTooBig:
		return ws.MessageTooBig, ""
	case metrics.CloseRateLimit, metrics.CloseByteRate, metrics.CloseControlRate, metrics.CloseMessageTimeout, metrics.CloseAPI:
		return ws.PolicyViolation, ""
	case metrics.CloseUnauthorized:
		return CodeUnauthorized, "a valid token is needed"
	case metrics.CloseExpired:
		return CodeUnauthorized, "token expired"
	case metrics.CloseRevoked:
		return CodeUnauthorized, "token revoked"
	case metrics.CloseForbidden:
		return CodeForbidden, "not allowed"
	case metrics.CloseProtocol:
		return ws.ProtocolError, ""
	case metrics.ClosePanic:
		return ws.InternalError, ""
	default:
		return ws.NormalClosure, ""
	}
}
