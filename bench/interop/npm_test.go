//go:build interop

package interop

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/bench"
)

// node runs server.mjs until the test ends. It needs node, and `npm ci` in this folder.
func node(t *testing.T, arguments ...string) (address string) {
	t.Helper()
	cmd := exec.Command("node", append([]string{"server.mjs"}, arguments...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("node server.mjs: %v: has npm ci been run?", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port) + "/"
}

// TestNpm: npm's ws is driven as gorilla and gws are.
func TestNpm(t *testing.T) {
	url := "ws://" + node(t)
	testBroadcast(t, func(*testing.T) string { return url })
}

// TestNpmTLS: OpenSSL is at the other end, which sends tickets.
func TestNpmTLS(t *testing.T) {
	key, certificate := keyPair(t)
	testTLS(t, "wss://"+node(t, key, certificate), certificate)
}

// keyPair writes a key, and a certificate for 127.0.0.1, to files.
func keyPair(t *testing.T) (key, certificate string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	private, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key, certificate = filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "certificate.pem")
	for path, block := range map[string]*pem.Block{
		key:         {Type: "PRIVATE KEY", Bytes: private},
		certificate: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, certificate
}

// TestNpmMix: clients come, go and read in pauses.
func TestNpmMix(t *testing.T) {
	r := mustRun(t, bench.Plan{
		Scenario: "mix", Preset: "broadcast", URLs: []string{"ws://" + node(t)}, Connections: 60, Publishers: 3, PublishRate: 100,
		Slow: 0.1, Pause: 100 * time.Millisecond, Leaves: 20, Jitter: 100 * time.Millisecond, Duration: 2 * time.Second,
	})
	if flawless(t, r); r.Operations == 0 || len(r.Problems) > 0 {
		t.Errorf("%d operations, %q", r.Operations, r.Problems)
	}
}
