package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/config"
)

// What the tests of this package say about plain connections they say about
// encrypted ones, too: TestOverTLS runs this binary again, with these set.
const (
	modeEnv  = "SLUICE_GATEWAY_TEST_TLS"     // a config.TLSMode
	filesEnv = "SLUICE_GATEWAY_TEST_TLS_DIR" // where the certificate is
)

// encrypted says that clients connect over TLS.
func encrypted() bool { return os.Getenv(modeEnv) != "" }

// encrypt gives a configuration's listeners TLS, where that is the mode.
func encrypt(cfg *config.Config) {
	if !encrypted() {
		return
	}
	t := &cfg.Listeners[0].TLS
	t.Mode = config.TLSMode(os.Getenv(modeEnv))
	t.Certificates = []config.Certificate{{
		CertFile: filepath.Join(os.Getenv(filesEnv), "server.crt"), KeyFile: filepath.Join(os.Getenv(filesEnv), "server.key"),
	}}
}

// trust is what a client needs to know; nil without TLS.
func trust() *tls.Config {
	if !encrypted() {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(os.Getenv(filesEnv), "server.crt"))
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// public is the URL of a listener for clients.
func public(scheme, address string) string {
	if encrypted() {
		scheme += "s"
	}
	return scheme + "://" + address
}

// secured is a client's connection over TLS, where that is the mode.
func secured(t testing.TB, c net.Conn) net.Conn {
	t.Helper()
	if !encrypted() {
		return c
	}
	s := tls.Client(c, trust())
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	return s
}

// writeCertificate makes a certificate for 127.0.0.1 that signs itself, and returns its serial number.
func writeCertificate(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"server.crt": {Type: "CERTIFICATE", Bytes: der}, "server.key": {Type: "PRIVATE KEY", Bytes: k8}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.SerialNumber.String()
}

// throughTLS are the tests that open connections as clients do.
var throughTLS = []string{
	"TestCompression",
	"TestTwoGateways", "TestStop", "TestStopDuringDrain", "TestPublicAndAdminPorts", "TestMemoryIsReleased",
	"TestDrainUnderLoad", "TestDrainTimeout", "TestDrainDelay",
	"TestSlowConsumers", "TestReload", "TestReloadUnderLoad", "TestReloadReachesExistingChannels",
}

// Over TLS, in both modes, everything is as it is without.
func TestOverTLS(t *testing.T) {
	if encrypted() {
		t.Skip("this is the run over TLS")
	}
	passed := regexp.MustCompile(`(?m)^ *--- PASS: (\S+)`)
	results := map[config.TLSMode][]string{}
	for _, mode := range []config.TLSMode{config.TLSLoop, config.TLSGoroutine} {
		t.Run(string(mode), func(t *testing.T) {
			dir := t.TempDir()
			writeCertificate(t, dir)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.count=1", "-test.run", "^("+strings.Join(throughTLS, "|")+")$")
			cmd.Env = append(os.Environ(), modeEnv+"="+string(mode), filesEnv+"="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			for _, m := range passed.FindAllSubmatch(out, -1) {
				results[mode] = append(results[mode], string(m[1]))
			}
			slices.Sort(results[mode])
			for _, name := range throughTLS {
				if !slices.Contains(results[mode], name) {
					t.Errorf("%s did not pass", name)
				}
			}
		})
	}
	if d := cmp.Diff(results[config.TLSLoop], results[config.TLSGoroutine]); d != "" {
		t.Errorf("the loop and goroutines do not do the same:\n%s", d)
	}
}

// T14: a reload reads the certificate's file again, and the next client sees the
// new one. The metrics say how TLS is doing.
func TestReloadOfCertificates(t *testing.T) {
	dir := t.TempDir()
	first := writeCertificate(t, dir)
	t.Setenv(modeEnv, string(config.TLSLoop))
	t.Setenv(filesEnv, dir)
	n := start(t, testConfig())
	serial := func() string {
		c, err := tls.Dial("tcp", n.Addresses()[0], &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if got := serial(); got != first {
		t.Fatalf("serial %s, want %s", got, first)
	}
	next := writeCertificate(t, dir)
	n.Reload(testConfig())
	if got := serial(); got != next {
		t.Errorf("serial %s, want %s", got, next)
	}
	var body string
	eventually(t, "the end of the handshakes on this side, too", func() bool {
		_, body = get(t, "http://"+n.AdminAddress()+"/metrics")
		return strings.Contains(body, "\nsluice_edge_tls_handshakes_in_flight 0\n")
	})
	for _, want := range []string{
		"\nsluice_edge_tls_loop 1\n", "\nsluice_edge_tls_buffer_release 1\n",
		"\nsluice_edge_tls_reloads_total{result=\"failed\"} 0\n", "\nsluice_edge_tls_certificate_expiry_seconds 1.",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics do not say %q", want)
		}
	}
}
