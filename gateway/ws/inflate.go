package ws

import (
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"sluice/gateway/internal/pool"
)

// inflater takes messages apart. Its reader is some 45 KB, so it is held while a
// message is inflated, and no longer.
type inflater struct {
	r    io.ReadCloser
	src  source
	over [1]byte // the byte that is too much
}

// inflaters is shared by all parsers: at any time only those that inflate have one.
var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.r = flate.NewReader(&f.src)
	return f
}}

// source is a message and its tail. It gives single bytes, so that the reader
// takes no more than it needs.
type source struct {
	message []byte
	tail    []byte

	// How ours, the final block, was read: its first byte by itself, and then its
	// length. A block that is cut short takes it for data, and may come to an end
	// in it; its bytes are read otherwise.
	began, ended bool
}

// messageTail is put behind a message: the empty block that it left out (RFC 7692
// section 7.2.2), and an empty final one, so that the reader comes to an end.
var messageTail = []byte{0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF}

const (
	finalBlock  = 5 // bytes of the tail
	finalLength = 4 // of them
)

// complete says that the message, of which nothing is left, has ended with a block.
func (s *source) complete() bool { return s.ended || len(s.tail) >= finalBlock }

// ReadByte implements io.ByteReader.
func (s *source) ReadByte() (c byte, err error) {
	from := &s.message
	if len(*from) == 0 {
		if from = &s.tail; len(*from) == 0 {
			return 0, io.EOF
		}
	}
	s.began = len(s.message) == 0 && len(s.tail) == finalBlock
	c, *from = (*from)[0], (*from)[1:]
	return c, nil
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (n int, err error) {
	s.ended = s.began && len(s.tail) == finalLength && len(p) == finalLength
	n = copy(p, s.message)
	s.message = s.message[n:]
	m := copy(p[n:], s.tail)
	s.tail = s.tail[m:]
	if n+m == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n + m, nil
}

// inflate returns a compressed message's payload in a pooled buffer. It stops as
// soon as there is more than limit: the buffer never has more than that, or than
// the smallest of the pool's.
func inflate(compressed []byte, limit int) (*[]byte, *Error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	f.src = source{message: compressed, tail: messageTail}
	out := pool.Get(0)
	if err := f.read(&out, limit); err != nil {
		pool.Put(out)
		return nil, err
	}
	return out, nil
}

// read appends what the source holds to *out, to which a larger buffer may come.
func (f *inflater) read(out **[]byte, limit int) *Error {
	if f.reset() != nil {
		return errDeflate
	}
	for {
		b := *out
		if len(*b) == cap(*b) && len(*b) < limit {
			b = pool.Grow(b, min(max(len(*b), 256), limit-len(*b)), limit)
			*out = b
		}
		room := (*b)[len(*b):min(cap(*b), limit)]
		full := len(room) == 0
		if full {
			room = f.over[:]
		}
		n, err := f.r.Read(room)
		if full && n > 0 {
			return errTooBig
		}
		*b = (*b)[:len(*b)+n]
		switch {
		case err == nil:
		case err != io.EOF:
			return errDeflate
		case len(f.src.message) == 0 && f.src.complete():
			return nil
		case len(f.src.message) == 0:
			return errDeflate // it is cut short in a final block
		default: // the client has marked a block as its last, and goes on (RFC 7692 section 7.2.3.4)
			if f.reset() != nil {
				return errDeflate
			}
		}
	}
}

func (f *inflater) reset() error { return f.r.(flate.Resetter).Reset(&f.src, nil) }

func (f *inflater) release() {
	f.src = source{}
	inflaters.Put(f)
}
