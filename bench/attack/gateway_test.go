package attack_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"sluice/bench/attack"
	"sluice/gateway"
	"sluice/gateway/config"
)

// patience bounds every wait of these tests.
const patience = time.Minute

// node is a gateway that the test attacks, with limits as an operator would set
// them on the open internet, and deadlines that are short.
func node(t *testing.T, secure bool, connectionsPerAddress int) (url string) {
	t.Helper()
	cfg := config.Default()
	l := &cfg.Listeners[0]
	l.Address = "127.0.0.1:0"
	cfg.Admin.Address = ""
	private := l.Endpoints[0]
	private.Path = "/private"
	l.Endpoints[0].Auth.Mode = config.AuthNone
	l.Endpoints = append(l.Endpoints, private)
	cfg.Auth.Issuer, cfg.Auth.Audience = "i", "a"
	cfg.Auth.Keys = []config.Key{{ID: "k", Algorithm: "HS256", Secret: config.NewSecret("q8Tz1vN0cYw5Lr7Kd2Xf9Gb4Hj6Mp3Sa")}}
	short := config.Duration(time.Second)
	cfg.Limits.HandshakeTimeout, cfg.Limits.CloseTimeout = short, short
	cfg.Limits.MessageTimeout = config.Duration(time.Second)
	cfg.Limits.ConnectionsPerAddress, cfg.Limits.ConnectsPerAddress, cfg.Limits.FailedAuthsPerAddress = connectionsPerAddress, 20, 5
	cfg.Limits.MessagesPerSecond, cfg.Limits.BytesPerSecond = 50, 256<<10
	cfg.Limits.WriteQueue, cfg.Limits.OutboxFrames = 32<<10, 16
	cfg.Drain.Period, cfg.Drain.Timeout = 0, config.Duration(10*time.Second)
	scheme := "ws"
	if secure {
		scheme = "wss"
		dir := t.TempDir()
		writeCertificate(t, dir)
		l.TLS.Certificates = []config.Certificate{{CertFile: filepath.Join(dir, "server.crt"), KeyFile: filepath.Join(dir, "server.key")}}
		l.TLS.HandshakeTimeout = short
	}
	g, err := gateway.New(cfg, gateway.Options{Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		drain()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return scheme + "://" + g.Addresses()[0] + "/"
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: cert},
		"server.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// answers says whether the node serves a good client, which tries again where it
// was too slow for the deadlines of this test.
func answers(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	var c *websocket.Conn
	for {
		var resp *http.Response
		var err error
		c, resp, err = websocket.Dial(ctx, url+"?channel=good", &websocket.DialOptions{HTTPClient: client})
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("a good client cannot connect: %v", err)
		}
	}
	defer func() { _ = c.CloseNow() }()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(ctx); err != nil || string(b) != "hello" {
		t.Fatalf("a good client got %q, %v", b, err)
	}
}

// cut is how attempts end also where this machine is too slow for the deadlines of
// this test, or a reset overtakes the last words.
const cut = "cut"

// refusals are how the node may end the attempts of each attack, beside cuts and
// refusals by address; the first of them must be seen.
func refusals() map[string][]string {
	return map[string][]string{
		"silent":          {cut},
		"drip-request":    {cut},
		"drip-headers":    {cut},
		"drip-frame":      {"close 1008"},
		"drip-tls":        {cut},
		"stall-tls":       {cut},
		"half-closers":    {"close 1000", cut},
		"big-headers":     {"HTTP 431", cut},
		"many-headers":    {"HTTP 431", cut},
		"smuggling":       {"HTTP 400", "HTTP 426", "HTTP 405", "HTTP 505", cut},
		"origins":         {"HTTP 403", "HTTP 400"},
		"bad-tokens":      {"HTTP 503", "HTTP 401", cut},
		"connect-flood":   {"HTTP 503", "let in", cut},
		"hoard":           {"HTTP 503", cut},
		"garbage":         {"HTTP 400", "close 1002", cut},
		"frame-overflow":  {"close 1009", "close 1002", cut},
		"empty-fragments": {"close 1008", cut},
		"ping-flood":      {"close 1008", cut},
		"ping-flood-deaf": {"close 1008", cut},
		"deflate-bombs":   {"not agreed: close 1002", cut},
		"message-flood":   {"close 1008", cut},
		"byte-flood":      {"close 1008", cut},
		"non-readers":     {cut, "close 1013"},
		"tls-handshakes":  {"handshake", cut},
		"big-hellos":      {cut},
		"key-updates":     {cut},
	}
}

// TestRefusals holds C1, C2, C3, C4, C6, W2, W4, W5, W6, W8, L1, L2, L5, T7, T10 and
// T11 together: every attack, played at full speed, is refused as docs/limits.md
// says, nothing that a server must not do happens, and a good client is served
// afterwards.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, what := range attack.All() {
		t.Run(what.Name, func(t *testing.T) {
			t.Parallel()
			perAddress := 100
			if what.Name == "hoard" {
				perAddress = 2
			}
			url := node(t, what.TLS, perAddress)
			wants := refusals()[what.Name]
			if len(wants) == 0 {
				t.Fatal("no expectation")
			}
			o := attack.Order{Attack: what.Name, URL: url, Channel: "x", Sockets: 16, Duration: 500 * time.Millisecond}
			if what.Name == "non-readers" {
				o.Duration = 16 * time.Second // until the kernel holds no more for them
			}
			for i := range 32 {
				o.Sources = append(o.Sources, fmt.Sprintf("127.0.2.%d", i+1))
			}
			if what.Auth {
				o.URL += "private"
			}
			var r *attack.Report
			for begun := time.Now(); ; o.Duration *= 2 {
				var err error
				if r, err = attack.Play(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				if r.Ends[wants[0]] > 0 {
					break
				}
				if time.Since(begun) > patience {
					t.Fatalf("no %q: %v", wants[0], r.Ends)
				}
			}
			t.Logf("%d attempts, %v", r.Attempts, r.Ends)
			if len(r.Breaches) > 0 {
				t.Errorf("breaches: %v", r.Breaches)
			}
			for _, how := range slices.Sorted(maps.Keys(r.Ends)) {
				if how == "open at the end" || how == "HTTP 503" || how == "publishers: open at the end" || how == cut {
					continue
				}
				if !slices.Contains(wants, how) {
					t.Errorf("%d attempts ended with %q, which is not among %q", r.Ends[how], how, wants)
				}
			}
			answers(t, url)
		})
	}
}
