package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/hub"
)

// serve runs s on a loopback port and returns its address.
func serve(t *testing.T, s *Server) (addr string, served <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return l.Addr().String(), done
}

func TestServeAndShutdown(t *testing.T) {
	s := New(options(&fakeHub{}))
	addr, served := serve(t, s)
	res, err := http.Post("http://"+addr+"/api/publish", "application/json", strings.NewReader(`{"channel":"b","text":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != `{"result":{"subscribers":2}}`+"\n" {
		t.Errorf("got %s, %v", body, err)
	}
	for i := range 2 {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown %d: %v", i, err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener of a stopped server is not closed: %v", err)
	}
}

func TestServeTellsWhatBroke(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := New(options(&fakeHub{})).Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// TestShutdownIsBounded: a call that does not end is cut.
func TestShutdownIsBounded(t *testing.T) {
	o := options(&fakeHub{})
	entered, leave := make(chan struct{}), make(chan struct{})
	o.Ready = func() (bool, string) {
		close(entered)
		<-leave
		return true, ""
	}
	s := New(o)
	addr, _ := serve(t, s)
	failed := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the call was answered")
	}
	close(leave)
}

func TestNewNeedsItsOptions(t *testing.T) {
	defer func() {
		v := fmt.Sprint(recover())
		for _, name := range []string{"Hub", "Disconnect", "CheckChannel", "MessageSize", "Ready", "Metrics", "Cell"} {
			if !strings.Contains(v, name) {
				t.Errorf("panic %q does not name %s", v, name)
			}
		}
	}()
	New(Options{})
}

func TestTwoServers(t *testing.T) {
	a, b := &fakeHub{}, &fakeHub{}
	exchange(t, New(options(a)), request("POST", "/api/publish", `{"channel":"a","text":"x"}`))
	exchange(t, New(options(b)), request("GET", "/api/info", ""))
	if len(a.published) != 1 || len(b.published) != 0 {
		t.Errorf("published %d and %d", len(a.published), len(b.published))
	}
}

// TestPanic: a handler's panic is one failed call: answered, counted and logged.
func TestPanic(t *testing.T) {
	h := &fakeHub{panic: true}
	o := options(h)
	var log bytes.Buffer
	o.Log = zerolog.New(&log)
	s := New(o)
	res := exchange(t, s, request("POST", "/api/publish", `{"channel":"a","text":"x"}`))
	if e := refusal(t, res); res.status != 500 || e.Code != "internal" || strings.Contains(e.Message, "injected") {
		t.Errorf("%d %+v", res.status, e)
	}
	if n := o.Cell.Panics.Load(); n != 1 {
		t.Errorf("%d panics counted", n)
	}
	if !strings.Contains(log.String(), "injected") || !strings.Contains(log.String(), "publish.go") {
		t.Errorf("the log does not say what happened where: %s", &log)
	}
	h.panic = false
	if res := exchange(t, s, request("POST", "/api/publish", `{"channel":"a","text":"x"}`)); res.status != 200 {
		t.Errorf("after the panic: %d", res.status)
	}
	if n := len(s.bodies.slots[single]); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
}

// TestPanicInTheMiddle: half an answer does not look like a whole one.
func TestPanicInTheMiddle(t *testing.T) {
	o := options(&fakeHub{})
	s := New(o)
	s.routes = append(s.routes, route{path: "/half", method: "GET", open: true, serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("injected")
	}})
	addr, _ := serve(t, s)
	res, err := http.Get("http://" + addr + "/half")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil || o.Cell.Panics.Load() != 1 {
		t.Errorf("error %v, %d panics counted", err, o.Cell.Panics.Load())
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := New(options(&fakeHub{}))
	for _, path := range []string{"/", "/api", "/api/", "/api/publish/", "/API/publish", "//api/publish", "/api/../metrics", "/healthz/x", "/debug/pprof", "/debug/vars"} {
		r := request("GET", "/", "")
		r.URL.Path = path
		res := exchange(t, s, r)
		if e := refusal(t, res); res.status != 404 || e.Code != "not_found" {
			t.Errorf("%s: %d %+v", path, res.status, e)
		}
	}
	for _, tt := range []struct{ method, path, allow string }{
		{"GET", "/api/publish", "POST"},
		{"PUT", "/api/publish", "POST"},
		{"OPTIONS", "/api/publish", "POST"},
		{"POST", "/api/info", "GET, HEAD"},
		{"POST", "/metrics", "GET, HEAD"},
		{"DELETE", "/healthz", "GET, HEAD"},
	} {
		res := exchange(t, s, request(tt.method, tt.path, ""))
		if e := refusal(t, res); res.status != 405 || e.Code != "method_not_allowed" || res.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d %+v, Allow %q", tt.method, tt.path, res.status, e, res.header.Get("Allow"))
		}
	}
	if res := exchange(t, s, request("HEAD", "/api/info", "")); res.status != 200 {
		t.Errorf("HEAD: %d", res.status)
	}
}

func TestBodies(t *testing.T) {
	limit := bodyLimit(single, testMessageSize)
	chunked := func(n int64) *http.Request { // without a Content-Length
		r := request("POST", "/api/publish", "")
		r.Body = io.NopCloser(io.LimitReader(zeros{}, n))
		r.ContentLength = -1
		return r
	}
	long := request("POST", "/api/publish", "x")
	long.ContentLength = limit + 1
	cut := request("POST", "/api/publish", "")
	cut.Body = io.NopCloser(lateBody{io.ErrUnexpectedEOF})
	gzip := request("POST", "/api/publish", "x")
	gzip.Header.Set("Content-Encoding", "gzip")
	identity := request("POST", "/api/publish", `{"channel":"a","text":"x"}`)
	identity.Header.Set("Content-Encoding", "identity")
	form := request("POST", "/api/publish", `{"channel":"a","text":"x"}`)
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded") // curl -d
	tests := map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"at the limit":    {chunked(limit), 400, "must be an object"},
		"above it":        {chunked(limit + 1), 413, fmt.Sprintf("more than %d bytes", limit)},
		"announced above": {long, 413, fmt.Sprintf("has %d bytes, of at most %d", limit+1, limit)},
		"cut":             {cut, 400, "ended early"},
		"gzip":            {gzip, 415, "unsupported_encoding"},
		"identity":        {identity, 200, ""},
		"as a form":       {form, 200, ""},
	}
	s := New(options(&fakeHub{}))
	for name, tt := range tests {
		res := exchange(t, s, tt.r)
		if got := res.body; res.status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %d %s", name, res.status, got)
		}
	}
	if n := len(s.bodies.slots[single]); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
	if got := bodyLimit(bulk, 100<<20); got < 600<<20 {
		t.Errorf("a batch may be smaller than one message: %d", got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// TestMessageSizeMayChange while the server runs, as it does on a reload.
func TestMessageSizeMayChange(t *testing.T) {
	o := options(&fakeHub{})
	size := 1
	o.MessageSize = func() int { return size }
	s := New(o)
	for want, n := range map[int]int{413: 2, 200: 3} {
		size = n
		if res := exchange(t, s, request("POST", "/api/publish", `{"channel":"a","text":"xyz"}`)); res.status != want {
			t.Errorf("size %d: %d", n, res.status)
		}
	}
}

// TestSlowCallers: whoever does not finish a request is cut off in time.
func TestSlowCallers(t *testing.T) {
	for name, tt := range map[string]struct {
		sent string
		want string // how the answer begins, if that is ours to say
		in   time.Duration
	}{
		"half a header": {"POST /api/publish HT", "", readHeaderTimeout},
		"half a body":   {"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", "HTTP/1.1 408 Request Timeout", readTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := New(options(&fakeHub{}))
			l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
			done := make(chan error, 1)
			go func() { done <- s.Serve(l) }()
			client, server := net.Pipe()
			l.conns <- server
			start := time.Now()
			if _, err := io.WriteString(client, tt.sent); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(client).ReadString('\n')
			if got := strings.TrimSpace(line); !strings.HasPrefix(got, tt.want) || time.Since(start) < tt.in || time.Since(start) > tt.in+time.Second {
				t.Errorf("%s: %q after %v, want %q after %v", name, got, time.Since(start), tt.want, tt.in)
			}
			client.Close()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func BenchmarkPublish(b *testing.B) {
	h := New(options(&fakeHub{fail: hub.ErrBusy})).Handler()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), request("POST", "/api/publish", `{"channel":"a","data":{"x":[1,2,3]}}`))
	}
}
