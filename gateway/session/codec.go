package session

import (
	"errors"
	"slices"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/protocol"
	"sluice/gateway/ws"
)

// Dialect is how a client of the raw protocol is spoken to.
type Dialect struct {
	// Positions: each message comes with its place in its channel's history.
	Positions bool
	// OnGap is what happens when messages may have been lost on the way to the node.
	OnGap OnGap
	// GapCode is the close code for it.
	GapCode ws.CloseCode
	// Compression of what it is sent.
	Compression Compression
}

// Compression is permessage-deflate (RFC 7692).
type Compression struct {
	// Level is 1 to 9; 0: nothing is compressed.
	Level int
	// MinSize is how long a message must be, in bytes.
	MinSize int
	// narrow: for a client whose window is smaller than the largest.
	narrow bool
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
type Dialects struct {
	// RetryWithin: who is closed so that it comes back is asked to wait a random
	// time up to this. 0: it is not told anything.
	RetryWithin time.Duration

	list []Dialect
}

// Variants are the dialects of one endpoint: by positions, and by compression,
// which is none, with the largest window, or with a smaller one.
type Variants [2][3]hub.Variant

// Variants are those of an endpoint whose clients are spoken to like d, each as
// it asks for positions and compression. It is called before Codecs.
func (ds *Dialects) Variants(d Dialect) (v Variants) {
	offered := d.Compression
	for i, positions := range []bool{false, true} {
		d.Positions = positions
		for j := range v[i] {
			d.Compression = Compression{}
			if j > 0 {
				d.Compression = offered
			}
			if j == 2 && offered.Level > 0 {
				d.Compression.narrow, d.Compression.Level = true, 1 // it has one level
			}
			v[i][j] = ds.variant(d)
		}
	}
	return v
}

// maxDialects is how many a hub.Variant can tell apart.
const maxDialects = 256

// Err says that there are too many.
func (ds *Dialects) Err() error {
	if len(ds.list) > maxDialects {
		return errors.New("session: too many endpoints that differ in on_gap, gap_code or compression")
	}
	return nil
}

// variant is d's place among the hub's codecs.
func (ds *Dialects) variant(d Dialect) hub.Variant {
	i := slices.Index(ds.list, d)
	if i < 0 {
		i = len(ds.list)
		ds.list = append(ds.list, d)
	}
	return hub.Variant(i)
}

// pick is how a client is spoken to.
func (v *Variants) pick(positions bool, d ws.Deflate) hub.Variant {
	i, j := 0, 0
	if positions {
		i = 1
	}
	switch {
	case d.Bits == ws.MaxBits:
		j = 1
	case d.Bits > 0:
		j = 2
	}
	return v[i][j]
}

// compresses says whether a client that is spoken to like this may send compressed messages.
func (v *Variants) compresses(x hub.Variant) bool {
	return x != v[0][0] && x != v[1][0]
}

// Codecs are how the hub speaks to sessions, by variant. cell counts what is compressed.
func (ds *Dialects) Codecs(cell *metrics.Cell) []hub.Codec {
	deflaters := map[Compression]*ws.Deflater{}
	var codecs []hub.Codec
	for _, d := range ds.list {
		c := d.Compression
		if c.Level > 0 && deflaters[c] == nil {
			deflaters[c] = ws.NewDeflater(c.Level, c.MinSize, c.narrow)
		}
		codecs = append(codecs, d.codec(&voice{deflaters[c], cell}, ds.RetryWithin))
	}
	return codecs
}

// voice encodes messages.
type voice struct {
	deflater *ws.Deflater // nil: nothing is compressed
	cell     *metrics.Cell
}

// maxFrameHeader is the longest header of a frame that is not masked.
const maxFrameHeader = ws.MaxHeader - 4

// frame appends a message to dst.
func (v *voice) frame(dst []byte, op ws.Opcode, payload []byte) []byte {
	if v.deflater == nil {
		return ws.AppendFrame(slices.Grow(dst, maxFrameHeader+len(payload)), op, payload)
	}
	had := len(dst)
	dst, compressed := v.deflater.AppendFrame(dst, op, payload)
	if compressed {
		v.cell.Compressed.Add(1)
		v.cell.CompressedFrom.Add(uint64(len(payload)))
		v.cell.CompressedTo.Add(uint64(len(dst) - had))
	}
	return dst
}

// raw appends the payload as a message.
func (v *voice) raw(dst []byte, _ string, p hub.Publication) []byte {
	return v.frame(dst, opcode(&p), p.Payload)
}

// positioned appends "message CHANNEL EPOCH:OFFSET", a newline and the payload, as one message.
func (v *voice) positioned(dst []byte, channel string, p hub.Publication) []byte {
	return v.frame(dst, opcode(&p), append(line("message", channel, p.Position), p.Payload...))
}

// codec delivers the payload and nothing else, as text or binary as it was
// published; with Positions, behind a line that says where it stands.
func (d Dialect) codec(v *voice, within time.Duration) hub.Codec {
	plain := &voice{cell: v.cell}
	c := hub.Codec{
		Encode: v.raw,
		Replay: plain.raw,
		Gone:   gapMessage,
		Ping:   ws.AppendFrame(nil, ws.Ping, nil),
		Once:   true,
	}
	switch {
	case d.Positions:
		c.Encode, c.Replay, c.Once = v.positioned, plain.positioned, false
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
		c.Close[reason] = goodbyes(reason, code, text, within)
	}
	return c
}

func opcode(p *hub.Publication) ws.Opcode {
	if p.Binary {
		return ws.Binary
	}
	return ws.Text
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
