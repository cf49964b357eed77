package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sluice/gateway/hub"
)

// TestEveryRouteIsDocumented, and nothing else is.
func TestEveryRouteIsDocumented(t *testing.T) {
	o := options(&fakeHub{})
	o.Pprof = true
	var routes, documented []string
	for _, rt := range New(o).routes {
		routes = append(routes, rt.method+" "+rt.path)
	}
	d := contract(t)
	for path, methods := range d.at(d.root, "paths") {
		for method := range d.at(methods) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	sort.Strings(routes)
	sort.Strings(documented)
	if diff := cmp.Diff(documented, routes); diff != "" {
		t.Errorf("document (-) and server (+):\n%s", diff)
	}
	for _, rt := range New(o).routes {
		security, stated := d.operation(rt.method, rt.path)["security"].([]any)
		if open := stated && len(security) == 0; open != rt.open {
			t.Errorf("%s: open is %v, in the document %v", rt.path, rt.open, open)
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	d := contract(t)
	list, _ := d.at(d.root, "components", "schemas", "Error", "properties", "error", "properties", "code")["enum"].([]any)
	var documented, names []string
	for _, name := range list {
		documented = append(documented, name.(string))
	}
	for _, c := range codes {
		names = append(names, c.name)
		if c.status < 400 || c.status > 599 {
			t.Errorf("%q has status %d", c.name, c.status)
		}
	}
	if diff := cmp.Diff(documented, names); diff != "" {
		t.Errorf("document (-) and server (+):\n%s", diff)
	}
}

// TestDocumentIsServed byte for byte, and its own examples work.
func TestDocumentIsServed(t *testing.T) {
	file, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	New(options(&fakeHub{})).Handler().ServeHTTP(w, request("GET", "/api/openapi.yaml", ""))
	if !bytes.Equal(w.Body.Bytes(), file) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%d bytes of %s, want the file's %d", w.Body.Len(), w.Header().Get("Content-Type"), len(file))
	}
}

// TestDocumentedExamples: each request's example fits its schema and is
// understood.
func TestDocumentedExamples(t *testing.T) {
	d := contract(t)
	o := options(&fakeHub{})
	o.CheckChannel = func(string) error { return nil }
	o.Disconnect = func(string, hub.ID, uint16, string) (bool, error) { return true, nil }
	s := New(o)
	for path, schema := range map[string]string{
		"/api/publish": "Publish", "/api/broadcast": "Broadcast", "/api/batch": "Batch", "/api/disconnect": "Disconnect",
		"/api/revoke": "Revoke", "/api/drain": "StartDrain",
	} {
		sch := d.at(d.root, "components", "schemas", schema)
		examples, _ := sch["examples"].([]any)
		if len(examples) == 0 {
			t.Errorf("%s has no example", schema)
		}
		for _, e := range examples {
			body, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.body(sch, body); err != nil {
				t.Errorf("%s: %s: %v", schema, body, err)
			}
			res := exchange(t, s, request("POST", path, string(body)))
			if got := res.body; res.status != 200 || strings.Contains(got, "error") {
				t.Errorf("%s %s: %d %s", path, body, res.status, got)
			}
		}
	}
}

// A setting provokes a status of an operation; nil when it cannot.
type setting func(t *testing.T, o *Options, r *http.Request) (*Server, *http.Request)

type lateBody struct{ err error }

func (b lateBody) Read([]byte) (int, error) { return 0, b.err }

func settings() map[string]setting {
	plain := func(o *Options, r *http.Request) (*Server, *http.Request) { return New(*o), r }
	body := func(r *http.Request, b io.Reader) *http.Request {
		n := httptest.NewRequest(r.Method, r.URL.String(), b)
		n.Host = r.Host
		return n
	}
	return map[string]setting{
		"200": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) { return plain(o, r) },
		"400": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			if r.Method == http.MethodPost {
				return plain(o, body(r, strings.NewReader("{")))
			}
			return plain(o, request(r.Method, r.URL.Path+"?unknown=1", ""))
		},
		"401": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			o.APIKey = "k"
			return plain(o, r)
		},
		"403": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			r.Host = "evil.example"
			return plain(o, r)
		},
		"404": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			if r.URL.Path == "/api/drain" {
				o.Drainer = fakeDrainer{fail: ErrUnknownNode}
				return plain(o, r)
			}
			if r.Method == http.MethodPost {
				return plain(o, body(r, strings.NewReader(`{"connection":"0000000000000001"}`)))
			}
			if r.URL.Query().Has("channel") {
				return plain(o, request(r.Method, r.URL.Path+"?channel=a", ""))
			}
			o.Pprof = false
			return plain(o, r)
		},
		"405": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			r.Method = http.MethodPut
			return plain(o, r)
		},
		"409": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			o.Revoke = func(Revocation) (Cut, error) { return Cut{}, ErrAuthOff }
			o.Drainer = fakeDrainer{fail: ErrNoSurvivors}
			return plain(o, r)
		},
		"507": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			o.Revoke = func(Revocation) (Cut, error) { return Cut{}, ErrRevocationsFull }
			return plain(o, r)
		},
		"408": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			return plain(o, body(r, lateBody{fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}))
		},
		"413": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			r.ContentLength = 1 << 40
			return plain(o, r)
		},
		"415": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			r.Header.Set("Content-Encoding", "gzip")
			return plain(o, r)
		},
		"429": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			s := New(*o)
			for _, slots := range s.bodies.slots {
				for range cap(slots) {
					slots <- struct{}{}
				}
			}
			for range cap(s.histories) {
				s.histories <- struct{}{}
			}
			return s, r
		},
		"500": func(t *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			switch r.URL.Path {
			case "/metrics":
				o.Metrics = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errors.New("broken") })
			case "/debug/pprof/profile":
				if err := pprof.StartCPUProfile(io.Discard); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pprof.StopCPUProfile)
			case "/debug/pprof/trace":
				if err := trace.Start(io.Discard); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(trace.Stop)
			default:
				o.Hub = &fakeHub{panic: true}
				o.Disconnect, o.Revoke = o.Hub.(*fakeHub).disconnect, o.Hub.(*fakeHub).revoke
				o.History, o.Presence = o.Hub.(*fakeHub).past, o.Hub.(*fakeHub).presence
				o.Ready = func() (bool, string) { panic("injected") }
				o.Drainer = fakeDrainer{fail: errors.New("broken")}
			}
			return plain(o, r)
		},
		"503": func(t *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			o.Hub = &fakeHub{fail: hub.ErrBusy}
			o.History = o.Hub.(*fakeHub).past
			unheard := &fakeHub{fail: hub.ErrDown, unheard: hub.ErrDown}
			o.Presence, o.Disconnect = unheard.presence, unheard.disconnect
			o.Drainer = fakeDrainer{fail: ErrEnding}
			o.Ready = func() (bool, string) { return false, "draining" }
			if r.URL.Path == "/metrics" {
				return busyMetrics(t, o), r
			}
			return plain(o, r)
		},
		"504": func(_ *testing.T, o *Options, r *http.Request) (*Server, *http.Request) {
			o.Hub = &fakeHub{lost: errors.New("the link went down")}
			return plain(o, r)
		},
	}
}

// busyMetrics has as many scrapes under way as it takes.
func busyMetrics(t *testing.T, o *Options) *Server {
	entered, leave := make(chan struct{}), make(chan struct{})
	o.Metrics = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		entered <- struct{}{}
		<-leave
		return nil, nil
	})
	s := New(*o)
	done := make(chan struct{})
	for range maxScrapes {
		go func() {
			s.Handler().ServeHTTP(httptest.NewRecorder(), request("GET", "/metrics", ""))
			done <- struct{}{}
		}()
		<-entered
	}
	t.Cleanup(func() {
		close(leave)
		for range maxScrapes {
			<-done
		}
	})
	return s
}

// TestEveryDocumentedStatus: each operation answers with each status that the
// document gives it, in the form that it gives; and the exchanges of all other
// tests show that it answers with no others.
func TestEveryDocumentedStatus(t *testing.T) {
	good := map[string]string{
		"/api/publish":    `{"channel":"a","text":"x"}`,
		"/api/broadcast":  `{"channels":["a"],"text":"x"}`,
		"/api/batch":      `{"publish":[{"channel":"a","text":"x"}]}`,
		"/api/disconnect": `{"connection":"00000000000000ab"}`,
		"/api/revoke":     `{"user":"alice"}`,
		"/api/drain":      `{"over":"10m"}`,
	}
	d := contract(t)
	for path, methods := range d.at(d.root, "paths") {
		for method := range d.at(methods) {
			op := d.operation(method, path)
			for status := range d.at(op, "responses") {
				t.Run(strings.Trim(path, "/")+"/"+status, func(t *testing.T) {
					provoke := settings()[status]
					if provoke == nil {
						t.Fatalf("no test provokes status %s", status)
					}
					o := options(&fakeHub{})
					o.Pprof = true
					target := path
					if path == "/api/history" || strings.HasPrefix(path, "/api/presence") {
						target += "?channel=k"
					}
					if status == "200" && slices.Contains([]string{"/debug/pprof/profile", "/debug/pprof/trace"}, path) {
						target += "?seconds=1"
					}
					r := request(strings.ToUpper(method), target, good[path])
					if status == "200" && strings.HasSuffix(path, "/profile") {
						// The profile ends with its caller's patience.
						ctx, cancel := context.WithCancel(r.Context())
						cancel()
						r = r.WithContext(ctx)
					}
					s, r := provoke(t, &o, r)
					res := exchange(t, s, r)
					if got := fmt.Sprint(res.status); got != status {
						t.Errorf("status %s: %s", got, res.body)
					}
					if status == "405" && res.header.Get("Allow") == "" {
						t.Error("no Allow header")
					}
					if (status == "429" || status == "503" && path != "/metrics") && res.header.Get("Retry-After") == "" {
						t.Error("no Retry-After header")
					}
				})
			}
		}
	}
}
