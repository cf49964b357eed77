package edge

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os/exec"
	"strings"
	"testing"

	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// twoKeys gives the listener an RSA certificate beside the one with ECDSA.
func (r *tlsRig) twoKeys(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := r.root.issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key)
	r.tls.Certificates = append(r.tls.Certificates, c.write(t, r.dir, "rsa"))
}

// T1: a scan. Of the versions 1.2 and 1.3 are spoken, or 1.3 alone where that is
// asked for; of the cipher suites none that is 3DES, RC4, CBC with SHA-256, or
// without forward secrecy.
func TestT1Scan(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.twoKeys(t)
		r.start(t)
		try := func(change func(*tls.Config)) error {
			c := r.config()
			change(c)
			_, err := r.handshake(t, c)
			return err
		}
		for version, want := range map[uint16]bool{
			tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
		} {
			if err := try(func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }); (err == nil) != want {
				t.Errorf("%s: %v", tls.VersionName(version), err)
			}
		}
		good := 0
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if s.SupportedVersions[0] == tls.VersionTLS13 {
				continue
			}
			weak := s.Insecure || strings.Contains(s.Name, "_RSA_WITH_") && !strings.Contains(s.Name, "ECDHE") ||
				strings.Contains(s.Name, "3DES") || strings.Contains(s.Name, "RC4") || strings.HasSuffix(s.Name, "CBC_SHA256")
			err := try(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{s.ID} })
			if (err == nil) == weak {
				t.Errorf("%s: %v", s.Name, err)
			}
			if err == nil {
				good++
			}
		}
		if good < 6 {
			t.Errorf("%d cipher suites of TLS 1.2 are spoken", good)
		}
	})
}

// T1: what another library finds.
func TestT1OpenSSL(t *testing.T) {
	bin := openssl(t)
	r := newTLSRig(t)
	r.twoKeys(t)
	r.start(t)
	for _, tt := range []struct {
		args string
		ok   bool
	}{
		{"-tls1 -cipher ALL:@SECLEVEL=0", false},
		{"-tls1_1 -cipher ALL:@SECLEVEL=0", false},
		{"-tls1_2", true},
		{"-tls1_3", true},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", true},
		{"-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305", true},
		{"-tls1_2 -cipher AES128-SHA:@SECLEVEL=0", false},
		{"-tls1_2 -cipher AES128-GCM-SHA256:AES256-GCM-SHA384", false},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256", false},
		{"-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256", false},
		{"-tls1_2 -cipher ECDHE-ECDSA-CAMELLIA128-SHA256", false},
		{"-tls1_2 -cipher aNULL:@SECLEVEL=0", false},
	} {
		args := append([]string{"s_client", "-brief", "-connect", r.Addresses()[0]}, strings.Fields(tt.args)...)
		cmd := exec.CommandContext(t.Context(), bin, args...)
		out, _ := cmd.CombinedOutput() // it ends with its empty input
		if ok := bytes.Contains(out, []byte("CONNECTION ESTABLISHED")); ok != tt.ok {
			t.Errorf("%s: connected %v, want %v\n%s", tt.args, ok, tt.ok, out)
		}
	}
}

// openssl is its command line, which is nothing that Go brings along.
func openssl(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("this machine has no openssl; crypto/tls's client scans the same in TestT1Scan")
	}
	return bin
}

// T1: with min_version 1.3, 1.2 is refused, and counted as such.
func TestT1MinVersion(t *testing.T) {
	r := newTLSRig(t)
	r.tls.MinVersion = tls.VersionTLS13
	r.start(t)
	c := r.config()
	c.MaxVersion = tls.VersionTLS12
	if _, err := r.handshake(t, c); err == nil {
		t.Error("TLS 1.2 was spoken")
	}
	eventually(t, "the count", func() bool { return r.errors(metrics.TLSVersion) == 1 })
	r.dial(t)
}

// T2: a client that can, exchanges keys by X25519MLKEM768.
func TestT2PostQuantum(t *testing.T) {
	r := newTLSRig(t).startTLS(t)
	c, err := r.handshake(t, r.config())
	if err != nil {
		t.Fatal(err)
	}
	if st := c.tls.ConnectionState(); st.CurveID != tls.X25519MLKEM768 || st.Version != tls.VersionTLS13 {
		t.Errorf("%s, %s", tls.VersionName(st.Version), st.CurveID)
	}
}

// T3: a client whose key share does not fit is asked for another one, and gets in.
func TestT3HelloRetryRequest(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		if err := r.prepare(); err != nil {
			t.Fatal(err)
		}
		r.listeners[0].secure.config.Load().CurvePreferences = []tls.CurveID{tls.CurveP384}
		r.run(t)
		c := r.config()
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
		client, err := r.handshake(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if st := client.tls.ConnectionState(); !st.HelloRetryRequest || st.CurveID != tls.CurveP384 {
			t.Errorf("retried %v, %s", st.HelloRetryRequest, st.CurveID)
		}
		if err := client.upgrade("/"); err != nil {
			t.Fatal(err)
		}
		client.send(t, masked(ws.Text, "second try"))
		client.expect(t, ws.Text, "second try")
	})
}

// T16: what is not http/1.1 is refused, so that no other protocol's bytes are
// ever taken for ours (ALPACA); who names nothing means HTTP.
func TestT16ALPN(t *testing.T) {
	r := newTLSRig(t).startTLS(t)
	for _, tt := range []struct {
		offer []string
		ok    bool
		got   string
	}{
		{nil, true, ""},
		{[]string{"http/1.1"}, true, "http/1.1"},
		{[]string{"h2", "http/1.1"}, true, "http/1.1"},
		{[]string{"smtp"}, false, ""},
		{[]string{"h2"}, true, ""},
		{[]string{"acme-tls/1"}, false, ""},
	} {
		c := r.config()
		c.NextProtos = tt.offer
		client, err := r.handshake(t, c)
		if len(tt.offer) == 1 && tt.offer[0] == "h2" {
			// crypto/tls lets a client in that offers h2 alone, without a choice: such a
			// client falls back to HTTP/1.1, or leaves.
			if err == nil && client.tls.ConnectionState().NegotiatedProtocol != "" {
				t.Error("h2 was chosen")
			}
			continue
		}
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.offer, err)
			continue
		}
		if err == nil && client.tls.ConnectionState().NegotiatedProtocol != tt.got {
			t.Errorf("%q: %q was chosen", tt.offer, client.tls.ConnectionState().NegotiatedProtocol)
		}
	}
}

// Of several certificates the one for the name that was asked for is shown; the
// first to those who name nothing known.
func TestTLSNames(t *testing.T) {
	r := newTLSRig(t)
	for _, host := range []string{"*.sub.example.com", "other.example"} {
		r.tls.Certificates = append(r.tls.Certificates, r.root.server(t, host).write(t, r.dir, strings.TrimLeft(host, "*.")))
	}
	r.start(t)
	for name, want := range map[string]string{
		"example.com": "example.com", "a.sub.example.com": "*.sub.example.com", "other.example": "other.example", "": "example.com", "unknown.example": "example.com",
	} {
		c := r.config()
		c.ServerName, c.InsecureSkipVerify = name, true
		client, err := r.handshake(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.tls.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%q: the certificate for %s", name, got)
		}
	}
}

// T19: each failed handshake is counted once, by a reason of a closed set.
func TestT19Reasons(t *testing.T) {
	_, weak, _ := ed25519.GenerateKey(rand.Reader)
	for _, tt := range []struct {
		want metrics.TLSError
		hit  func(t *testing.T, r *tlsRig)
	}{
		{metrics.TLSNotTLS, func(t *testing.T, r *tlsRig) {
			c := r.connect(t)
			c.send(t, request("/"))
			c.rest(t)
		}},
		{metrics.TLSVersion, with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })},
		{metrics.TLSCipher, with(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		})},
		{metrics.TLSProtocol, with(func(c *tls.Config) { c.NextProtos = []string{"smtp"} })},
		{metrics.TLSCertificate, with(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{newAuthority(t).issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "who"}}, weak).pair()}
		})},
		{metrics.TLSAlert, with(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() })},
		{metrics.TLSLost, func(t *testing.T, r *tlsRig) { r.connect(t).reset() }},
		{metrics.TLSLost, func(t *testing.T, r *tlsRig) {
			c := r.connect(t)
			c.send(t, []byte{0x16, 3, 1, 2, 0})
			eventually(t, "the bytes", func() bool { return r.set.Edge().BytesIn.Load() == 5 })
			c.reset()
		}},
		{metrics.TLSOther, func(t *testing.T, r *tlsRig) {
			c := r.connect(t)
			c.send(t, []byte{0x16, 3, 1, 0, 4, 1, 0, 0, 0}) // an empty ClientHello
			c.rest(t)
		}},
	} {
		t.Run(tt.want.String(), func(t *testing.T) {
			bothModes(t, func(t *testing.T, r *tlsRig) {
				r.tls.ClientAuth, r.tls.ClientCA = tls.VerifyClientCertIfGiven, r.root.write(t, r.dir, "ca").Certificate
				r.start(t)
				tt.hit(t, r)
				eventually(t, "the count", func() bool { return r.failures(metrics.HandshakeTLS)+r.failures(metrics.HandshakeLost) == 1 })
				eventually(t, "the reason", func() bool {
					var sum uint64
					for e := range metrics.NumTLSErrors {
						sum += r.errors(e)
					}
					return sum == 1
				})
				if r.errors(tt.want) != 1 {
					for e := range metrics.NumTLSErrors {
						if r.errors(e) > 0 {
							t.Errorf("counted as %v", e)
						}
					}
				}
			})
		})
	}
}

// with is a client that is changed, whose handshake fails on one side.
func with(change func(*tls.Config)) func(*testing.T, *tlsRig) {
	return func(t *testing.T, r *tlsRig) {
		c := r.config()
		change(c)
		client, err := r.handshake(t, c)
		if err == nil {
			_, err = client.in.ReadByte() // TLS 1.3: the client is done before it is looked at
		}
		if err == nil {
			t.Error("the handshake did not fail")
		}
	}
}
