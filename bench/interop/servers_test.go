package interop

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/bench"
)

// serve runs a server until the test ends.
func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + s.URL[len("http"):] + "/"
}

// serveTLS runs it behind TLS; ca is the file with its root.
func serveTLS(t *testing.T, h http.Handler) (url, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return "wss" + s.URL[len("https"):] + "/", ca
}

// patience bounds what a busy machine may take.
const patience = time.Minute

// mustRun runs a plan to its end.
func mustRun(t *testing.T, p bench.Plan) *bench.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := bench.Run(ctx, p, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Interrupted {
		t.Fatalf("not done within %v", patience)
	}
	return r
}

// until runs a plan until it has measured so many operations.
func until(t *testing.T, p bench.Plan, operations uint64) *bench.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p.Duration = time.Hour
	r, err := bench.Run(ctx, p, bench.Options{Interval: time.Millisecond, Progress: func(now bench.Progress) {
		if now.Phase == "measuring" && now.Done >= operations {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Operations < operations {
		t.Errorf("%d operations within %v, want %d", r.Operations, patience, operations)
	}
	return r
}

// flawless fails the test unless all connections stayed and every message
// arrived once, in order, whole and where it should.
func flawless(t *testing.T, r *bench.Result) {
	t.Helper()
	if r.Failed != 0 || r.Lost != 0 || r.Faults.Any() {
		t.Errorf("%d connections failed (%s), %d lost %v; %+v", r.Failed, r.FirstFail, r.Lost, r.Codes, r.Faults)
	}
}

// delivered fails the test unless that many messages reached that many each.
func delivered(t *testing.T, r *bench.Result, published, each uint64) {
	t.Helper()
	flawless(t, r)
	if r.Published != published || r.Undelivered != 0 || r.Delivery == nil || r.Delivery.Count != published*each {
		t.Errorf("%d published, %d undelivered, deliveries %+v; want %d times %d", r.Published, r.Undelivered, r.Delivery, published, each)
	}
}
