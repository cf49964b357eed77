// Package certs reads what TLS needs from files: certificates with their keys,
// authorities, and keys of session tickets. Everything is parsed and matched
// before it is returned, so that what is in use is only ever replaced by
// something that works. No error and no warning repeats a secret.
package certs

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile is the most that is read of one file, in bytes.
const maxFile = 1 << 20

// KeyError is what is wrong with a key, where a certificate is fine.
type KeyError struct{ Err error }

func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Load reads a certificate, with its chain behind it, and the key that belongs
// to it, both PEM. An error that is the key file's alone is a KeyError.
func Load(certFile, keyFile string) (*tls.Certificate, error) {
	chain, err := read(certFile)
	if err != nil {
		return nil, err
	}
	if err := checkChain(chain); err != nil {
		return nil, err
	}
	key, err := read(keyFile)
	if err != nil {
		return nil, &KeyError{err}
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, &KeyError{keyProblem(key, err)}
	}
	return &c, nil
}

// checkChain says what is wrong with the certificates in a file.
func checkChain(text []byte) error {
	found := 0
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		found++
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return fmt.Errorf("certificate %d in it is broken: %w", found, err)
		}
	}
	if found == 0 {
		return errors.New("has no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return nil
}

// keyProblem says what is wrong with a key that does not go with its certificate.
func keyProblem(text []byte, err error) error {
	encrypted, key := false, false
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		encrypted = encrypted || b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != ""
		key = key || b.Type == "PRIVATE KEY" || b.Type == "RSA PRIVATE KEY" || b.Type == "EC PRIVATE KEY"
	}
	switch {
	case encrypted:
		return errors.New("is encrypted: store the key without a passphrase, in a file that only the node's user may read")
	case !key:
		return errors.New("has no private key in PEM (-----BEGIN PRIVATE KEY-----)")
	default:
		return fmt.Errorf("does not go with the certificate: %w", err)
	}
}

// Pool reads certificates of authorities, PEM. The digest tells sets apart.
func Pool(file string) (pool *x509.CertPool, digest [sha256.Size]byte, err error) {
	text, err := read(file)
	if err != nil {
		return nil, digest, err
	}
	if err := checkChain(text); err != nil {
		return nil, digest, err
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, digest, errors.New("has no certificate that can be used")
	}
	return pool, sha256.Sum256(text), nil
}

// minTicketKey is the least that a file with a ticket key holds, in bytes.
const minTicketKey = 32

// TicketKey reads a file of random bytes and makes a key of session tickets
// from it. Keys for different purposes are different, whatever they are made
// from: a ticket of one purpose is worth nothing for another.
func TicketKey(file string, purpose []byte) (key [32]byte, err error) {
	text, err := read(file)
	if err != nil {
		return key, err
	}
	if len(text) < minTicketKey {
		return key, fmt.Errorf("has %d bytes: a ticket key is at least %d random ones (openssl rand 48)", len(text), minTicketKey)
	}
	h := hmac.New(sha256.New, text)
	h.Write([]byte("sluice session tickets\x00"))
	h.Write(purpose)
	return [32]byte(h.Sum(nil)), nil
}

// Validity says why a certificate will be refused at a time, or nothing.
func Validity(c *tls.Certificate, now time.Time) string {
	switch leaf := c.Leaf; {
	case now.After(leaf.NotAfter):
		return "expired on " + leaf.NotAfter.UTC().Format(time.DateOnly) + ": clients will refuse it"
	case now.Before(leaf.NotBefore):
		return "is not valid before " + leaf.NotBefore.UTC().Format(time.DateOnly) + ": clients will refuse it"
	default:
		return ""
	}
}

// read returns a file's content. The error does not repeat the path.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if len(text) > maxFile {
		return nil, errors.New("is larger than 1MiB")
	}
	return text, nil
}

// cause is an error of the file system without the operation and the path.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
