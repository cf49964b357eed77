package attack

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"sluice/gateway/ws"
)

// frames are the attacks on the frame codec.
func frames() []Attack {
	small := sync.OnceValue(func() []byte { return masked(ws.Text|deflatedBit, deflated(1<<20)) })
	large := sync.OnceValue(func() []byte { return masked(ws.Text|deflatedBit, deflated(16<<20)) })
	return []Attack{
		{
			Name: "frame-overflow", About: "announces frames of 2^31 to 2^64-1 bytes, and lengths that RFC 6455 forbids",
			Wants: "1002 or 1009 before a byte of it is taken",
			attempt: func(a *assault, n int) outcome {
				lengths := hugeLengths()
				return a.joined(n, func(c *conn) outcome { return c.flood(0, once(lengths[rand.IntN(len(lengths))])) })
			},
		},
		{
			Name: "empty-fragments", About: "begins a message and goes on with empty fragments",
			Wants: "1008",
			attempt: func(a *assault, n int) outcome {
				first := ws.AppendMaskedFragment(nil, ws.Text, false, maskKey(), nil)
				more := bytes.Repeat(ws.AppendMaskedFragment(nil, ws.Continuation, false, maskKey(), nil), 1000)
				return a.joined(n, func(c *conn) outcome {
					return c.flood(0, func() []byte {
						if first != nil {
							defer func() { first = nil }()
							return first
						}
						return more
					})
				})
			},
		},
		{
			Name: "ping-flood", About: "pings at full speed, and reads the answers",
			Wants: "1008",
			attempt: func(a *assault, n int) outcome {
				pings := bytes.Repeat(masked(ws.Ping, make([]byte, 125)), 32)
				return a.joined(n, func(c *conn) outcome { return c.flood(0, func() []byte { return pings }) })
			},
		},
		{
			Name: "ping-flood-deaf", About: "pings at full speed, and reads nothing",
			Wants: "1008 or cut",
			attempt: func(a *assault, n int) outcome {
				pings := bytes.Repeat(masked(ws.Ping, make([]byte, 125)), 32)
				return a.joined(n, func(c *conn) outcome {
					c.squeeze()
					return c.deaf(func() []byte { return pings })
				})
			},
		},
		{
			Name: "deflate-bombs", About: "offers permessage-deflate and sends 1 MiB and 16 MiB of zeros in it",
			Wants:   "1009; 1002 where it was not agreed on",
			prepare: func() { small(); large() },
			attempt: func(a *assault, n int) outcome {
				if n%2 == 0 {
					return a.bomb(n, small())
				}
				return a.bomb(n, large())
			},
		},
	}
}

// hugeLengths are headers of masked frames, with a little of their payload.
func hugeLengths() [][]byte {
	header := func(first, length byte, n uint64) []byte {
		b := []byte{first, 0x80 | length}
		switch length {
		case 126:
			b = binary.BigEndian.AppendUint16(b, uint16(n)) //nolint:gosec // each length fits
		case 127:
			b = binary.BigEndian.AppendUint64(b, n)
		}
		return append(b, make([]byte, 64)...) // the mask and some payload
	}
	var all [][]byte
	for _, n := range []uint64{1 << 31, 1<<31 - 1, 1 << 32, 1<<32 - 1, 1<<40 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		all = append(all, header(0x82, 127, n), header(0x81, 127, n), header(0x02, 127, n))
	}
	return append(
		all,
		header(0x82, 127, 65535), header(0x82, 126, 125), header(0x82, 127, 0), // not the shortest form
		header(0x89, 126, 126), header(0x88, 127, 1<<20), // control frames above 125 bytes
	)
}

// deflateOffer asks for compression that starts anew with each message.
const deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"

// deflatedBit is RSV1 (RFC 7692 section 6).
const deflatedBit = 0x40

// bomb sends a message that is far larger than it looks, and counts it as a breach
// if it comes back.
func (a *assault) bomb(n int, message []byte) outcome {
	return a.joined(n, func(c *conn) outcome {
		o := c.flood(0, once(message))
		if o.what == held {
			return o
		}
		agreed := "not agreed: "
		if c.extended {
			agreed = "agreed: "
		}
		return outcome{what: agreed + o.what, breach: c.got.Load()}
	}, deflateOffer)
}

// deflated is a message of n zeros as RFC 7692 section 7.2.1 has it: without the
// last four bytes of the flush.
func deflated(n int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is one
	}
	zeros := make([]byte, 64<<10)
	for ; n > 0; n -= len(zeros) {
		_, _ = w.Write(zeros[:min(n, len(zeros))])
	}
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xFF, 0xFF})
}
