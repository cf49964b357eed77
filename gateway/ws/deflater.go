package ws

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"

	"sluice/gateway/internal/pool"
)

// Deflater compresses messages. Any goroutine may use it; each that does so at
// the same time holds a compressor, of about a megabyte at the faster levels
// and less with a small window, until the next collection or two.
type Deflater struct {
	min  int
	pool sync.Pool // of *compressor
}

// compressor is a writer and where it writes to.
type compressor struct {
	w   *flate.Writer
	out bytes.Buffer
}

// NarrowBits is the window of a narrow Deflater, which suits every client.
const NarrowBits = 8

// NewDeflater returns one that compresses messages of at least min bytes with a
// level of 1 (fast) to 9 (small). A narrow one takes a window of 2 to the power
// of NarrowBits, for clients that want less than MaxBits, and has one level.
func NewDeflater(level, min int, narrow bool) *Deflater {
	d := &Deflater{min: min}
	d.pool.New = func() any {
		c := new(compressor)
		var err error
		if narrow {
			c.w, err = flate.NewWriterWindow(&c.out, 1<<NarrowBits)
		} else {
			c.w, err = flate.NewWriter(&c.out, level)
		}
		if err != nil {
			panic(err) // a level out of its range
		}
		return c
	}
	return d
}

// AppendFrame appends a server's frame with the message, compressed if that makes
// it shorter (RFC 7692 section 7.2.1). It reports whether it is.
func (d *Deflater) AppendFrame(dst []byte, op Opcode, payload []byte) (frame []byte, compressed bool) {
	if len(payload) < max(d.min, 1) {
		return AppendFrame(slices.Grow(dst, maxServerHeader+len(payload)), op, payload), false
	}
	c := d.pool.Get().(*compressor)
	defer d.release(c)
	c.w.Reset(&c.out)
	_, err := c.w.Write(payload)
	if err == nil {
		err = c.w.Flush()
	}
	b := bytes.TrimSuffix(c.out.Bytes(), flushTail)
	if err != nil || len(b) >= len(payload) { // the buffer gives no errors
		return AppendFrame(slices.Grow(dst, maxServerHeader+len(payload)), op, payload), false
	}
	dst = appendHeader(slices.Grow(dst, maxServerHeader+len(b)), bitFIN|bitRSV1|byte(op), 0, len(b))
	return append(dst, b...), true
}

// release gives c back, without what a large message has left.
func (d *Deflater) release(c *compressor) {
	if c.out.Reset(); c.out.Cap() > pool.MaxSize {
		c.out = bytes.Buffer{}
	}
	d.pool.Put(c)
}

// maxServerHeader is the longest header of a frame that is not masked.
const maxServerHeader = MaxHeader - 4

// flushTail is what a flush ends with, an empty stored block: a message leaves it
// out (RFC 7692 section 7.2.1).
var flushTail = []byte{0, 0, 0xFF, 0xFF}
