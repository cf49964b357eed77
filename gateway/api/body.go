package api

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"sync"
)

// A kind of call has its own cap on bodies and on how many run at once.
type kind uint8

const (
	single kind = iota // one message
	bulk               // a batch of them
	numKinds
)

const (
	// A text of n bytes takes at most 6n bytes as a JSON string (\u0000), more
	// than base64 or plain JSON take.
	jsonGrowth = 6
	// bodySlack is for everything but the payload: a broadcast's channel names.
	bodySlack = 512 << 10
	// batchBytes caps a batch's body, if a single message may not be larger.
	batchBytes = 16 << 20
	// keptBody is how large a buffer may be to be used again.
	keptBody = 256 << 10
)

// bodies reads the bodies of calls, into buffers that are used again, and bounds
// the memory they take: so many calls of a kind at once, each up to its cap.
type bodies struct {
	// Static after construction.
	slots [numKinds]chan struct{}
	free  sync.Pool // of *bytes.Buffer
}

func newBodies() *bodies {
	b := &bodies{free: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	b.slots[single] = make(chan struct{}, 256)
	b.slots[bulk] = make(chan struct{}, 16)
	return b
}

// bodyLimit is the largest body of a call, in bytes.
func bodyLimit(k kind, messageSize int) int64 {
	limit := int64(messageSize)*jsonGrowth + bodySlack
	if k == bulk {
		return max(limit, batchBytes)
	}
	return limit
}

// read takes a slot and reads r's whole body. Unless it returns a problem, done
// must be called with what it returned.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, k kind, messageSize int) (*bytes.Buffer, *problem) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, fail(unsupportedEncoding, "the body must come without a Content-Encoding, not as %s", quoted(e))
	}
	limit := bodyLimit(k, messageSize)
	if r.ContentLength > limit {
		return nil, fail(bodyTooLarge, "the request body has %d bytes, of at most %d", r.ContentLength, limit)
	}
	select {
	case b.slots[k] <- struct{}{}:
	default:
		return nil, fail(tooManyRequests, "%d calls of this kind are under way, which is the most at once", cap(b.slots[k]))
	}
	buf := b.free.Get().(*bytes.Buffer)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return buf, nil
	}
	b.done(buf, k)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fail(bodyTooLarge, "the request body has more than %d bytes", limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fail(requestTimeout, "the request body did not arrive within %v", readTimeout)
	default:
		return nil, fail(invalidRequest, "the request body ended early")
	}
}

// done gives back what read returned.
func (b *bodies) done(buf *bytes.Buffer, k kind) {
	if buf.Cap() <= keptBody {
		buf.Reset()
		b.free.Put(buf)
	}
	<-b.slots[k]
}
