package session

import (
	"slices"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
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

// Dialect is how a client of the raw protocol is spoken to.
type Dialect struct {
	// Positions: each message comes with its place in its channel's history.
	Positions bool
	// OnGap is what happens when messages may have been lost on the way to the node.
	OnGap OnGap
	// GapCode is the close code for it.
	GapCode ws.CloseCode
}

// OnGap is what a client learns of a gap.
type OnGap uint8

const (
	// GapIgnore: nothing, unless its messages come with positions.
	GapIgnore OnGap = iota
	// GapMessage: a text message, {"type":"gap","channel":"news"}.
	GapMessage
	// GapClose: it is closed, so that it comes back and fetches what it needs.
	GapClose
)

// Dialects are those that a node speaks. Each is a variant of the hub's.
type Dialects struct{ list []Dialect }

// Variant is d's place among the hub's codecs. It is called before Codecs.
func (ds *Dialects) Variant(d Dialect) hub.Variant {
	i := slices.Index(ds.list, d)
	if i < 0 {
		i = len(ds.list)
		ds.list = append(ds.list, d)
	}
	return hub.Variant(i)
}

// Codecs are how the hub speaks to sessions, by variant.
func (ds *Dialects) Codecs() []hub.Codec {
	var codecs []hub.Codec
	for _, d := range ds.list {
		codecs = append(codecs, d.codec())
	}
	return codecs
}

// codec delivers the payload and nothing else, as text or binary as it was
// published; with Positions, behind a line that says where it stands.
func (d Dialect) codec() hub.Codec {
	c := hub.Codec{
		Encode: encodeRaw,
		Gone:   gapMessage,
		Ping:   ws.AppendFrame(nil, ws.Ping, nil),
		Once:   true,
	}
	switch {
	case d.Positions:
		c.Encode, c.Once = encodePositioned, false
		c.Joined = func(dst []byte, channel string, at hub.Position) []byte {
			return appendLine(dst, "joined", channel, at)
		}
		c.Gap = func(dst []byte, channel string, at hub.Position) []byte { return appendLine(dst, "gap", channel, at) }
		c.Gone = c.Gap
	case d.OnGap == GapMessage:
		c.Gap = gapMessage
	}
	if d.OnGap == GapClose {
		c.Gap, c.GapCloses = nil, true
	}
	for reason := range metrics.NumCloseReasons {
		code, text := closeCode(reason)
		if reason == metrics.CloseGap && d.GapCode != 0 {
			code = d.GapCode
		}
		c.Close[reason] = ws.AppendClose(nil, code, text)
	}
	return c
}

func opcode(p *hub.Publication) ws.Opcode {
	if p.Binary {
		return ws.Binary
	}
	return ws.Text
}

func encodeRaw(dst []byte, _ string, p hub.Publication) []byte {
	return ws.AppendFrame(dst, opcode(&p), p.Payload)
}

// encodePositioned sends "message CHANNEL EPOCH:OFFSET", a newline and the payload.
func encodePositioned(dst []byte, channel string, p hub.Publication) []byte {
	line := line("message", channel, p.Position)
	return ws.AppendFrame(dst, opcode(&p), append(line, p.Payload...))
}

func appendLine(dst []byte, kind, channel string, at hub.Position) []byte {
	return ws.AppendFrame(dst, ws.Text, line(kind, channel, at))
}

// line is KIND CHANNEL POSITION and a newline; the position of a channel without a history is -.
func line(kind, channel string, at hub.Position) []byte {
	b := make([]byte, 0, 128)
	b = append(append(append(append(b, kind...), ' '), channel...), ' ')
	if at.Epoch == "" {
		b = append(b, '-')
	} else {
		b = protocol.Position(at).Append(b)
	}
	return append(b, '\n')
}

// gapMessage says that messages were lost, and, where the channel has a history, from where on there are none missing.
func gapMessage(dst []byte, channel string, at hub.Position) []byte {
	b := append(append([]byte(`{"type":"gap","channel":"`), channel...), '"') // a channel name needs no escapes
	if at.Epoch != "" {
		b = append(protocol.Position(at).Append(append(b, `,"since":"`...)), '"')
	}
	return ws.AppendFrame(dst, ws.Text, append(b, '}'))
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
