package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample makes the files that configs/edge-tls.yaml names, and what is wrong
// with such files, in the working directory, which is the test's own.
func sample(t *testing.T) {
	t.Helper()
	if err := os.Mkdir("tls", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("secrets", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cluster", "broker"} {
		if err := os.WriteFile("secrets/"+name, []byte("b3a1c9e2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, key := issue(t, time.Hour)
	_, other := issue(t, time.Hour)
	old, oldKey := issue(t, -time.Minute)
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("not a certificate")})
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("?")})
	for name, text := range map[string][]byte{
		"server.crt": server, "server.key": key, "other.key": other, "old.crt": old, "old.key": oldKey,
		"broken.crt": append(append([]byte(nil), server...), broken...), "locked.key": locked, "empty": nil,
		"ticket.key": make([]byte, 48), "ticket-new.key": make([]byte, 48), "ticket-old.key": make([]byte, 48), "short.key": make([]byte, 31), "clients.crt": server,
	} {
		if err := os.WriteFile("tls/"+name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// issue makes a certificate that signs itself and ends after life.
func issue(t *testing.T, life time.Duration) (certificate, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	k8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k8})
}

// What a start or a reload would trip over is said by check, at its place.
func TestTLSProblems(t *testing.T) {
	const head = "listeners:\n  - tls:\n      "
	pair := func(cert, key string) string {
		return "certificates: [{cert_file: " + cert + ", key_file: " + key + "}]"
	}
	const good = "certificates: [{cert_file: tls/server.crt, key_file: tls/server.key}]"
	for _, tt := range []struct {
		name, text string
		want       string // of each line: the message, or its beginning
	}{
		{"good", good, ""},
		{"no key", "certificates: [{cert_file: tls/server.crt}]", "3:22: listeners.0.tls.certificates.0.key_file: is required"},
		{"no certificate file", pair("tls/none.crt", "tls/server.key"), `3:34: listeners.0.tls.certificates.0.cert_file: "tls/none.crt" cannot be read: no such file or directory`},
		{"no key file", pair("tls/server.crt", "tls/none.key"), `3:60: listeners.0.tls.certificates.0.key_file: "tls/none.key" cannot be read: no such file or directory`},
		{"a key for a certificate", pair("tls/server.key", "tls/server.key"), `3:34: listeners.0.tls.certificates.0.cert_file: "tls/server.key" has no certificate in PEM`},
		{"a certificate for a key", pair("tls/server.crt", "tls/server.crt"), `3:60: listeners.0.tls.certificates.0.key_file: "tls/server.crt" has no private key in PEM`},
		{"another certificate's key", pair("tls/server.crt", "tls/other.key"), `3:60: listeners.0.tls.certificates.0.key_file: "tls/other.key" does not go with the certificate`},
		{"a key with a passphrase", pair("tls/server.crt", "tls/locked.key"), `3:60: listeners.0.tls.certificates.0.key_file: "tls/locked.key" is encrypted`},
		{"a broken chain", pair("tls/broken.crt", "tls/server.key"), `3:34: listeners.0.tls.certificates.0.cert_file: "tls/broken.crt" certificate 2 in it is broken`},
		{"an empty file", pair("tls/empty", "tls/server.key"), `3:34: listeners.0.tls.certificates.0.cert_file: "tls/empty" has no certificate in PEM`},
		{"no such mode", good + "\n      mode: thread", "4:13: listeners.0.tls.mode: must be one of loop, goroutine"},
		{"an old version", good + "\n      min_version: 1.1", "4:20: listeners.0.tls.min_version: must be one of 1.2, 1.3, not 1.1"},
		{"no authorities", good + "\n      client_auth: require", "4:20: listeners.0.tls.client_auth: is required with tls.client_auth require"},
		{"authorities for nothing", good + "\n      client_ca_file: tls/clients.crt", "4:23: listeners.0.tls.client_ca_file: has no effect with tls.client_auth none"},
		{"authorities that are none", good + "\n      client_auth: request\n      client_ca_file: tls/server.key", `5:23: listeners.0.tls.client_ca_file: "tls/server.key" has no certificate in PEM`},
		{"a short ticket key", good + "\n      ticket_key_files: [tls/ticket.key, tls/short.key]", `4:42: listeners.0.tls.ticket_key_files.1: "tls/short.key" has 31 bytes`},
		{"ticket keys for nothing", good + "\n      tickets: false\n      ticket_key_files: [tls/ticket.key]", "5:25: listeners.0.tls.ticket_key_files: has no effect with tls.tickets false"},
		{"no certificates", "client_auth: require", "3:20: listeners.0.tls.client_auth: has no effect without tls.certificates"},
		{"no time", good + "\n      handshake_timeout: 0s", "4:26: listeners.0.tls.handshake_timeout: must be 10ms to 10m, not 0s"},
		{"no handshakes", good + "\n      max_handshakes: 0", "4:23: listeners.0.tls.max_handshakes: must be 1 to 1000000, not 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			sample(t)
			_, problems := load(Source{File: "f.yaml"}, []byte(head+tt.text+"\n"))
			got := strings.TrimPrefix(problems.String(), "f.yaml:")
			if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// O9: no proxy protocol from everyone; O8: nobody is trusted who may be anybody.
func TestProxyProblems(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"proxy_protocol: {from: [10.0.0.0/8, 192.0.2.1, '2001:db8::/32', fd00::/8, '::1']}", ""},
		{"trusted_proxies: [10.1.2.3]", ""},
		{"proxy_protocol: {from: [0.0.0.0/0]}", `listeners.0.proxy_protocol.from.0: "0.0.0.0/0" covers strangers`},
		{"proxy_protocol: {from: ['::/0']}", `listeners.0.proxy_protocol.from.0: "::/0" covers strangers`},
		{"proxy_protocol: {from: [128.0.0.0/1]}", `listeners.0.proxy_protocol.from.0: "128.0.0.0/1" covers strangers`},
		{"proxy_protocol: {from: [10.0.0.1/8]}", `listeners.0.proxy_protocol.from.0: "10.0.0.1/8" has bits behind its length: do you mean 10.0.0.0/8?`},
		{"proxy_protocol: {from: [balancer]}", `listeners.0.proxy_protocol.from.0: must be an address or a CIDR`},
		{"trusted_proxies: [0.0.0.0/0]", `listeners.0.trusted_proxies.0: "0.0.0.0/0" covers strangers`},
		{"{proxy_protocol: {from: [10.0.0.1]}, trusted_proxies: [10.0.0.1]}", "listeners.0.trusted_proxies: and proxy_protocol.from are both set"},
	} {
		_, problems := load(Source{File: "f.yaml"}, []byte("listeners:\n  - "+tt.text+"\n"))
		_, got, _ := strings.Cut(problems.String(), ": ")
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.text, problems, tt.want)
		}
	}
	if d := cmp.Diff([]string{"10.0.0.0/8", "192.0.2.1/32", "::1/128"}, func() (l []string) {
		for _, p := range Prefixes([]string{"10.0.0.0/8", "::ffff:192.0.2.1", "::1"}) {
			l = append(l, p.String())
		}
		return l
	}()); d != "" {
		t.Error(d)
	}
}

// A node runs with a certificate that has expired, and with keys that others
// can read; somebody should know.
func TestTLSWarnings(t *testing.T) {
	t.Chdir(t.TempDir())
	sample(t)
	if err := os.Chmod("tls/old.key", 0o644); err != nil {
		t.Fatal(err)
	}
	c, problems, warnings := loadText(Source{File: "f.yaml"}, []byte(
		"listeners:\n  - tls:\n      certificates:\n        - cert_file: tls/old.crt\n          key_file: tls/old.key\n"))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	text := warnings.String()
	for _, want := range []string{
		`f.yaml:4:22: listeners.0.tls.certificates.0.cert_file: "tls/old.crt" expired on `,
		`f.yaml:5:21: listeners.0.tls.certificates.0.key_file: "tls/old.key" holds a secret and has the permissions -rw-r--r--: chmod 0640 or less`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning %q in:\n%s", want, text)
		}
	}
	if len(warnings) != 2 {
		t.Errorf("%d warnings:\n%s", len(warnings), text)
	}
}
