package session

import (
	"fmt"
	"time"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// Close codes of ours, after the HTTP status that means the same (RFC 6455
// section 7.4.2 leaves 4000 to 4999 to applications).
const (
	// CodeUnauthorized: come back with a good token.
	CodeUnauthorized ws.CloseCode = 4401
	// CodeForbidden: the token does not allow what was asked for.
	CodeForbidden ws.CloseCode = 4403
	// CodeGap: messages may have been lost; come back, and fetch the state anew.
	CodeGap ws.CloseCode = 4409
)

// closeCode is what the node says when it ends a connection on its own account.
func closeCode(r metrics.CloseReason) (ws.CloseCode, string) {
	switch r {
	case metrics.CloseSlow:
		return ws.TryAgainLater, "slow consumer"
	case metrics.CloseFull:
		return ws.TryAgainLater, "full"
	case metrics.CloseForward, metrics.ClosePublish:
		return ws.TryAgainLater, "the message could not be taken"
	case metrics.CloseMemory:
		return ws.TryAgainLater, "the node is short of memory"
	case metrics.CloseIdle:
		return ws.PolicyViolation, "nothing heard within the keepalive timeout"
	case metrics.CloseDrain:
		return ws.GoingAway, "shutting down"
	case metrics.CloseRebalance:
		return ws.ServiceRestart, "another node has more room"
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
	case metrics.CloseGap:
		return CodeGap, "messages may have been lost: fetch the state anew"
	case metrics.CloseProtocol:
		return ws.ProtocolError, ""
	case metrics.ClosePanic:
		return ws.InternalError, ""
	default:
		return ws.NormalClosure, ""
	}
}

// comesBack says whether a client that is closed for the reason should come
// back, here or on another node, so that it matters that not all do at once.
func comesBack(reason metrics.CloseReason) bool {
	switch reason {
	case metrics.CloseDrain, metrics.CloseRebalance, metrics.CloseSlow, metrics.CloseMemory, metrics.CloseFull, metrics.CloseGap, metrics.CloseForward, metrics.ClosePublish:
		return true
	default:
		return false
	}
}

// numHints is among how many waits one is picked.
const numHints = 64

// goodbyes are the close frames for a reason. The texts of those that ask for a
// return end with "retry in 850ms", each with another time within the span.
func goodbyes(reason metrics.CloseReason, code ws.CloseCode, text string, within time.Duration) (frames [][]byte) {
	if within <= 0 || !comesBack(reason) {
		return [][]byte{ws.AppendClose(nil, code, text)}
	}
	if text != "" {
		text += ", "
	}
	for i := range numHints {
		wait := within * time.Duration(2*i+1) / (2 * numHints)
		frames = append(frames, ws.AppendClose(nil, code, fmt.Sprintf("%sretry in %dms", text, wait.Milliseconds())))
	}
	return frames
}
