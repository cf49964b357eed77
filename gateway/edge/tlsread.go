package edge

import (
	"crypto/tls"
	"io"
	"syscall"

	"sluice/gateway/metrics"
)

// cipher takes what the poller has read. end says that the connection is to be
// closed: the peer has said that it leaves, or nothing it sends can be understood.
func (t *tlsConn) cipher(e *Edge, b []byte) (published, end bool) {
	if t.opening != nil && t.opening.stage.Load() == stageProxy {
		if b = t.proxied(b); len(b) == 0 {
			return false, false
		}
	}
	if r := t.relay.Load(); r != nil {
		what, all := r.give(b)
		switch what {
		case givenFirst:
			t.begin(e)
			return false, false
		case givenTooMuch:
			e.failTLS(t, metrics.TLSTooLarge)
			return false, false
		case givenOn, givenLost:
			return false, false
		}
		t.relay.Store(nil)
		b = all
	}
	return t.decrypt(e, b)
}

// room is how much of a buffer of n bytes may be read from the socket now.
func (t *tlsConn) room(n int) int {
	if r := t.relay.Load(); r != nil {
		return min(n, r.room())
	}
	return n
}

// resume is called on the poller's goroutine when the connection was posted:
// the handshake is complete, and its end and the first request may have come
// together, so that both lie inside crypto/tls and no event will ever tell. It
// must not close: other events of this round may be for the same descriptor.
func (t *tlsConn) resume(e *Edge) {
	defer e.guard(&t.conn, t.end)
	if r := t.relay.Load(); r != nil && !r.isHanded() {
		t.takePlain(e, r)
		return
	}
	published, end := t.cipher(e, nil)
	if end {
		t.end()
	}
	_ = published // the poller is at the end of a round, not about to block
}

// decrypt reads what lies in b and in crypto/tls, as far as there are whole
// records, and feeds it in pieces as large as the poller's buffer.
//
// hot: one copy, of the plaintext, as crypto/tls has no other way.
func (t *tlsConn) decrypt(e *Edge, b []byte) (published, end bool) {
	plain := e.plain[t.nc.Hash()%len(e.plain)]
	t.in = b
	for !end {
		if t.phase.Load() >= phaseDiscard {
			break // nobody would look at it
		}
		n := 0
		var err error
		for n < len(plain) && err == nil {
			var m int
			m, err = t.tls.Read(plain[n:])
			n += m
		}
		if n > 0 && t.data(plain[:n]) {
			published = true
		}
		if err == errWouldBlock {
			break
		}
		end = err != nil
		if err == io.EOF {
			_ = t.tls.CloseWrite() // the peer may wait for ours (RFC 5246 section 7.2.1)
		}
	}
	t.in = nil
	if e.buffers.ok {
		e.buffers.release(t.tls)
	}
	return published, end
}

// takePlain feeds what the connection's goroutine has decrypted. It does so
// after the end of the socket, too: what had come by then was sent before it.
func (t *tlsConn) takePlain(e *Edge, r *relay) {
	plain, final := r.take()
	if len(plain) > 0 {
		if t.opening == nil && t.Attached() && t.phase.Load() != phaseDiscard {
			t.Feed(plain)
		} else {
			t.data(plain)
		}
	}
	if final {
		if t.opening == nil && t.Attached() {
			t.Release()
		}
		t.end()
		return
	}
	r.consumed <- struct{}{}
}

// leftTLS is called on the poller's goroutine at the end of the stream, before nbio closes.
func (t *tlsConn) leftTLS(e *Edge) {
	if r := t.relay.Load(); r != nil {
		if op := t.opening; op != nil && op.stage.CompareAndSwap(stageTLS, stageFailed) {
			e.cell.TLSErrors[metrics.TLSLost].Add(1)
		}
		r.end()
		return
	}
	t.Release()
}

// begin starts the handshake with the client's first bytes, or puts it into the queue.
func (t *tlsConn) begin(e *Edge) {
	switch t.opening.listener.secure.handshakes.enter(t) {
	case turnNow:
		e.serve(t)
	case turnNever:
		e.failTLS(t, metrics.TLSBusy)
	}
}

// serve starts the goroutine of t's handshake.
func (e *Edge) serve(t *tlsConn) {
	e.tlsWork.Add(1)
	go e.handshakeTLS(t, t.opening)
}

// handshakeTLS is the goroutine of a handshake. op is t's, which the poller lets go of later.
func (e *Edge) handshakeTLS(t *tlsConn, op *opening) {
	defer e.tlsWork.Done()
	s := op.listener.secure
	r := t.relay.Load()
	defer e.guard(&t.conn, func() {
		if op.stage.CompareAndSwap(stageTLS, stageFailed) {
			e.cell.TLSErrors[metrics.TLSPanic].Add(1)
		}
		t.failed()
	})
	ok := func() bool {
		defer func() {
			if next := s.handshakes.leave(); next != nil {
				e.serve(next)
			}
		}()
		r.compute()
		defer r.pause()
		t.tls = tls.Server((*wire)(t), s.config.Load())
		if err := t.tls.Handshake(); err != nil {
			e.failTLS(t, reasonTLS(err))
			return false
		}
		return true
	}()
	if !ok {
		return
	}
	if !op.stage.CompareAndSwap(stageTLS, stageRequest) {
		t.failed()
		return // timed out meanwhile
	}
	e.cell.TLSHandshakes.Add(1)
	r.succeed(!s.options.Goroutines && e.loop)
	if r.isHanded() {
		e.post(t)
		return
	}
	t.read(e, r)
}

// read is the life of a connection's goroutine, where the listener has them.
func (t *tlsConn) read(e *Edge, r *relay) {
	buf := make([]byte, maxPlaintext)
	for {
		n, err := t.tls.Read(buf)
		if err == io.EOF {
			_ = t.tls.CloseWrite()
		}
		r.put(buf[:n], err != nil)
		e.post(t)
		if err != nil {
			return
		}
		select {
		case <-r.consumed:
		case <-e.stop:
			return
		}
	}
}

// failTLS ends a connection whose TLS handshake is over without success, and
// counts why. It closes for writing only, so that an alert arrives; the
// handshake's timeout cuts what is left.
func (e *Edge) failTLS(t *tlsConn, why metrics.TLSError) {
	if op := t.opening; op.stage.CompareAndSwap(stageTLS, stageFailed) {
		e.cell.TLSErrors[why].Add(1)
		if e.leave(&t.conn, phaseDiscard) {
			if ev := e.refused(metrics.HandshakeTLS); ev != nil {
				ev.Stringer("tls", why).Str("address", t.RemoteAddr()).Msg("handshake ended")
			}
		}
	}
	t.failed()
}

// failed lets nothing more in.
func (t *tlsConn) failed() {
	if r := t.relay.Load(); r != nil {
		r.end()
	}
	t.nc.Lock()
	t.shutdown(syscall.SHUT_WR)
	t.nc.Unlock()
}
