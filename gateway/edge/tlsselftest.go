package edge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"
)

// prepareTLS finds out, once for an Edge, how this build's crypto/tls can be driven.
func (e *Edge) prepareTLS() {
	e.buffers = buffersOf()
	if !e.buffers.ok {
		e.log.Warn().Msg("crypto/tls has other buffers than expected: idle connections keep theirs")
	}
	err := selfTest(errWouldBlock)
	e.loop = err == nil
	if err != nil {
		e.log.Warn().Err(err).Msg("crypto/tls does not go on after an interrupted read: each TLS connection gets a goroutine")
	}
	for range e.options.Pollers {
		e.plain = append(e.plain, make([]byte, e.options.ReadBuffer))
	}
}

// selfTest proves what the pollers rely on: that a read of a tls.Conn which its
// transport interrupts with blocked, at any byte of a record, can be repeated,
// and that nothing is lost. It takes some milliseconds.
func selfTest(blocked error) error {
	certificate, err := selfSigned()
	if err != nil {
		return fmt.Errorf("edge: self-test: %w", err)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	deadline := time.Now().Add(selfTestTimeout)
	if err := errors.Join(near.SetDeadline(deadline), far.SetDeadline(deadline)); err != nil {
		return fmt.Errorf("edge: self-test: %w", err)
	}
	const text = "sluice"
	records := make(chan []byte, 1)
	go func() {
		tap := &recorder{Conn: far}
		//nolint:gosec // both ends are ours
		client := tls.Client(tap, &tls.Config{InsecureSkipVerify: true})
		go func() { _, _ = io.Copy(io.Discard, client) }() // the handshake, and the tickets
		if err := client.Handshake(); err != nil {
			records <- nil
			return
		}
		tap.held = new(bytes.Buffer)
		_, _ = client.Write([]byte(text))
		records <- tap.held.Bytes()
	}()
	from := &lender{Conn: near, blocked: blocked}
	server := tls.Server(from, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err := server.Handshake(); err != nil {
		return fmt.Errorf("edge: self-test: handshake: %w", err)
	}
	record := <-records
	from.lending = true
	var got []byte
	buf := make([]byte, 64)
	for i := range record {
		from.lent = record[i : i+1]
		n, err := server.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil && err != blocked {
			return fmt.Errorf("edge: self-test: at byte %d of a record: %w", i, err)
		}
	}
	if string(got) != text {
		return fmt.Errorf("edge: self-test: %d of %d bytes came through", len(got), len(text))
	}
	return nil
}

const selfTestTimeout = 5 * time.Second

// recorder holds back what is written, when it has a place for it.
type recorder struct {
	net.Conn
	held *bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.held != nil {
		return r.held.Write(p)
	}
	return r.Conn.Write(p)
}

// lender is a transport like wire.
type lender struct {
	net.Conn
	lending bool
	lent    []byte
	blocked error
}

func (l *lender) Read(p []byte) (int, error) {
	if !l.lending {
		return l.Conn.Read(p)
	}
	if len(l.lent) == 0 {
		return 0, l.blocked
	}
	n := copy(p, l.lent)
	l.lent = l.lent[n:]
	return n, nil
}

// selfSigned is a certificate for an hour.
func selfSigned() (c tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
