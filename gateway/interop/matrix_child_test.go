//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// child is a program of a folder of clients; what clients/README.md calls URL,
// CA and OFFER is appended to the command.
func child(folder string, command ...string) program {
	return func(ctx context.Context, r *run, url string, say func(line)) error {
		arguments := slices.Concat(command[1:], []string{url, r.files.authority, r.offer()})
		cmd := exec.CommandContext(ctx, command[0], arguments...)
		cmd.Dir = filepath.Join("clients", folder)
		cmd.WaitDelay = time.Second
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var l line
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				l = line{Step: "?", Detail: "the client printed " + lines.Text()}
			}
			say(l)
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w\n%s", err, &stderr)
		}
		return nil
	}
}

// certificates are files in PEM.
type certificates struct {
	authority, certificate, key string
	pool                        *x509.CertPool
	pin                         string // base64 of SHA-256 of the certificate's public key
}

// authority makes an authority and a certificate for 127.0.0.1 that it signs.
// (Some clients take no server certificate that is an authority's own.)
func authority(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	f := certificates{
		authority: filepath.Join(dir, "ca.pem"), certificate: filepath.Join(dir, "server.crt"), key: filepath.Join(dir, "server.key"),
		pool: x509.NewCertPool(),
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Sluice interop"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	keys := [2]*ecdsa.PrivateKey{}
	for i, c := range []*x509.Certificate{root, leaf} {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	f.sign(t, f.authority, root, root, keys[0], keys[0])
	f.sign(t, f.certificate, leaf, root, keys[1], keys[0])
	k8, err := x509.MarshalPKCS8PrivateKey(keys[1])
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.key, "PRIVATE KEY", k8)
	f.pool.AddCert(root)
	public, err := x509.MarshalPKIXPublicKey(&keys[1].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(public)
	f.pin = base64.StdEncoding.EncodeToString(digest[:])
	return f
}

// sign writes a certificate; c gets what x509 makes of it.
func (f *certificates) sign(t *testing.T, path string, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	*c = *signed
	write(t, path, "CERTIFICATE", der)
}

func write(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
