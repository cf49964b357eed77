package interop

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/bench"
)

func TestTLS(t *testing.T) {
	for name, server := range broadcasters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, ca := serveTLS(t, server())
			testTLS(t, url, ca)
		})
	}
}

// testTLS runs what a broadcast server behind TLS is held to; ca is the file with
// its root.
func testTLS(t *testing.T, url, ca string) {
	p := bench.Plan{
		Scenario: "fanout", Preset: "broadcast", URLs: []string{url}, CA: ca, Connections: 20,
		Publishers: 2, PublishRate: 200, Duration: 500 * time.Millisecond,
	}
	delivered(t, mustRun(t, p), 100, 20)

	p.CA, p.TLSInsecure, p.Size = "", true, 100_000 // several records each
	p.Connections, p.PublishRate, p.Duration = 3, 50, 200*time.Millisecond
	delivered(t, mustRun(t, p), 10, 3)

	p.Size, p.PublishRate, p.Window = 0, 0, 16
	flawless(t, until(t, p, 1000))

	p.Scenario, p.Connections, p.Window, p.PublishRate, p.Messages = "churn", 5, 0, 300, 1
	flawless(t, until(t, p, 20))
}

// Whatever the handshake is, and wherever the stream is cut: at every byte.
func TestTLSVariants(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"1.2":                                 {MaxVersion: tls.VersionTLS12},
		"1.3":                                 {MinVersion: tls.VersionTLS13},
		"1.3, the client hello is sent again": {MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP521}},
		"a client certificate may be shown":   {ClientAuth: tls.RequestClientCert},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(&gorilla{})
			s.Listener = bytewise{s.Listener}
			s.TLS = config
			s.StartTLS()
			t.Cleanup(s.Close)
			r := mustRun(t, bench.Plan{
				Scenario: "fanout", Preset: "broadcast", URLs: []string{"wss" + s.URL[len("https"):]}, TLSInsecure: true,
				Connections: 3, PublishRate: 50, Duration: 200 * time.Millisecond,
			})
			delivered(t, r, 10, 3)
		})
	}
}

// bytewise is a listener whose connections send one byte at a time.
type bytewise struct{ net.Listener }

func (l bytewise) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return bytewiseConn{c}, err
}

type bytewiseConn struct{ net.Conn }

func (c bytewiseConn) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// The name that is asked for is the URL's, and the certificate must be for it.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	names := make(chan string, 1)
	s := httptest.NewUnstartedServer(&gorilla{})
	s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	run := func(host string, insecure bool) error {
		_, err := bench.Run(t.Context(), bench.Plan{
			Scenario: "fanout", Preset: "broadcast", URLs: []string{"wss://" + host + port}, TLSInsecure: insecure,
			Connections: 1, PublishRate: 10, Duration: 100 * time.Millisecond,
		}, bench.Options{})
		return err
	}
	if err := run("localhost", true); err != nil {
		t.Error(err)
	}
	if name := <-names; name != "localhost" {
		t.Errorf("the server was asked for %q", name)
	}
	if err := run("127.0.0.1", false); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	if name := <-names; name != "" {
		t.Errorf("an address was sent as a name: %q", name)
	}
}

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	_, ca := serveTLS(t, &gorilla{})
	for _, tt := range []struct {
		name, url, ca, want string
	}{
		{"no TLS there", "wss" + serve(t, &gorilla{})[len("ws"):], ca, "does not look like a TLS handshake"},
		{"no such file", "wss://127.0.0.1:1/", ca + "x", "no such file"},
		{"no certificate in it", "wss://127.0.0.1:1/", "tls_test.go", "no certificate in"},
	} {
		_, err := bench.Run(t.Context(), bench.Plan{
			Scenario: "fanout", Preset: "broadcast", URLs: []string{tt.url}, CA: tt.ca, Connections: 2, Window: 1,
		}, bench.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A handshake that never ends leaves nothing behind when the run is over.
func TestTLSSilence(t *testing.T) {
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := bench.Run(ctx, bench.Plan{
		Scenario: "connect", URLs: []string{"wss://" + l.Addr().String() + "/"}, TLSInsecure: true, Connections: 300,
	}, bench.Options{Interval: time.Millisecond, Progress: func(p bench.Progress) {
		if p.Elapsed > 50*time.Millisecond {
			cancel()
		}
	}})
	if err != nil || !r.Interrupted || r.Opened != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	goleak.VerifyNone(t, before)
}
