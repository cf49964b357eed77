package attack

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
)

// Key updates are ones that crypto/tls takes, so that a server which ends the
// connection does so for their number: what is sealed with the last keys arrives.
func TestKeyUpdates(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, updates := range []int{0, 1, 16, 17} { // crypto/tls ends a connection after 16 in a row without data
		type heard struct {
			text string
			err  error
		}
		got := make(chan heard, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				got <- heard{err: err}
				return
			}
			defer c.Close()
			b := make([]byte, 5)
			_, err = io.ReadFull(c, b)
			got <- heard{string(b), err}
		}()
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var log keyLog
		config := tlsConfig("127.0.0.1")
		config.MinVersion, config.KeyLogWriter = tls.VersionTLS13, &log
		c := tls.Client(raw, config)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		s := newSealer(log.secret("CLIENT_TRAFFIC_SECRET_0"), c.ConnectionState().CipherSuite)
		if s == nil {
			t.Skip("this processor has no AES: crypto/tls takes ChaCha20 then, and the attack seals with AES-GCM alone")
		}
		var out []byte
		for range updates {
			out = s.keyUpdate(out)
		}
		if _, err := raw.Write(s.record(out, 23, []byte("hello"))); err != nil {
			t.Fatal(err)
		}
		switch h := <-got; {
		case updates <= 16 && (h.err != nil || h.text != "hello"):
			t.Errorf("after %d updates: %q, %v", updates, h.text, h.err)
		case updates > 16 && h.err == nil:
			t.Errorf("after %d updates: %q", updates, h.text)
		}
		_ = raw.Close()
	}
}

// A bomb is small, and unfolds to what it says.
func TestBombs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1 << 20, 16 << 20} {
		b := deflated(n)
		// RFC 7692 section 7.2.2: the receiver puts the last four bytes back.
		whole := io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte{0, 0, 0xFF, 0xFF}))
		got, err := io.Copy(io.Discard, flate.NewReader(whole))
		if got != int64(n) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes unfold to %d, want %d (%v)", len(b), got, n, err)
		}
		if len(b) > n/900 {
			t.Errorf("%d bytes for %d", len(b), n)
		}
	}
}

// The large ClientHello is as large as it says.
func TestHellos(t *testing.T) {
	t.Parallel()
	if n := len(hello("127.0.0.1", largeProtocols())); n < 57_000 || n > 64<<10 {
		t.Errorf("%d bytes", n)
	}
	if n := len(hello("127.0.0.1", nil)); n < 100 || n > 4<<10 {
		t.Errorf("%d bytes", n)
	}
}
